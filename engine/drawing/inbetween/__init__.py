"""Drawings between two keys, as strokes: which stroke of one key is which of the other, and how it gets there.

`correspond` finds the one, `between` makes a drawing, `Inbetweens` many of them. Geometry alone: no pictures, no networks.
"""

from .correspondence import correspond
from .drawing import Between, Inbetweens, between
from .matches import Matches

__all__ = ["Between", "Inbetweens", "Matches", "between", "correspond"]
