"""The terminal interface. Everything heavy is imported when it starts."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flinkops.config.settings import RehearseRule
    from flinkops.config.storage import StorageTable
    from flinkops.observer import Observer
    from flinkops.tui.links import Links

__all__ = ["run"]


def run(
    observer: "Observer",
    *,
    interval_seconds: float = 5.0,
    guarded: tuple[str, ...] = (),
    job: str | None = None,
    ascii_only: bool | None = None,
    seconds: float | None = None,
    links: "Links | None" = None,
    storage: "StorageTable | None" = None,
    rehearse: "RehearseRule" = "offered",
) -> None:
    """Show the fleet until the person leaves. The caller closes the observer.

    `job` (name, namespace/name or id) opens at once; at sources that match a pattern of `guarded` nothing is
    changed; with `rehearse` always upgrades try their state first; `seconds` after the first answer it leaves by
    itself. Raises OperationFailed, naming a log file, when the program itself breaks; the terminal is restored by then.
    """
    from flinkops.tui.start import start

    start(
        observer,
        interval_seconds=interval_seconds,
        guarded=guarded,
        job=job,
        ascii_only=ascii_only,
        seconds=seconds,
        links=links,
        storage=storage,
        rehearse=rehearse,
    )
