"""What Kubernetes and the Flink operator reported about a job lately, and what blocks it now."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.widget import Widget

from flinkops.model.assessment import JobAssessment
from flinkops.model.detail import KubeEvent, ResourceEvents
from flinkops.render.cells import count_cell, short_age, since_text, tidy, value_cell
from flinkops.render.lines import Line, join, line
from flinkops.sources.protocol import HasResourceEvents
from flinkops.tui.choice import Choice
from flinkops.tui.context import Context
from flinkops.tui.grid import Column, Grid
from flinkops.tui.keys import Where
from flinkops.tui.lineview import Pane
from flinkops.tui.rows_screen import RowsScreen
from flinkops.tui.view import View


class EventsScreen(RowsScreen[ResourceEvents, KubeEvent]):
    """Newest first; asked again with each poll."""

    PLACES: ClassVar[tuple[Where, ...]] = ("rows",)

    def __init__(self, source: HasResourceEvents, job: JobAssessment) -> None:
        super().__init__()
        self._source = source
        self._job = job

    def body(self) -> Iterable[Widget]:
        """What holds it up, the events."""
        context = self.host.context
        yield Pane(context, grow=True, id="stuck")
        empty = "no event of it is left: Kubernetes keeps them for an hour"
        yield Grid(context, event_columns(context, self), _key, empty=empty, id="events")

    def title_line(self, view: View | None, cells: int) -> Line:
        """Whose events."""
        where = tidy("/".join(part for part in (self._job.cluster, self._job.namespace or "") if part))
        name = line(tidy(self._job.name), "strong")
        return join([name, line("events"), line(where, "dim")], f" {self.host.context.glyphs.dot} ")

    def show_view(self, view: View | None) -> None:
        """What is known, and ask for what is newer."""
        facts = self._job.facts
        if facts is not None:
            source = self._source
            self.fetch_each_poll(view, lambda _: source.events(facts))
        found = self.content
        waiting = self.fetch_line(waiting="asking Kubernetes") if found is None or self.problem else []
        lines = [*waiting, *(stuck_lines(found, self.host.context, self.now_ms) if found else ())]
        self.query_one("#stuck", Pane).show(lines)
        self.grid.show(found.events if found else ())

    def copies(self) -> Sequence[Choice]:
        """The text of the event."""
        row = self.grid.cursor_row
        return [Choice("text", row.text), Choice("object", row.object)] if row else ()


def stuck_lines(found: ResourceEvents, context: Context, now_ms: int) -> list[Line]:
    """What holds the job up, and what could not be read."""
    lines: list[Line] = []
    for stuck in found.stuck:
        since = since_text(stuck.since_ms, now_ms)
        sign = line(f"  {context.glyphs.critical} ", "critical")
        told = line(f"  {since}", "dim") if since else ()
        lines.append((*sign, (tidy(f"{stuck.object}: {stuck.text}"), "text"), *told))
    lines += [
        ((f"  ? {tidy(what)} not known: ", "unknown"), (tidy(why), "text")) for what, why in found.unknown.items()
    ]
    return lines


def event_columns(context: Context, screen: EventsScreen) -> list[Column[KubeEvent]]:
    """Warnings stand out by sign, word and colour."""
    glyphs = context.glyphs

    def kind(row: KubeEvent) -> Line:
        sign = f"{glyphs.warning} Warning" if row.kind == "Warning" else f"{glyphs.dot} {tidy(row.kind)}"
        return line(sign, "warning" if row.kind == "Warning" else "dim")

    def ago(row: KubeEvent) -> Line:
        return value_cell(None if row.at_ms is None else short_age((screen.now_ms - row.at_ms) / 1000))

    c = Column[KubeEvent]
    return [
        c("ago", "AGO", ago, 5, "right"),
        c("kind", "KIND", kind, 10),
        c("reason", "REASON", lambda r: line(tidy(r.reason)), 18, grow_to=30),
        c("object", "OBJECT", lambda r: line(tidy(r.object), "dim"), 20, priority=2, grow_to=60),
        c("count", "TIMES", lambda r: count_cell(r.count, "dim"), 5, "right", priority=1),
        c("text", "TEXT", lambda r: line(tidy(r.text)), 24, comfortable=60, grow_to=200),
    ]


def _key(row: KubeEvent) -> tuple[object, ...]:
    return (row.at_ms, row.reason, row.object, row.text)
