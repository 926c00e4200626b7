"""What all full screens share: a header that always says how old the data is, a line of keys, copy and links."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize, ScreenResume
from textual.screen import Screen
from textual.widget import Widget

from flinkops.render.lines import Line, Span, join, line, plain, width
from flinkops.tui.choice import Choice
from flinkops.tui.dialogs import Chooser
from flinkops.tui.host import ScreenHost
from flinkops.tui.keys import Key, Where, at
from flinkops.tui.lineview import Pane
from flinkops.tui.messages import Say, WriteExport
from flinkops.tui.status_view import status_line
from flinkops.tui.view import View


class BaseScreen(Screen[None]):
    """Header, body, keys. Subclasses give `body`, `title_line` and `show_view`."""

    PLACES: ClassVar[tuple[Where, ...]] = ()
    BINDINGS: ClassVar[list[BindingType]] = []

    @property
    def host(self) -> ScreenHost:
        """The app, as far as a screen may know it."""
        return cast(ScreenHost, self.app)

    @property
    def now_ms(self) -> int:
        """The time of the picture."""
        return self.host.view.taken_ms if self.host.view else 0

    def say(self, text: str) -> None:
        """A short message in the line of keys, for some seconds."""
        self.post_message(Say(text))

    def compose(self) -> ComposeResult:
        """Head, body, keys."""
        context = self.host.context
        yield Pane(context, grow=True, id="head")
        yield from self.body()
        yield Pane(context, grow=True, id="keys")

    def body(self) -> Iterable[Widget]:
        """The widgets between head and keys."""
        raise NotImplementedError

    def title_line(self, view: View | None, cells: int) -> Line:
        """The first line of the screen."""
        raise NotImplementedError

    def show_view(self, view: View | None) -> None:
        """Draw a new observation; the head is drawn already."""
        raise NotImplementedError

    # ---- drawing

    def on_mount(self) -> None:
        """First picture."""
        self.redraw()

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Back on top: catch up."""
        self.redraw()

    def on_resize(self, event: Resize) -> None:
        """Another size: another layout."""
        self.redraw()

    def redraw(self) -> None:
        """Everything, from the app's present view."""
        if not self.is_mounted:
            return
        view = self.host.view
        with self.app.batch_update():
            self.redraw_head()
            self.show_view(view)
            self.redraw_keys()

    def redraw_head(self) -> None:
        """The two lines on top: they change with time alone."""
        host, cells = self.host, self.app.size.width
        view = host.view
        status = status_line(host.poll_state, view, host.context, host.now_ms(), cells)
        self.query_one("#head", Pane).show([self.title_line(view, cells), status, *self.extra_head(view, cells)])

    def extra_head(self, view: View | None, cells: int) -> Sequence[Line]:
        """Further lines of the head."""
        return ()

    def redraw_keys(self) -> None:
        """The keys that do something here; greyed where they may not. A message takes their place for a moment."""
        said = self.host.said
        places = (*self.PLACES, *(("replay",) if self.host.poll_state.replay is not None else ()), "everywhere")
        shown = line(said, "accent") if said else self._keys(at(*places))
        self.query_one("#keys", Pane).show([shown])

    def _keys(self, keys: Iterable[Key]) -> Line:
        parts: list[Line] = []
        for key in keys:
            if not key.label:
                continue
            enabled = self._enabled(key)
            sign: Span = (key.shown.split(" ")[0], "accent" if enabled else "idle")
            label: Span = (" " + key.label, "text" if enabled else "idle")
            spans = (sign, label)
            if width(join([*parts, spans])) <= self.app.size.width:
                parts.append(spans)
        return join(parts)

    def _enabled(self, key: Key) -> bool:
        name = key.action.split("(")[0]
        owner = self.app if name.startswith("app.") else self
        return owner.check_action(name.split(".")[-1], ()) is True

    # ---- copy, export, links

    def copies(self) -> Sequence[Choice]:
        """What `y` offers."""
        return ()

    def link_choices(self) -> Sequence[Choice]:
        """What `u` offers."""
        return ()

    def export_text(self) -> str:
        """The view as text, all of it."""
        return "\n".join(plain(pane_line) for pane in self.query(Pane) for pane_line in pane.lines)

    def export_json(self) -> bytes | None:
        """The view as JSON, where it has such a form."""
        return None

    def action_copy(self) -> None:
        """Offer what can be copied."""
        self._offer("copy", self.copies())

    def action_links(self) -> None:
        """Offer the links, as text."""
        self._offer("links (enter copies)", self.link_choices())

    def _offer(self, title: str, choices: Sequence[Choice]) -> None:
        if not choices:
            self.say("nothing here to copy" if title == "copy" else "no links known here")
            return
        self.app.push_screen(Chooser(self.host.context, title, choices), self._copied)

    def _copied(self, choice: Choice | None) -> None:
        if choice is not None:
            self.app.copy_to_clipboard(choice.value)
            self.say(f"copied {choice.label}")

    def action_export(self) -> None:
        """Write the view to a file."""
        choices = [Choice("as text", "txt")]
        if self.export_json() is not None:
            choices.append(Choice("as JSON", "json"))
        self.app.push_screen(Chooser(self.host.context, "write this view", choices), self._export)

    def _export(self, choice: Choice | None) -> None:
        if choice is not None:
            data = self.export_json() if choice.value == "json" else (self.export_text() + "\n").encode()
            self.post_message(WriteExport(data or b"", choice.value))
