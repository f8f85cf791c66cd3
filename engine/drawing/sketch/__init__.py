"""Drawings as the engine sees them: strokes or scans in, a `Sketch` out."""

from .sketch import Sketch

__all__ = ["Sketch"]
