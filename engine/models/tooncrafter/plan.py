"""Plans which clips of sixteen frames make the drawings of a cel, and which of their frames are kept.

A clip is between two pictures. Up to fourteen drawings between two keys are frames of one clip: those nearest to their places in time.
If there are more, some are made first and become the ends of further clips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from ...job.errors import BadInput
from .networks import FRAMES

INNER = FRAMES - 2  # frames of a clip that are not its ends
LAST = FRAMES - 1
MOST = LAST * LAST - 1  # drawings between two keys
COARSE = 1.0  # a drawing that is more frames off its place gives a warning


@dataclass(frozen=True)
class BetweenDrawing:
    """A drawing to be made: its place `at` between the keys around it, and the line art that it follows, if any."""

    id: str
    at: float
    guide: str | None = None


@dataclass(frozen=True)
class ToonCrafterClip:
    """Sixteen frames from the drawing `first` to `last`. `kept` the drawing that a frame becomes, `guides` the line art that it follows, by
    frame numbers 1 to 14 · `off` the largest distance of a drawing from its place, in frames."""

    first: str
    last: str
    kept: Mapping[int, str]
    guides: Mapping[int, str] = field(default_factory=dict)
    off: float = 0.0


def plan_clips(order: Sequence[str | BetweenDrawing]) -> list[ToonCrafterClip]:
    """The clips of a cel, each after those that make its ends. `order` has its drawings in order of time, keys as their ids. A drawing that
    returns is made once. Raises BadInput when there are too many drawings between two keys."""
    clips: list[ToonCrafterClip] = []
    made: set[str] = set()
    before, betweens = "", []
    for drawing in order:
        if isinstance(drawing, BetweenDrawing):
            if drawing.id not in made:
                betweens.append(drawing)
                made.add(drawing.id)
            continue
        if betweens:
            clips += plan_between(before, drawing, betweens)
        before, betweens = drawing, []
    return clips


def plan_between(first: str, last: str, drawings: Sequence[BetweenDrawing]) -> list[ToonCrafterClip]:
    """The clips of the drawings between two keys."""
    parts = -(-(len(drawings) + 1) // LAST)
    if parts > LAST:
        raise BadInput(f"ToonCrafter makes {MOST} drawings between two keys at most, not {len(drawings)}: draw keys between them.")
    if parts == 1:
        return [_build_clip(first, last, drawings, [d.at for d in drawings], drawings)]
    ends = [
        round(part * (len(drawings) + 1) / parts) - 1 for part in range(parts + 1)
    ]  # indices of drawings, from the key before to the key after
    middle = [drawings[number] for number in ends[1:-1]]
    clips = [_build_clip(first, last, middle, [d.at for d in middle], drawings)]
    known = [BetweenDrawing(first, 0.0), *middle, BetweenDrawing(last, 1.0)]
    for number, (begin, end) in enumerate(zip(ends, ends[1:], strict=False)):
        inner, a, b = drawings[begin + 1 : end], known[number], known[number + 1]
        if inner:
            even = [(place + 1) / (len(inner) + 1) for place in range(len(inner))]
            at = [(d.at - a.at) / (b.at - a.at) for d in inner] if b.at > a.at else even
            clips.append(_build_clip(a.id, b.id, inner, at, inner))
    return clips


def _build_clip(
    first: str, last: str, drawings: Sequence[BetweenDrawing], at: Sequence[float], guided: Sequence[BetweenDrawing]
) -> ToonCrafterClip:
    numbers = assign_frames(at)
    off = max((abs(LAST * min(max(place, 0.0), 1.0) - number) for place, number in zip(at, numbers, strict=True)), default=0.0)
    kept = {number: drawing.id for number, drawing in zip(numbers, drawings, strict=True)}
    guides = {number: d.guide for number, d in zip(numbers, drawings, strict=True) if d.guide is not None}
    for drawing in guided:  # sketches of drawings that further clips make guide this one too
        number = round(LAST * drawing.at)
        if drawing.guide is not None and drawing not in drawings and 0 < number < LAST:
            guides.setdefault(number, drawing.guide)
    return ToonCrafterClip(first, last, kept, guides, off)


def assign_frames(at: Sequence[float]) -> list[int]:
    """Assign distinct frames 1 to 14 to places 0 to 1, as near as possible in total. At most fourteen places."""
    wanted = LAST * np.array(at, float)[:, None]
    _, columns = linear_sum_assignment((wanted - np.arange(1, LAST)) ** 2)
    chosen = np.sort(columns) + 1  # of equally good assignments the one in order
    result = np.empty(len(at), int)
    result[np.argsort(at, kind="stable")] = chosen
    return result.tolist()
