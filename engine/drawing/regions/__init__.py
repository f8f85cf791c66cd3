"""A sketch cut into the areas that its lines enclose."""

from .closing import close_gaps
from .segment import CROSSINGS, Regions, segment_regions

__all__ = ["CROSSINGS", "Regions", "close_gaps", "segment_regions"]
