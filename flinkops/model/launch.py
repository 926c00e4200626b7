"""How a job was submitted, so that it can be submitted again from a savepoint where no operator does that."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from flinkops.model.assessment import Value
from flinkops.model.option_names import IGNORE_UNCLAIMED_STATE


class Launch(Value, frozen=True):
    """One way to start one job.

    ``embedded``: ``command`` is what `./dev job` was given. ``jar``: ``jar_id`` is in the cluster's upload folder (or
    ``file:PATH`` on this machine, which goes there first), ``command`` are the program's arguments. ``client``:
    ``command`` is a PyFlink script and its arguments, for `flink run -py`. ``settings`` are Flink's configuration keys.
    """

    kind: Literal["embedded", "jar", "client"]
    command: tuple[str, ...] = ()
    jar_id: str | None = None
    entry_class: str | None = None
    parallelism: int | None = None
    settings: dict[str, str] = {}

    @property
    def local_jar(self) -> str | None:
        """The path on this machine of a jar that the cluster does not have yet."""
        marked = self.kind == "jar" and (self.jar_id or "").startswith(LOCAL_JAR)
        return (self.jar_id or "").removeprefix(LOCAL_JAR) if marked else None


LOCAL_JAR = "file:"


def drops_state(settings: Mapping[str, str]) -> bool:
    """Whether a submission with these settings leaves state behind that no operator takes."""
    return any(settings.get(key, "").lower() == "true" for key in IGNORE_UNCLAIMED_STATE)


def dropping(launch: Launch) -> Launch:
    """The launch, leaving behind what no operator takes."""
    return msgspec.structs.replace(
        launch, settings={**launch.settings, **dict.fromkeys(IGNORE_UNCLAIMED_STATE, "true")}
    )
