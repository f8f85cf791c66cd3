"""Toon worlds: procedural drawings with exact ground truth, for training and measuring. Nothing here was drawn, scanned or downloaded."""

from .plan import RELATIONS, ToonPlan, ToonScene, stage_scene
from .sample import ToonSample, draw_sample, draw_scenes
from .scenes import FAMILIES
from .truth import RegionTruth, label_regions, make_sketch, track_pixels

__all__ = [
    "FAMILIES",
    "RELATIONS",
    "RegionTruth",
    "ToonPlan",
    "ToonSample",
    "ToonScene",
    "draw_sample",
    "draw_scenes",
    "label_regions",
    "make_sketch",
    "stage_scene",
    "track_pixels",
]
