"""The storage as the executor sees it, for plans that are about folders and ask no Flink cluster."""

from contextlib import AbstractContextManager, nullcontext

from flinkops.model.plan import Plan
from flinkops.plan.storage import SOURCE


class StorageControl:
    """Without anything that has to hold."""

    name = SOURCE
    url = ""
    poll_seconds = 0.5

    def unmet(self, _plan: Plan) -> tuple[str, ...]:
        """Each step looks for itself."""
        return ()

    def lock(self, _plan: Plan) -> AbstractContextManager[None]:
        """That in the journal's folder is all there is."""
        return nullcontext()
