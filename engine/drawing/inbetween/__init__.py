"""Drawings between two keys, as strokes: which stroke of one key is which of the other, and how it gets there.

`correspond` finds the one, `between` makes a drawing, `Inbetweens` many of them. Geometry alone: no pictures, no networks.
"""

from .correspondence import match_strokes
from .drawing import InbetweenDrawing, StrokeInbetweener, draw_inbetween
from .matches import StrokeMatches

__all__ = ["InbetweenDrawing", "StrokeInbetweener", "StrokeMatches", "draw_inbetween", "match_strokes"]
