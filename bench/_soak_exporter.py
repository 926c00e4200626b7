"""`flinkops exporter` that keeps a sixth of the samples of each job: they are all there within the warm-up.

With 360 of each on a busy machine most of an hour's soak is the history filling, and what grows beside it is not seen.
"""

import sys

from flinkops.cli.main import main
from flinkops.history import MAX_SAMPLES, History

KEPT_SAMPLES = MAX_SAMPLES // 6


def _keep_fewer() -> None:
    made = History.__init__

    def init(self: History, max_samples: int = KEPT_SAMPLES) -> None:
        made(self, max_samples)

    History.__init__ = init  # type: ignore[method-assign]


if __name__ == "__main__":
    _keep_fewer()
    main(sys.argv[1:])
