"""Sentences in a sidebar that is as wide as the animator likes it."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import blf
import bpy
from bpy.app.translations import pgettext_rpt as translated

MARGIN, ICON = 4.2, 1.4  # widget heights: the tabs and borders beside a text, and an icon before it


@dataclass(frozen=True)
class Page:
    """What a sidebar's texts are set on: its width in pixels, the scale of widgets, and the font: its file, '' for Blender's, and size."""

    width: float
    scale: float
    font: tuple[str, float]


def measure_page() -> Page:
    """The page of the region that is drawn. Who draws many sentences measures it once: that takes as long as a sentence."""
    preferences = bpy.context.preferences
    scale = preferences.system.ui_scale
    font = preferences.view.font_path_ui, preferences.ui_styles[0].widget.points * scale
    return Page(bpy.context.region.width, scale, font)


def draw_sentence(layout, text: str, icon: str = "NONE", page: Page | None = None) -> None:
    """A text of any length, on as many lines as it needs, the first with an icon."""
    page = page or measure_page()
    beside = MARGIN + (ICON if icon != "NONE" else 0)
    width = max(100, page.width - beside * 20 * page.scale)
    column = layout.column(align=True)
    column.scale_y = 0.8
    for i, line in enumerate(_broken(translated(text), width, page.font)):
        column.label(text=line, icon=icon if i == 0 else ("BLANK1" if icon != "NONE" else "NONE"), translate=False)


@functools.lru_cache(maxsize=512)  # measuring a text takes longer than all else that is drawn
def _broken(text: str, width: float, font: tuple[str, float]) -> tuple[str, ...]:
    """The lines of a text, see `Page` for the font."""
    blf.size(0, font[1])
    return tuple(_break_lines(text, width))


def _break_lines(text: str, width: float) -> Iterator[str]:
    """The text broken at its spaces; a word that is wider than a line, or a script without spaces, wherever need be."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if _measure_width(longer) > width and line:
            yield line
            longer = word
        while _measure_width(longer) > width:
            fits = next(n for n in range(len(longer) - 1, 0, -1) if _measure_width(longer[:n]) <= width or n == 1)
            yield longer[:fits]
            longer = longer[fits:]
        line = longer
    yield line


def _measure_width(text: str) -> float:
    return blf.dimensions(0, text)[0]


def format_duration(seconds: float) -> str:
    """80 -> '1:20'."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
