"""The timing of drawings between two keys: easings, timing charts, ones, twos and threes. Standard library only.

A place is a fraction of the way from the key before, 0, to the key after, 1.
"""

import math
import re
from fractions import Fraction

from .errors import BadInput

EASINGS = ("linear", "in", "out", "in_out")


def ease_place(place: float, easing: str) -> float:
    """Apply an easing to a place in time. `in` leaves the first key slowly, `out` arrives slowly at the last one. Both are half of a sine
    wave, which is close to the traditional spacing by repeated halving."""
    if easing == "in":
        return 1.0 - math.cos(place * math.pi / 2.0)
    if easing == "out":
        return math.sin(place * math.pi / 2.0)
    if easing == "in_out":
        return (1.0 - math.cos(place * math.pi)) / 2.0
    return place


def space_drawings(count: int, easing: str = "linear") -> tuple[float, ...]:
    """The places of `count` drawings that are evenly spaced in time."""
    return tuple(ease_place(number / (count + 1), easing) for number in range(1, count + 1))


def list_frames(first: int, last: int, step: int) -> range:
    """The scene frames of the drawings between two keys, on ones, twos or threes (`step`)."""
    return range(first + step, last, step)


def parse_timing_chart(text: str) -> tuple[float, ...]:
    """Parse a timing chart: '1/8 1/4 1/2', '12.5% 25% 50%' or '0.125 0.25 0.5', a fraction or percentage for each drawing. Raises BadInput
    for a place that is not a number or is more than one whole interval beyond the keys."""
    places = []
    for token in re.split(r"[\s,;]+", text.strip()):
        number, percent = token.removesuffix("%"), token.endswith("%")
        try:
            places.append(float(Fraction(number) / (100 if percent else 1)))
        except (ValueError, ZeroDivisionError) as error:
            raise BadInput(f"'{token}' is no place on a timing chart: write 1/4, 0.25 or 25% for each drawing.") from error
    if any(not -1.0 <= place <= 2.0 for place in places):
        raise BadInput(f"The timing chart {text} goes too far: 0 is the key before, 1 the one after, and up to 1 more an overshoot.")
    return tuple(places)
