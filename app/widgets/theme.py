"""The look: colour tokens of the dark, red and amber themes, fonts, and one style sheet made of them.

The look belongs to the application as its palette does: `apply` sets it, painted widgets ask `current` while they
paint, and Qt tells every widget of the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from app.paths import resource

FAMILY = "IBM Plex Sans"
#: The only sizes of type, in pixels: labels, text, values, the five words, azimuth and shutter on the dial.
LABEL_PX, TEXT_PX, VALUE_PX, WORD_PX, DIAL_PX = 12, 14, 18, 24, 36
#: The only distances, in pixels.
TIGHT_PX, NEAR_PX, GAP_PX, WIDE_PX, FAR_PX = 4, 8, 12, 16, 24
ROW_PX = 28


@dataclass(frozen=True, slots=True)
class Theme:
    """Colour tokens, each ``#rrggbb``.

    Attributes
    ----------
    accent : str
        Of what can be clicked or typed into, and of nothing else.
    attention, alarm : str
        Of what wants the operator; normal states have no colour.
    stale : str
        Hatching over values that are old.
    image : tuple of float
        Red, green and blue of white in pictures: frames obey the theme too.
    """

    name: str
    background: str
    panel: str
    raised: str
    line: str
    text: str
    dim: str
    accent: str
    attention: str
    alarm: str
    stale: str
    image: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def is_night_vision(self) -> bool:
        """Whether importance is carried by size, weight and inverse video, because hue is not there to carry it."""
        return self.image != (1.0, 1.0, 1.0)

    def color(self, token: str, alpha: float = 1.0) -> QColor:
        """The colour of a token, such as ``"panel"``."""
        color = QColor(getattr(self, token))
        color.setAlphaF(alpha)
        return color


DARK = Theme(
    "dark",
    background="#0e1116",
    panel="#161b22",
    raised="#222933",
    line="#343d4a",
    text="#e6ebf1",
    dim="#9aa6b5",
    accent="#62b0ff",
    attention="#f4b740",
    alarm="#ff5f56",
    stale="#8c8370",
)
#: Photometric: green and blue are zero everywhere. Pure red on black reaches 5.25:1.
RED = Theme(
    "red",
    background="#000000",
    panel="#0d0000",
    raised="#220000",
    line="#4d0000",
    text="#f80000",
    dim="#c80000",
    accent="#ff0000",
    attention="#ff0000",
    alarm="#ff0000",
    stale="#8a0000",
    image=(1.0, 0.0, 0.0),
)
AMBER = Theme(
    "amber",
    background="#050300",
    panel="#120c00",
    raised="#241800",
    line="#4a3300",
    text="#ffb000",
    dim="#c08400",
    accent="#ffc340",
    attention="#ffd070",
    alarm="#ff7a00",
    stale="#7a5a20",
    image=(1.0, 0.69, 0.0),
)
THEMES = {theme.name: theme for theme in (DARK, RED, AMBER)}

_current = DARK


def current() -> Theme:
    """The theme in force."""
    return _current


def apply(application: QApplication, name: str) -> None:
    """Give the whole application the theme of that name: ``dark``, ``red`` or ``amber``."""
    prepare(application, name)
    dress(application)


def prepare(application: QApplication, name: str) -> None:
    """Set fonts, palette and style, and leave the style sheet to `dress`.

    Under a style sheet every widget is polished anew whenever it, or what it lies in, gets another parent: a window
    whose widgets are made first and dressed then is there in a third of the time (Qt 6.11).
    """
    global _current  # noqa: PLW0603 - the look belongs to the application, as its palette does
    _current = THEMES[name]
    if FAMILY not in QFontDatabase.families():
        for file in sorted(resource("fonts").glob("*.ttf")):
            QFontDatabase.addApplicationFont(str(file))
    application.setFont(font(TEXT_PX))
    application.setStyle("Fusion")
    application.setPalette(_palette(_current))


def dress(application: QApplication) -> None:
    """Set the style sheet of the theme in force."""
    application.setStyleSheet(style_sheet(_current))


def font(size_px: int, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """The one family, whose figures all have the same width."""
    chosen = QFont(FAMILY)
    chosen.setPixelSize(size_px)
    chosen.setWeight(weight)
    return chosen


def style_sheet(theme: Theme) -> str:
    """The style sheet of a theme, from ``resources/theme.qss``."""
    tokens = {name: getattr(theme, name) for name in Theme.__slots__ if name not in ("name", "image")}
    return Template(resource("theme.qss").read_text(encoding="utf-8")).substitute(
        tokens, family=FAMILY, on_alarm=theme.background
    )


def _palette(theme: Theme) -> QPalette:
    """What is painted without a style sheet: dialogs of Qt, selections, tooltips."""
    roles = {
        QPalette.ColorRole.Window: "background",
        QPalette.ColorRole.Base: "background",
        QPalette.ColorRole.AlternateBase: "panel",
        QPalette.ColorRole.Button: "raised",
        QPalette.ColorRole.ToolTipBase: "raised",
        QPalette.ColorRole.WindowText: "text",
        QPalette.ColorRole.Text: "text",
        QPalette.ColorRole.ButtonText: "text",
        QPalette.ColorRole.BrightText: "text",
        QPalette.ColorRole.ToolTipText: "text",
        QPalette.ColorRole.PlaceholderText: "dim",
        QPalette.ColorRole.Highlight: "line",
        QPalette.ColorRole.HighlightedText: "text",
        QPalette.ColorRole.Link: "accent",
        QPalette.ColorRole.LinkVisited: "accent",
        QPalette.ColorRole.Accent: "accent",
        QPalette.ColorRole.Light: "line",
        QPalette.ColorRole.Midlight: "line",
        QPalette.ColorRole.Mid: "line",
        QPalette.ColorRole.Dark: "background",
        QPalette.ColorRole.Shadow: "background",
    }
    palette = QPalette()
    for role, token in roles.items():
        palette.setColor(role, theme.color(token))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, theme.color("dim"))
    return palette
