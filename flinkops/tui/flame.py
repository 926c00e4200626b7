"""The flame graph of a vertex: where its threads spend their time."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from flinkops.clock import iso_utc
from flinkops.model.assessment import JobAssessment, VertexAssessment
from flinkops.model.detail import FlameGraph, FlameGraphKind, FlameGraphNode
from flinkops.render.cells import tidy
from flinkops.render.lines import Line, Role, Span, fit, join, line
from flinkops.render.text import human_ratio
from flinkops.sources.protocol import HasJobDetails
from flinkops.tui.context import Context
from flinkops.tui.fetching import FetchingScreen
from flinkops.tui.keys import Where, bindings
from flinkops.tui.lineview import Pane
from flinkops.tui.view import View

KINDS: tuple[FlameGraphKind, ...] = ("full", "on_cpu", "off_cpu")
HOTTEST = 12
MIN_CELLS = 3


class FlameScreen(FetchingScreen[FlameGraph]):
    """Flink samples for some seconds; meanwhile one can leave."""

    PLACES: ClassVar[tuple[Where, ...]] = ("flame", "lines")
    BINDINGS: ClassVar[list[BindingType]] = bindings("flame")

    def __init__(self, source: HasJobDetails, job: JobAssessment, vertex: VertexAssessment) -> None:
        super().__init__()
        self._source = source
        self._job = job
        self._vertex = vertex
        self._kind = 0

    def body(self) -> Iterable[Widget]:
        """One pane."""
        yield Pane(self.host.context, id="flame")

    def on_mount(self) -> None:
        """Ask at once."""
        self._ask()
        self.query_one("#flame", Pane).focus()

    def _ask(self) -> None:
        source, job_id, vertex_id, kind = self._source, self._job.id, self._vertex.id, KINDS[self._kind]
        self.fetch(lambda: source.flame_graph(job_id, vertex_id, kind))

    def action_mode(self) -> None:
        """The next kind of samples."""
        self._kind = (self._kind + 1) % len(KINDS)
        self.content = None
        self._ask()
        self.redraw()

    def title_line(self, view: View | None, cells: int) -> Line:
        """Job, vertex, kind."""
        kind = KINDS[self._kind].replace("_", "-")
        dot = f" {self.host.context.glyphs.dot} "
        at = (iso_utc(self.content.at_ms) or "")[11:19] if self.content and self.content.at_ms else ""
        sampled = line(f"sampled {at}Z", "dim") if at else ()
        return join(
            [
                line(tidy(self._job.name), "strong"),
                line(tidy(self._vertex.name)),
                line(f"flame graph, {kind}"),
                sampled,
            ],
            dot,
        )

    def show_view(self, view: View | None) -> None:
        """The graph does not change with the fleet."""
        pane = self.query_one("#flame", Pane)
        if self.content is None:
            pane.show(self.fetch_line(waiting="Flink takes samples, about six seconds"))
        elif self.content.root is None:
            pane.show([line(f"  {tidy(self.content.why or 'Flink has no samples')}", "warning")])
        else:
            pane.show(flame_lines(self.content.root, self.host.context, cells=self.app.size.width))


def flame_lines(root: FlameGraphNode, context: Context, *, cells: int) -> list[Line]:
    """Hottest frames first, then the stacks from the root down, each as wide as its share of the samples."""
    total = max(1, root.samples)
    hottest = sorted(_self_samples(root).items(), key=lambda pair: -pair[1])[:HOTTEST]
    lines: list[Line] = [line("  where the time goes (own samples of a frame)", "heading")]
    for frame, samples in hottest:
        bar = context.glyphs.busy * max(1, round(20 * samples / total))
        lines.append(
            ((f"  {human_ratio(samples / total):>5} ", "strong"), (f"{bar:<20} ", "busy"), (tidy(frame), "text"))
        )
    lines += [(), line(f"  stacks of {total} samples, from the root down", "heading")]
    level: list[tuple[FlameGraphNode, int, int]] = [(root, 0, cells)]
    while level:
        lines.append(_row(level, cells, context))
        level = [placed for node, left, width in level for placed in _children(node, left, width)]
    return lines


def _children(node: FlameGraphNode, left: int, width: int) -> list[tuple[FlameGraphNode, int, int]]:
    placed = []
    for child in sorted(node.children, key=lambda each: -each.samples):
        share = int(width * child.samples / max(1, node.samples))
        if share >= MIN_CELLS:
            placed.append((child, left, share))
            left += share
    return placed


def _row(level: Sequence[tuple[FlameGraphNode, int, int]], cells: int, context: Context) -> Line:
    spans: list[Span] = []
    at = 0
    for number, (node, left, width) in enumerate(level):
        if left > at:
            spans.append((" " * (left - at), "text"))
        role: Role = ("text", "accent")[number % 2]
        name = tidy(node.frame.rsplit("/", 1)[-1])
        spans.append((context.glyphs.pipe, "idle"))
        spans.extend(fit(line(_short(name, width - 1), role), width - 1, ellipsis=context.glyphs.ellipsis))
        at = left + width
    return tuple(spans)


def _short(frame: str, cells: int) -> str:
    """The method with its class; the package goes first when there is no room."""
    head = frame.split("(")[0].split(":")[0]
    return head if len(head) <= cells else ".".join(head.split(".")[-2:])


def _self_samples(root: FlameGraphNode) -> dict[str, int]:
    found: dict[str, int] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        own = node.samples - sum(child.samples for child in node.children)
        if own > 0:
            found[node.frame] = found.get(node.frame, 0) + own
        stack.extend(node.children)
    return found
