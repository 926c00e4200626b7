"""What the commands share that read a savepoint: its content, or one line that says why it cannot be had."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flinkops.cli.options import Common
from flinkops.errors import OperationFailed

if TYPE_CHECKING:
    from flinkops.act.savepoint_content import SavepointContent


def content_of(common: Common, path: str, names: Mapping[str, str]) -> "SavepointContent":
    """Raises OperationFailed for what is no savepoint, Unreachable for storage that cannot be asked."""
    from contextlib import closing

    from flinkops.act.java_stream import MetadataError
    from flinkops.act.savepoint_content import savepoint_content
    from flinkops.act.storage import Absent
    from flinkops.sources.storage.port import OutOfReach
    from flinkops.sources.storage.stores import Stores

    with closing(Stores(common.settings.storage)) as stores:
        try:
            return savepoint_content(path, stores, names)
        except Absent as missing:
            raise OperationFailed(f"{path}: {missing}") from None
        except MetadataError as problem:
            raise OperationFailed(f"{path}: its _metadata is not usable: {problem}") from None
        except OutOfReach as problem:
            raise OutOfReach(f"{path}: {problem.what}", next_step=problem.next_step) from None
