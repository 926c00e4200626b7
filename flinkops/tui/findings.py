"""The findings of one job: what is wrong, worst first; enter shows evidence and remedy, and plans the first move."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from flinkops.model.assessment import JobAssessment
from flinkops.model.facts import JobKey
from flinkops.model.findings import Diagnosis, Finding
from flinkops.outside.shell import shell_words
from flinkops.render.cells import tidy
from flinkops.render.doctor import evidence_text, remedy_text
from flinkops.render.lines import Line, Role, flow, join, line
from flinkops.tui.actions.catalog import KINDS, Kind
from flinkops.tui.actions.messages import AskAction
from flinkops.tui.choice import Choice
from flinkops.tui.context import Context
from flinkops.tui.dialogs import sheet_cells
from flinkops.tui.fetching import FetchingScreen
from flinkops.tui.grid import Column, Grid
from flinkops.tui.keys import Where
from flinkops.tui.lineview import Pane
from flinkops.tui.table_screen import TableScreen
from flinkops.tui.view import View
from flinkops.tui.window import Window

if TYPE_CHECKING:
    from flinkops.evidence_collector import EvidenceCollector

ROLE: dict[str, Role] = {"critical": "critical", "warning": "warning", "info": "accent"}
_KINDS = {kind.title: kind for kind in KINDS}
WAITING = "asking for subtasks, TaskManagers and stacks: some ten seconds"


class Move(NamedTuple):
    """A finding's next command as an action on the screen: its kind, and what would be typed for it."""

    kind: Kind
    text: str

    @property
    def says(self) -> str:
        """In words."""
        return f"{self.kind.title} {self.text}".rstrip()


class FindingsScreen(TableScreen[Finding], FetchingScreen[Diagnosis]):
    """At once what the snapshot tells; a moment later, with what is asked for besides. Again with each poll."""

    PLACES: ClassVar[tuple[Where, ...]] = ("rows",)

    def __init__(self, key: JobKey) -> None:
        super().__init__()
        self.key = key
        self._shallow: Diagnosis | None = None  # by the snapshot alone, until more was fetched
        self._collector: EvidenceCollector | None = None

    @property
    def _diagnosis(self) -> Diagnosis | None:
        return self.content or self._shallow

    def body(self) -> Iterable[Widget]:
        """What is still being asked, the findings, and what could not be assessed."""
        context = self.host.context
        yield Pane(context, grow=True, id="asking")
        empty = "nothing found in what could be assessed"
        yield Grid(context, finding_columns(context), _identity, empty=empty, id="findings")
        yield Pane(context, grow=True, id="not-assessed")

    def title_line(self, view: View | None, cells: int) -> Line:
        """The job and its score."""
        name = line(tidy(self.key[2]), "strong")
        score = self._diagnosis.score if self._diagnosis else None
        said = line(f"score {score}" if score is not None else "score unknown", "dim")
        return join([name, line("findings"), said], f" {self.host.context.glyphs.dot} ")

    def show_view(self, view: View | None) -> None:
        """What is known; and ask for more as of this poll."""
        job = view.by_key.get(self.key) if view else None
        if view is not None and job is not None and job.facts is not None:
            if self.content is None:
                self._shallow = diagnosed(view, job)
            if self.host.has_details:
                self._fetch(view, job)
        asking = [] if self.content is not None else self.fetch_line(waiting=WAITING)
        self.query_one("#asking", Pane).show(asking)
        self.grid.show(self._diagnosis.findings if self._diagnosis else ())
        self.query_one("#not-assessed", Pane).show(not_assessed_lines(self._diagnosis, self.app.size.width))

    def _fetch(self, view: View, job: JobAssessment) -> None:
        from flinkops.diagnose.diagnosis import diagnose
        from flinkops.evidence_collector import EvidenceCollector

        if self._collector is None:
            self._collector = EvidenceCollector(self.host.sources)
        collector = self._collector
        self.fetch_each_poll(view, lambda view: diagnose(collector.collect(view.observation, job)))

    @on(Grid.Chosen)
    def _on_chosen(self) -> None:
        finding = self.grid.cursor_row
        if finding is None:
            return
        move = move_of(finding) if self.host.may_act else None

        def answered(wanted: bool | None) -> None:
            job = self.host.view.by_key.get(self.key) if self.host.view else None
            if wanted and move is not None and job is not None:
                self.post_message(AskAction(move.kind, [job], move.text))

        self.app.push_screen(FindingSheet(self.host.context, finding, move), answered)

    def copies(self) -> Sequence[Choice]:
        """What a person takes along from a finding."""
        finding = self.grid.cursor_row
        if finding is None:
            return ()
        return [Choice("title", finding.title), Choice("next", finding.next), Choice("reference", finding.reference)]


