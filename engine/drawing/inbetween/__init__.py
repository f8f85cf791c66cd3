"""Drawings between two keys, as strokes: which stroke of one key is which of the other, and how it gets there.

`match_strokes` finds the one, `draw_inbetween` makes a drawing, `StrokeInbetweener` many of them. Geometry alone: no pictures, no networks.
"""

from .correspondence import match_strokes
from .drawing import InbetweenDrawing, StrokeInbetweener, draw_inbetween
from .matches import StrokeMatches, measure_alone

__all__ = ["InbetweenDrawing", "StrokeInbetweener", "StrokeMatches", "draw_inbetween", "match_strokes", "measure_alone"]
