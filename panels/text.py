"""Sentences in a sidebar that is as wide as the animator likes it."""

import textwrap

import bpy
from bpy.app.translations import pgettext_rpt as translated

CHARACTER = 6.3  # px at a scale of 1, on average, of Blender's interface font
MARGIN = 70  # px of icons and borders


def sentence(layout, text: str, icon: str = "NONE") -> None:
    """A text of any length, on as many lines as it needs, the first with an icon."""
    context = bpy.context
    scale = context.preferences.system.ui_scale
    width = max(12, int((context.region.width / scale - MARGIN) / CHARACTER))
    column = layout.column(align=True)
    column.scale_y = 0.8
    for i, line in enumerate(textwrap.wrap(translated(text), width) or [""]):
        column.label(text=line, icon=icon if i == 0 else ("BLANK1" if icon != "NONE" else "NONE"), translate=False)


def duration(seconds: float) -> str:
    """80 -> '1:20'."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
