"""Toon worlds: procedural drawings with exact truth, to train and to measure on. Nothing here was drawn, scanned or downloaded."""

from .sample import RELATIONS, Plan, Sample, sample
from .scenes import FAMILIES
from .truth import RegionTruth, regions, sketch, track

__all__ = ["FAMILIES", "RELATIONS", "Plan", "RegionTruth", "Sample", "regions", "sample", "sketch", "track"]
