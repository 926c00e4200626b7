"""What parallelism a job needs: advice with its arithmetic, past rescales, override drift, and what-if."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import ClassVar

import msgspec
from textual.binding import Binding, BindingType
from textual.widget import Widget

from flinkops.autoscale.controller import advise
from flinkops.autoscale.decide import Decision, VertexAdvice
from flinkops.autoscale.document import advice_document, headline
from flinkops.autoscale.settings import Settings, settings_of
from flinkops.model.assessment import JobAssessment
from flinkops.model.facts import JobFacts, JobKey
from flinkops.model.overrides import OVERRIDES, parse_overrides
from flinkops.outside.shell import shell_command
from flinkops.render.cells import count_cell, moment_text, percent_cell, rate_cell, tidy
from flinkops.render.lines import Line, Role, flow, join, line
from flinkops.render.status_json import encode_line
from flinkops.tui.actions.catalog import KINDS
from flinkops.tui.actions.messages import AskAction
from flinkops.tui.choice import Choice
from flinkops.tui.grid import Column, Grid
from flinkops.tui.keys import Where
from flinkops.tui.lineview import Pane
from flinkops.tui.table_screen import TableScreen
from flinkops.tui.view import View

SAMPLES = 240
"""So many are kept while the screen is open: twenty minutes at a poll every 5 s."""
_STEP = 0.05
_LEAST, _GREATEST = 0.3, 1.0
_HISTORY = 5
_ARITHMETIC = 8
_ROLE: dict[str, Role] = {"hold": "ok", "scale": "warning", "blocked": "critical"}
_RESCALE = next(kind for kind in KINDS if kind.verb == "rescale")


class AutoscalingScreen(TableScreen[VertexAdvice]):
    """Decides again with each poll, over the polls since it was opened."""

    PLACES: ClassVar[tuple[Where, ...]] = ("rows",)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "apply", "plan what is advised", show=False),
        Binding("plus,equals_sign", "what_if(1)", "what if it worked nearer to its limit", show=False),
        Binding("minus", "what_if(-1)", "what if it had more room", show=False),
        Binding("0", "what_if(0)", "as it is set", show=False),
    ]

    def __init__(self, key: JobKey) -> None:
        super().__init__()
        self.key = key
        self._samples: deque[JobFacts] = deque(maxlen=SAMPLES)
        self._slots_free: int | None = None
        self._what_if: float | None = None
        self._decision: Decision | None = None
        self._settings = Settings()

    def body(self) -> Iterable[Widget]:
        """The verdict, the vertices, the arithmetic and the past."""
        context = self.host.context
        yield Pane(context, grow=True, id="verdict")
        yield Grid(context, advice_columns(), _identity, empty="no vertices are known yet", id="advice")
        yield Pane(context, grow=True, id="arithmetic")

    def title_line(self, view: View | None, cells: int) -> Line:
        """The job, and at which utilization it is judged."""
        target = f"target utilization {self._settings.utilization_target:.0%}"
        said = line(f"what if: {target}", "accent") if self._what_if is not None else line(target, "dim")
        return join([line(tidy(self.key[2]), "strong"), line("autoscaling"), said], f" {self.host.context.glyphs.dot} ")

    def show_view(self, view: View | None) -> None:
        """One more sample, and what follows from all of them."""
        job = view.by_key.get(self.key) if view else None
        if view is not None and job is not None and job.facts is not None:
            self._remember(view, job.facts)
        self._decide()
        cells = self.app.size.width
        self.query_one("#verdict", Pane).show(verdict_lines(self._decision, len(self._samples), cells))
        self.grid.show(self._decision.vertices if self._decision else ())
        facts = self._samples[-1] if self._samples else None
        under = arithmetic_lines(self._decision, cells)
        self.query_one("#arithmetic", Pane).show([*under, *past_lines(facts), *drift_lines(facts), *self._keys_line()])

    def _remember(self, view: View, facts: JobFacts) -> None:
        if self._samples and facts.seen_ms <= self._samples[-1].seen_ms:
            if facts.seen_ms == self._samples[-1].seen_ms:
                return
            self._samples.clear()  # a replay that went back
        self._samples.append(facts)
        clusters = view.observation.snapshot.clusters
        free = next((each.slots_available for each in clusters if each.name == facts.cluster), None)
        self._slots_free = None if facts.resource is not None else free

    def _decide(self) -> None:
        if len(self._samples) < 2:
            return
        settings, _ = settings_of(self._samples[-1].configuration, {})
        if self._what_if is not None:
            settings = _at(settings, self._what_if)
        self._settings = settings
        self._decision = advise(list(self._samples), settings, slots_free=self._slots_free)

    def _keys_line(self) -> list[Line]:
        apply: Line = (("a", "accent"), (" plan it", "text")) if self._may_apply else (("a plan it", "idle"),)
        if_more: Line = (("+ -", "accent"), (" what if it ran nearer to its limit, or with more room", "text"))
        return [(), join([apply, if_more, (("0", "accent"), (" as set", "text"))])]

    # ---- what is done here

    @property
    def _may_apply(self) -> bool:
        return self._decision is not None and bool(self._decision.changes) and self.host.may_act

    def action_apply(self) -> None:
        """The advice as a plan to confirm, the same as for a rescale by hand."""
        from flinkops.act.autoscale_plan import operator_acts  # the first paint does not wait for it

        job: JobAssessment | None = self.host.view.by_key.get(self.key) if self.host.view else None
        if self._decision is None or not self._decision.changes:
            self.say("nothing to change" if self._decision else "the advice needs two polls")
        elif operator_acts(self._samples[-1].configuration):
            self.say("the operator's autoscaler is on: two controllers would undo each other")
        elif not self._may_apply or job is None:
            self.say("read-only, or its source takes no actions from here")
        else:
            wanted = " ".join(f"{vertex}={parallelism}" for vertex, parallelism in self._decision.changes.items())
            self.post_message(AskAction(_RESCALE, [job], wanted))

    def action_what_if(self, step: int) -> None:
        """Another target utilization, on this screen only."""
        now = self._settings.utilization_target
        self._what_if = None if step == 0 else min(_GREATEST, max(_LEAST, round(now + step * _STEP, 2)))
        self._decide()  # the head, which is drawn first, tells the target
        self.redraw()

    def copies(self) -> Sequence[Choice]:
        """The command that does the same."""
        return [
            Choice("command", shell_command("flinkops", "autoscale", "apply", self.key[2], "--plan")),
            Choice("verdict", headline(self._decision) if self._decision else "?"),
        ]

    def export_json(self) -> bytes | None:
        """The decision as `autoscale advise -o json` words it."""
        return encode_line(advice_document(self._decision)).encode() if self._decision else None


def advice_columns() -> list[Column[VertexAdvice]]:
    """As `autoscale advise` has them, without the arithmetic."""
    c = Column[VertexAdvice]
    return [
        c("vertex", "VERTEX", lambda a: line(tidy(a.name), "strong"), 22, grow_to=90),
        c("now", "NOW", lambda a: count_cell(a.current), 4, "right"),
        c("wanted", "WANTED", _wanted, 6, "right"),
        c("true", "TRUE RATE", lambda a: rate_cell(a.true_processing_rate), 10, "right", priority=1),
        c("target", "TARGET", lambda a: rate_cell(a.target_rate), 10, "right", priority=1),
        c("expected", "EXPECTED", lambda a: rate_cell(a.expected_rate, "dim"), 10, "right", priority=3),
        c("busy", "BUSY", lambda a: percent_cell(a.utilization), 5, "right", priority=2),
        c(
            "lag",
            "LAG",
            lambda a: count_cell(a.lag_records) if a.lag_records is not None else (),
            9,
            "right",
            priority=2,
        ),
    ]


def _lag(advice: VertexAdvice) -> Line:
    return () if advice.lag_records is None else count_cell(advice.lag_records)


def _wanted(advice: VertexAdvice) -> Line:
    changed = advice.recommended != advice.current
    return count_cell(advice.recommended, "warning" if changed else "dim")


def verdict_lines(decision: Decision | None, samples: int, cells: int) -> list[Line]:
    """The verdict in a sentence; before the second poll, that one is needed."""
    if decision is None:
        return [line(f"  rates need two polls; {samples} so far", "dim")]
    return _paragraph(tidy(headline(decision)), _ROLE[decision.verdict], cells)


def arithmetic_lines(decision: Decision | None, cells: int) -> list[Line]:
    """Why each vertex should have what it should have; first those that should change."""
    advice = sorted(decision.vertices, key=lambda each: each.recommended == each.current) if decision else []
    lines: list[Line] = []
    for each in advice[:_ARITHMETIC]:
        lines += _paragraph(f"{tidy(each.name)}: {tidy(each.why)}", "text", cells)
    return lines


def past_lines(facts: JobFacts | None) -> list[Line]:
    """The newest rescales that Flink remembers (2.3 on)."""
    if facts is None or not facts.rescales:
        return []
    lines = [line("  rescales", "heading")]
    for each in facts.rescales[:_HISTORY]:
        why = " ".join(part for part in (each.cause, each.reason or "") if part)
        lines.append(((f"  {moment_text(each.started_ms)}  ", "dim"), (tidy(f"{each.state} {why}"), "text")))
    return lines


def drift_lines(facts: JobFacts | None) -> list[Line]:
    """Where an override in the job's settings says another parallelism than the one that runs."""
    if facts is None or OVERRIDES not in facts.configuration:
        return []
    try:
        overrides = parse_overrides(facts.configuration[OVERRIDES])
    except ValueError as problem:
        return [line(f"  {OVERRIDES}: {tidy(str(problem))}", "warning")]
    return [
        line(
            f"  drift: {tidy(each.name)} runs with {each.parallelism}, its override says {overrides[each.id]}",
            "warning",
        )
        for each in facts.vertices
        if overrides.get(each.id, each.parallelism) != each.parallelism
    ]


def _paragraph(text: str, role: Role, cells: int) -> list[Line]:
    rows = flow([line(word, role) for word in text.split(" ") if word], max(20, cells - 4), gap=" ")
    return [(("  ", "text"), *row) for row in rows]


def _at(settings: Settings, target: float) -> Settings:
    """Another target, with bounds that keep their distance as far as they can."""
    shift = target - settings.utilization_target
    return msgspec.structs.replace(
        settings,
        utilization_target=target,
        utilization_max=min(max(target, 1.0), settings.upper_utilization + shift),
        utilization_min=max(0.0, settings.lower_utilization + shift),
    )


def _identity(advice: VertexAdvice) -> str:
    return advice.id