class FindingSheet(Window[bool]):
    """One finding in full; p plans its first move where it is one that the screens can do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,h,left", "answer(False)", show=False),
        Binding("p,enter", "answer(True)", show=False),
    ]

    def __init__(self, context: Context, finding: Finding, move: Move | None) -> None:
        super().__init__()
        self._ctx = context
        self._finding = finding
        self._move = move

    def compose(self) -> ComposeResult:
        """Text, and what can be done."""
        with Vertical(classes="sheet"):
            yield Pane(self._ctx, grow=True, id="finding")
            yield Pane(self._ctx, grow=True, id="question")

    def on_mount(self) -> None:
        """Fill."""
        cells = sheet_cells(self.app.size.width)
        self.query_one("#finding", Pane).show(finding_lines(self._finding, cells))
        keys: Line = (("esc", "accent"), (" back", "text"))
        if self._move is not None:
            keys = (("enter", "accent"), (f" plan it: {tidy(self._move.says)}   ", "text"), *keys)
        self.query_one("#question", Pane).show([(), keys])

    def action_answer(self, wanted: bool) -> None:
        """The plan is confirmed on its own sheet."""
        self.dismiss(wanted and self._move is not None)


def diagnosed(view: View, job: JobAssessment) -> Diagnosis:
    """By what the snapshot tells."""
    from flinkops.diagnose.diagnosis import diagnose
    from flinkops.evidence_collector import EvidenceCollector

    return diagnose(EvidenceCollector({}).collect(view.observation, job))


def brief_lines(view: View, job: JobAssessment, context: Context) -> list[Line]:
    """One line a finding above info, by what the snapshot tells: for the job's own screen."""
    if job.facts is None:
        return []
    glyphs = context.glyphs
    signs = {"critical": glyphs.critical, "warning": glyphs.warning}
    return [
        ((f"  {signs[each.severity]} {each.code:<20} ", ROLE[each.severity]), (tidy(each.title), "text"))
        for each in diagnosed(view, job).findings
        if each.severity in signs
    ]


def finding_columns(context: Context) -> list[Column[Finding]]:
    """Severity as sign, word and colour."""
    glyphs = context.glyphs
    signs = {"critical": glyphs.critical, "warning": glyphs.warning, "info": glyphs.dot}
    c = Column[Finding]
    return [
        c("severity", "SEVERITY", lambda f: line(f"{signs[f.severity]} {f.severity}", ROLE[f.severity]), 10),
        c("code", "CODE", lambda f: line(f.code, "strong"), 20),
        c("sure", "SURE", lambda f: line(f"{f.confidence:.0%}", "dim"), 5, "right", priority=2),
        c("title", "FINDING", lambda f: line(tidy(f.title)), 24, grow_to=110),
        c("cause", "FOLLOWS FROM", lambda f: line(f.caused_by or "", "dim"), 20, priority=3),
    ]


def finding_lines(finding: Finding, cells: int) -> list[Line]:
    """Evidence, remedy, next command."""
    lines: list[Line] = [((finding.severity, ROLE[finding.severity]), (f"  {finding.code}", "strong"))]
    if finding.caused_by:
        lines[0] += ((f"  follows from {finding.caused_by}", "dim"),)
    lines += _paragraph("", tidy(finding.title), "text", cells)
    lines.append(())
    for each in finding.evidence:
        lines += _paragraph("seen", tidy(evidence_text(each)), "text", cells)
    for remedy in finding.remedy:
        lines += _paragraph("do", tidy(remedy_text(remedy)), "text", cells)
    lines += _paragraph("next", tidy(finding.next), "accent", cells)
    lines += _paragraph("see", tidy(finding.reference), "dim", cells)
    return lines


def not_assessed_lines(diagnosis: Diagnosis | None, cells: int) -> list[Line]:
    """What the rules could not say: not the same as healthy."""
    if diagnosis is None or not diagnosis.not_assessed:
        return []
    lines = [line("  not assessed", "heading")]
    for each in diagnosis.not_assessed:
        lines += _paragraph(each.code, tidy(each.why), "dim", cells, label_cells=30)
    return lines


def move_of(finding: Finding) -> Move | None:
    """The first move of this finding as an action on the screen; None where its next command plans none."""
    move = finding.move
    if move is None:
        return None
    text = shell_words(["--set", move.target]) if move.verb == "upgrade" else move.target
    return Move(_KINDS[move.verb], text)


def _paragraph(label: str, text: str, role: Role, cells: int, *, label_cells: int = 6) -> list[Line]:
    rows = flow([line(word, role) for word in text.split(" ") if word], max(20, cells - label_cells - 3), gap=" ")
    return [((f"  {label if n == 0 else '':<{label_cells}} ", "dim"), *row) for n, row in enumerate(rows)]


def _identity(finding: Finding) -> tuple[str, str]:
    return (finding.code, finding.vertex or finding.title)
