"""`flinkops savepoint diff`."""

from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document
from flinkops.cli.run_action import document_format
from flinkops.cli.savepoint.reading import content_of
from flinkops.outside.text import clean

if TYPE_CHECKING:
    from flinkops.act.savepoint_diff import OperatorChange


@with_common
def diff(
    common: Common,
    before: Annotated[str, typer.Argument(metavar="PATH", help="The older savepoint.")],
    after: Annotated[str, typer.Argument(metavar="PATH", help="The newer one.")],
) -> None:
    """What differs between two savepoints: operators, states, parallelism, sizes.

    Operators are matched by their ids, as Flink does.
    """
    import msgspec

    from flinkops.act.savepoint_diff import savepoint_diff

    first, second = content_of(common, before, {}), content_of(common, after, {})
    changes = savepoint_diff(first, second)
    if form := document_format(common):
        document = {"schema_version": 1, "before": before, "after": after, "operators": msgspec.to_builtins(changes)}
        emit_document(document, form)
    else:
        emit([line for one in changes for line in _lines(one)])


def _lines(change: "OperatorChange") -> list[str]:
    from flinkops.model.quantities import human_bytes

    sizes = " -> ".join(human_bytes(one) for one in (change.bytes_before, change.bytes_after) if one is not None)
    return [f"{change.change}: {clean(change.label)}: {sizes}", *(f"  {clean(one)}" for one in change.what)]
