"""What the benchmark of vector inbetweens measured, as inbetween.py collects it and inbetween_report.py tells it."""

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from engine.drawing.sketch.strokes import Strokes

from ..evaluation.inbetween import MatchQuality
from ..synthesis.keys import ToonKeyPair


@dataclass
class InbetweenTally:
    """What was measured of one method on one variant: a number for each drawing, each junction, each pair."""

    chamfer: list[float] = field(default_factory=list)
    gaps: list[np.ndarray] = field(default_factory=list)
    matched: list[MatchQuality] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@dataclass
class InbetweenResults:
    """`tallies` by variant and method; a picture's worth of drawings `examples` by variant: pair and drawings at the middle by method."""

    seeds: range
    blender: str
    machine: str
    tallies: dict[tuple[str, str], InbetweenTally] = field(default_factory=dict)
    flips: dict[str, str] = field(default_factory=dict)
    examples: dict[str, tuple[ToonKeyPair, dict[str, Strokes]]] = field(default_factory=dict)
    strokes: list[int] = field(default_factory=list)  # in each key
    pinned: list[float] = field(default_factory=list)  # chamfer on home ground of Shiage with every stroke pinned by hand
    seconds: float = 0.0
    date: date = field(default_factory=date.today)
