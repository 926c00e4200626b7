"""The one table of keys: bindings, the key bar, the help screen and the palette are all made from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Where = Literal["everywhere", "rows", "lines", "fleet", "job", "vertex", "flame", "logs", "replay", "sheet"]


@dataclass(frozen=True)
class Key:
    """One key of one place. `label` is for the key bar (empty: not shown there), `help` for the help screen."""

    where: Where
    keys: str  # as Textual names them, separated by commas
    shown: str  # as people read them
    action: str
    label: str
    help: str

    @property
    def id(self) -> str:
        """A stable name, for keymaps."""
        return f"{self.where}.{self.action}"


KEYS: tuple[Key, ...] = (
    Key("everywhere", "question_mark", "?", "app.help", "help", "this list"),
    Key("everywhere", "escape,h,left", "esc h", "app.leave", "back", "back to where you came from"),
    Key("everywhere", "colon,ctrl+p", ": ctrl+p", "app.find", "", "every command and job by name"),
    Key("everywhere", "r", "r", "app.refresh", "", "refresh now, also while waiting to retry"),
    Key("everywhere", "p", "p", "app.pause", "pause", "hold the picture still; polling goes on behind it"),
    Key("everywhere", "y", "y", "screen.copy", "copy", "copy row, id, name, savepoint path or equivalent command"),
    Key("everywhere", "e", "e", "screen.export", "", "write this view to a file, as text or JSON"),
    Key("everywhere", "R", "R", "app.record", "", "start or stop a recording of the snapshots, for status --replay"),
    Key("everywhere", "S", "S", "app.sources", "", "the sources: how each answered, and when"),
    Key("everywhere", "A", "A", "app.last_action", "", "the last action: progress or outcome"),
    Key("everywhere", "t", "t", "app.next_theme", "", "next theme: dark, light, colour-blind, high contrast"),
    Key("everywhere", "u", "u", "screen.links", "", "links: Flink's web UI and others, as text"),
    Key("everywhere", "q,ctrl+q,ctrl+c", "q ctrl+c", "app.quit", "quit", "leave"),
    Key("rows", "down,j", "j down", "move('1')", "", "one row down"),
    Key("rows", "up,k", "k up", "move('-1')", "", "one row up"),
    Key("rows", "pagedown,ctrl+f", "pgdn", "move('page')", "", "a page down"),
    Key("rows", "pageup,ctrl+b", "pgup", "move('-page')", "", "a page up"),
    Key("rows", "home,g", "g home", "move('home')", "", "first row"),
    Key("rows", "end,G", "G end", "move('end')", "", "last row"),
    Key("rows", "enter,l,right", "enter l", "choose", "open", "open the row"),
    Key("rows", "space", "space", "mark", "", "mark the row; copy, notes and savepoints take all marked rows"),
    Key("lines", "down,j", "j down", "move('1')", "", "one line down"),
    Key("lines", "up,k", "k up", "move('-1')", "", "one line up"),
    Key("lines", "pagedown,ctrl+f,space", "pgdn", "move('page')", "", "a page down"),
    Key("lines", "pageup,ctrl+b", "pgup", "move('-page')", "", "a page up"),
    Key("lines", "home,g", "g home", "move('home')", "", "top"),
    Key("lines", "end,G", "G end", "move('end')", "", "bottom"),
    Key("fleet", "slash", "/", "filter", "filter", "filter: words, !word, state: ns: cluster: health: kind:"),
    Key("fleet", "greater_than_sign,full_stop", ">", "sort('1')", "sort", "sort by the next column"),
    Key("fleet", "less_than_sign,comma", "<", "sort('-1')", "", "sort by the previous column"),
    Key("fleet", "o", "o", "flip", "", "turn the sorting round"),
    Key("fleet", "w", "w", "wide", "wide", "more columns"),
    Key("fleet", "b", "b", "broken", "broken", "only what is not ok"),
    Key("fleet", "c", "c", "source", "", "jobs of one source (cluster, context) only, or of all"),
    Key("fleet", "v", "v", "views", "", "open a saved view"),
    Key("fleet", "V", "V", "save_view", "", "save filter, source, order and columns under a name"),
    Key("fleet", "B", "B", "bundle", "", "incident bundle of the marked jobs, else of that under the cursor"),
    Key("fleet", "d", "d", "findings", "", "findings of the job under the cursor"),
    Key("fleet", "T", "T", "timeline", "", "timeline: what happened in the fleet, in order, with its source"),
    Key("fleet", "n", "n", "note", "note", "note or acknowledge; an empty note removes it"),
    Key("fleet", "s", "s", "savepoint", "", "savepoint now: plan, confirm, watch"),
    Key("fleet", "x", "x", "act", "act", "savepoint, rescale, upgrade, restart, suspend, resume or rollback"),
    Key("job", "tab", "tab", "tab('1')", "tabs", "next tab"),
    Key("job", "shift+tab", "shift+tab", "tab('-1')", "", "previous tab"),
    Key("job", "1,2,3,4,5,6,7,8,9", "1-9", "goto_tab", "", "that tab"),
    Key("job", "n", "n", "note", "note", "note or acknowledge; an empty note removes it"),
    Key("job", "s", "s", "savepoint", "", "savepoint now: plan, confirm, watch"),
    Key("job", "x", "x", "act", "act", "savepoint, rescale, upgrade, restart, suspend, resume or rollback"),
    Key("job", "d", "d", "findings", "doctor", "findings: what is wrong, why, and what to do first"),
    Key("job", "T", "T", "timeline", "", "timeline: what happened to it, in order, with its source"),
    Key("job", "a", "a", "autoscaling", "", "autoscaling: the parallelism it needs, why, and a plan for it"),
    Key("job", "f", "f", "flame", "flame", "flame graph of the vertex under the cursor"),
    Key("job", "L", "L", "logs", "logs", "logs of the TaskManagers"),
    Key("job", "B", "B", "bundle", "", "incident bundle: evidence, findings and logs in one file, secrets masked"),
    Key("job", "E", "E", "events", "", "what Kubernetes and the operator reported about it lately"),
    Key("vertex", "f", "f", "flame", "flame", "flame graph of this vertex"),
    Key("vertex", "L", "L", "logs", "logs", "log of the TaskManager under the cursor"),
    Key("flame", "m", "m", "mode", "mode", "full, on-CPU or off-CPU"),
    Key("logs", "slash", "/", "filter", "filter", "only lines that contain this; !word: that do not"),
    Key("replay", "left_square_bracket", "[", "app.step('-1')", "step", "one snapshot back"),
    Key("replay", "right_square_bracket", "]", "app.step('1')", "", "one snapshot on"),
    Key("replay", "left_curly_bracket", "{", "app.step('-12')", "", "twelve snapshots back"),
    Key("replay", "right_curly_bracket", "}", "app.step('12')", "", "twelve snapshots on"),
    Key("replay", "minus", "-", "app.speed('0.5')", "", "half the speed"),
    Key("replay", "plus,equals_sign", "+", "app.speed('2')", "speed", "twice the speed"),
    Key("replay", "J", "J", "app.jump", "jump", "go to a time, for example 14:02"),
)


def at(*places: Where) -> Iterator[Key]:
    """The keys of these places, place by place, in the table's order."""
    return (key for place in places for key in KEYS if key.where == place)


def bindings(*places: Where) -> list[BindingType]:
    """For a widget's or screen's BINDINGS."""
    made: list[BindingType] = []
    for key in at(*places):
        if key.action == "goto_tab":  # each digit its own tab
            made += [Binding(digit, f"goto_tab({digit})", key.help, show=False) for digit in key.keys.split(",")]
        else:
            made.append(Binding(key.keys, key.action, key.label or key.help, show=False, id=key.id))
    return made
