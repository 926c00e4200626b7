"""What every widget needs to know to draw: the signs and the palette in use."""

from dataclasses import dataclass

from flinkops.render.glyphs import Glyphs
from flinkops.tui.themes import Palette


@dataclass
class Context:
    """Shared by all widgets of one app; the app replaces the palette when the theme changes."""

    glyphs: Glyphs
    palette: Palette
