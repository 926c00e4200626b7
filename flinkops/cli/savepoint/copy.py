"""`flinkops savepoint copy`."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.action_options import Consent, JournalOption, acts
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import act, new_stamp, open_journal
from flinkops.errors import OperationFailed

if TYPE_CHECKING:
    from flinkops.act.savepoint_check import SavepointCheck
    from flinkops.sources.storage.stores import Stores


@with_common
@acts()
def copy(
    common: Common,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The savepoint.")],
    target: Annotated[str, typer.Argument(metavar="FOLDER", help="The copy lies in it, under the savepoint's name.")],
    *,
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    r"""Copy a savepoint into another folder, on this storage or another one, and check that all of it is there.

    \b
    Only what can be restored from another place: savepoints, whose files are named relative to their own folder.
    Incremental checkpoints, and what was written with entropy, are refused.
    Interrupted, the same command copies what is missing.
    Exit codes: 0 copied, 1 it is damaged, 3 a storage is out of reach, 5 it cannot be moved, or the place is taken.
    """
    from flinkops.act.storage_control import StorageControl
    from flinkops.plan.storage import plan_copy
    from flinkops.sources.storage.stores import Stores

    journal = open_journal(journal_folder)
    with closing(Stores(common.settings.storage)) as stores:
        check = _whole(path, stores)
        to = _target_path(path, target)
        made = plan_copy(path, to, new_stamp("savepoint-copy"), what=check.why, refused=_refused(path, to, stores))
    act(common, StorageControl(), made, consent, journal)


def _whole(path: str, stores: "Stores") -> "SavepointCheck":
    """Raises OperationFailed for what is damaged, Unreachable for what cannot be asked."""
    from flinkops.act.savepoint_check import check_savepoint
    from flinkops.sources.storage.port import OutOfReach

    check = check_savepoint(path, stores)
    if check.verdict == "bad":
        raise OperationFailed(f"{path} is not whole: {check.why}")
    if check.verdict == "unknown":
        raise OutOfReach(f"{path}: {check.why}", next_step=check.next_step)
    return check


def _target_path(path: str, folder: str) -> str:
    """The folder with the savepoint's own name in it. Raises OutOfReach for storage that is not known."""
    from flinkops.sources.storage.location import savepoint_folder
    from flinkops.sources.storage.stores import place_of

    place_of(folder)
    return f"{folder.rstrip('/')}/{savepoint_folder(place_of(path)).name}"


def _refused(path: str, target: str, stores: "Stores") -> list[str]:
    from flinkops.act.savepoint_copy import not_relocatable, occupied
    from flinkops.act.savepoint_metadata import parse_metadata
    from flinkops.act.storage import read_metadata_file

    content = read_metadata_file(path, stores).content
    reasons = (not_relocatable(parse_metadata(content, detailed=True)), occupied(target, content, stores))
    return [one for one in reasons if one is not None]
