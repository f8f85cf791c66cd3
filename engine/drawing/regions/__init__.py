"""A sketch cut into the areas that its lines enclose."""

from .closing import close_gaps
from .leaks import find_background
from .pockets import Pockets, find_pockets, find_sides
from .segment import CROSSINGS, Regions, segment_regions

__all__ = ["CROSSINGS", "Pockets", "Regions", "close_gaps", "find_background", "find_pockets", "find_sides", "segment_regions"]
