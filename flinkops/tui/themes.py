"""Themes, and what each role styles like under the one in use.

Every state is also a glyph and a word, so colour never carries a meaning alone; still, the palettes for colour-blind
readers keep the levels apart (Okabe and Ito's eight colours) and the high-contrast one stays above 7:1 on black.
"""

from collections.abc import Mapping

from rich.color import Color as RichColor
from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from flinkops.render.lines import Role

DEFAULT = "flinkops"
PLAIN = "ansi-dark"  # Textual's own: what the terminal is set to

THEMES = (
    Theme(
        name=DEFAULT,
        primary="#7aa2c8",
        secondary="#b294d6",
        accent="#8fbcd4",
        foreground="#c9ced6",
        background="#14171c",
        surface="#1a1e25",
        panel="#222833",
        error="#f2665f",
        warning="#e0af5a",
        success="#7fb685",
        dark=True,
    ),
    Theme(
        name="flinkops-light",
        primary="#1f5f99",
        secondary="#7a3fa8",
        accent="#1f6f8b",
        foreground="#22272e",
        background="#fbfbf9",
        surface="#f1f1ee",
        panel="#e3e4e0",
        error="#b3201a",
        warning="#8a5a00",
        success="#2b6b35",
        dark=False,
    ),
    Theme(
        name="flinkops-colour-blind",
        primary="#56b4e9",
        secondary="#cc79a7",
        accent="#56b4e9",
        foreground="#d8dbe0",
        background="#14171c",
        surface="#1a1e25",
        panel="#222833",
        error="#ff7a1f",
        warning="#f0e442",
        success="#4da3ff",
        dark=True,
    ),
    Theme(
        name="flinkops-high-contrast",
        primary="#ffffff",
        secondary="#ff9dff",
        accent="#00ffff",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#303030",
        error="#ff8080",
        warning="#ffff00",
        success="#7dff7d",
        dark=True,
    ),
)


class Palette:
    """Rich styles of the roles under one theme; `cursor` and `marked` are laid over a whole row."""

    def __init__(self, variables: Mapping[str, str], *, ansi: bool = False) -> None:
        def colour(name: str) -> RichColor:
            return Color.parse(variables[name]).rich_color

        fore, back = Color.parse(variables["foreground"]), Color.parse(variables["background"])
        base = Style() if ansi else Style(color=fore.rich_color, bgcolor=back.rich_color)
        dim = Style(dim=True) if ansi else Style(color=fore.blend(back, 0.45).rich_color)
        faint = Style(dim=True) if ansi else Style(color=fore.blend(back, 0.7).rich_color)
        styles: dict[Role, Style] = {
            "text": Style(),
            "dim": dim,
            "strong": Style(bold=True),
            "heading": dim + Style(bold=True),
            "accent": Style(color=colour("accent")),
            "ok": Style(color=colour("success")),
            "warning": Style(color=colour("warning"), bold=True),
            "critical": Style(color=colour("error"), bold=True),
            "unknown": Style(color=colour("secondary"), bold=True),
            "busy": Style(color=colour("primary")),
            "pressed": Style(color=colour("error")),
            "idle": faint,
            "banner": Style(color=colour("warning"), reverse=True, bold=True),
            "spark": Style() if ansi else Style(color=Color.parse(variables["accent"]).blend(back, 0.35).rich_color),
        }
        self.base = base
        self.styles: dict[Role, Style] = {role: base + style for role, style in styles.items()}
        self.stale: dict[Role, Style] = dict.fromkeys(styles, base + dim)
        self.stale["banner"] = self.styles["banner"]
        self.cursor = Style(reverse=True) if ansi else Style(bgcolor=colour("panel"))
