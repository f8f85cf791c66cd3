"""Toon worlds: procedural drawings with exact truth, to train and to measure on. Nothing here was drawn, scanned or downloaded."""

from .plan import RELATIONS, Plan, Scene, stage
from .sample import Sample, draw, sample
from .scenes import FAMILIES
from .truth import RegionTruth, regions, sketch, track

__all__ = ["FAMILIES", "RELATIONS", "Plan", "RegionTruth", "Sample", "Scene", "draw", "regions", "sample", "sketch", "stage", "track"]
