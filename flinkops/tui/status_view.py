"""The second line of every screen: is this live, how old is it, and what may I do here. Pure."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from flinkops.clock import iso_utc
from flinkops.render.cells import short_age, tidy
from flinkops.render.lines import Line, ends, join, line
from flinkops.tui.context import Context
from flinkops.tui.view import View


@dataclass
class PollState:
    """How polling goes. Paused (a person asked for it) and failing (nothing answers) are different things."""

    guarded: tuple[str, ...] = ()  # patterns of the sources at which nothing may be changed
    sources: tuple[str, ...] = ()  # all that are asked
    paused: bool = False
    waiting: int = 0  # newer observations behind a paused picture
    error: str | None = None  # why the last poll gave nothing at all
    failures: int = 0  # polls in a row that gave nothing
    retry_seconds: float | None = None
    replay: str | None = None  # position and speed, when a recording plays
    recording: str | None = None  # the file that is written
    overdue: bool = False  # the poll in flight takes longer than an interval

    def read_only_at(self, source: str) -> bool:
        """Whether nothing may be changed there."""
        return any(fnmatchcase(source, pattern) for pattern in self.guarded)

    @property
    def banner(self) -> str:
        """Where nothing may be changed, in a few words."""
        guarded = [source for source in self.sources if self.read_only_at(source)]
        if not self.guarded or (self.sources and not guarded):
            return ""
        if len(guarded) == len(self.sources):
            return f"READ-ONLY {tidy(guarded[0])}" if len(guarded) == 1 else "READ-ONLY"
        return f"READ-ONLY {tidy(guarded[0])}{f' and {len(guarded) - 1} more' if len(guarded) > 1 else ''}"


def status_line(state: PollState, view: View | None, context: Context, now_ms: int, cells: int) -> Line:
    """For example: ``● live · data 3 s old · 14:02:31Z · 11 of 12 sources ok``."""
    right = line(f" {banner} ", "banner") if (banner := state.banner) else ()
    dot = f" {context.glyphs.dot} "
    if view is None:
        asked = len(state.sources)
        sources = f" to {asked} source{'s' * (asked > 1)}" if asked else ""
        doing = line(f"connecting{sources}{context.glyphs.ellipsis}", "accent")
        failed = line(tidy(state.error), "critical") if state.error else ()
        return ends(join([doing, _retry(state), failed], dot), right, cells, ellipsis=context.glyphs.ellipsis)
    age = view.age_seconds(now_ms)
    old = age is None or age > view.stale_after_seconds
    how_old = "no data yet" if age is None else f"data {short_age(age)} old"
    when = (iso_utc(view.taken_ms) or "")[11:19] + "Z"
    parts = [
        _mode(state, view, context),
        line(how_old if state.replay is None else "recorded", "warning" if old else "text"),
        line(when, "dim"),
        _sources(view),
        line("recording", "accent") if state.recording else (),
        _retry(state),
        line(tidy(state.error), "critical") if state.error else (),
    ]
    return ends(join(parts, dot), right, cells, ellipsis=context.glyphs.ellipsis)


def _mode(state: PollState, view: View, context: Context) -> Line:
    glyphs = context.glyphs
    if state.replay is not None:
        return line(f"{glyphs.node} replay {state.replay}{' PAUSED' if state.paused else ''}", "accent")
    if state.paused:
        behind = f", {state.waiting} newer snapshot{'s' * (state.waiting > 1)} waiting" if state.waiting else ""
        return line(f"PAUSED{behind}", "warning")
    if state.error is not None or view.disconnected:
        return line(f"{glyphs.critical} DISCONNECTED", "critical")
    if state.overdue:
        return line(f"{glyphs.warning} slow: still polling", "warning")
    states = {source.state for source in view.observation.assessment.sources}
    if states and "ok" not in states:
        return line(f"{glyphs.warning} slow: not all was read", "warning")
    return line(f"{glyphs.node} live", "ok")


def _sources(view: View) -> Line:
    sources = view.observation.assessment.sources
    good = sum(source.state == "ok" for source in sources)
    if good == len(sources):
        return line(f"{good} source{'s' * (good != 1)} ok", "dim")
    if view.pending and view.pending == len(sources) - good:
        return line(f"{good} source{'s' * (good != 1)} ok, {view.pending} still being asked (S)", "accent")
    if len(sources) == 1:
        return line(f"source {sources[0].state}: {tidy(sources[0].error or 'no answer')}", "critical")
    return line(f"{good} of {len(sources)} sources ok (S)", "warning" if good else "critical")


def _retry(state: PollState) -> Line:
    if state.retry_seconds is None:
        return ()
    return line(f"retry {state.failures} in {short_age(state.retry_seconds)} (r: now)", "dim")
