"""How long drawings between two keys of strokes take, on one core, what is which stroke included. Prints JSON: medians of processor time.

.venv/engine/bin/python -m lab.bench.betweens
"""

import json
import os
import statistics
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from engine.drawing.inbetween import StrokeInbetweener, match_strokes
from engine.drawing.sketch.strokes import Strokes

from .sketch_regions import draw_curves

SIZE = (1920, 1080)


def move_key(key: Strokes, seed: int = 1) -> Strokes:
    """The key turned by 20 degrees, and shifted; its strokes in another order, half of them drawn from the other end."""
    rng = np.random.default_rng(seed)
    turn = np.exp(1j * np.radians(20))
    rows = []
    for stroke in rng.permutation(len(key)):
        points = np.arange(key.offsets[stroke], key.offsets[stroke + 1])
        rows.append(points[::-1] if rng.random() < 0.5 else points)
    order = np.concatenate(rows)
    z = (key.points[order] - np.array(SIZE) / 2) @ (1, 1j) * turn + complex(60, 30)
    return Strokes(
        points=(np.stack([z.real, z.imag], 1) + np.array(SIZE) / 2).astype(np.float32),
        widths=key.widths[order],
        colors=key.colors[order],
        offsets=np.cumsum([0, *map(len, rows)]).astype(np.int32),
        cyclic=np.zeros(len(rows), bool),
    )


def measure_milliseconds(first: Strokes, last: Strokes, count: int, times: int) -> tuple[float, float]:
    """Until it is known which stroke is which, and until `count` drawings are made."""
    found = []
    for _ in range(times + 1):
        start = time.process_time()
        matches = match_strokes(first, last)
        middle = time.process_time()
        made = StrokeInbetweener(first, last, matches)
        for number in range(count):
            made.draw_at_place((number + 1) / (count + 1))
        found.append((middle - start, time.process_time() - start))
    matched, done = zip(*found[1:], strict=True)  # the first one warms up
    return round(statistics.median(matched) * 1000, 1), round(statistics.median(done) * 1000, 1)


def main() -> None:
    numbers = {}
    for name, strokes, points, count, times in (
        ("15 of 60 strokes, 3,000 points", 60, 50, 15, 5),
        ("500 of 60 strokes, 3,000 points", 60, 50, 500, 1),
        ("15 of 2,000 strokes, 40,000 points", 2000, 20, 15, 1),
    ):
        key = draw_curves(strokes, SIZE, points, span=0.3 if strokes < 100 else 0.05)
        numbers[f"ms until strokes are matched, {name}"], numbers[f"ms until drawn, {name}"] = measure_milliseconds(
            key, move_key(key), count, times
        )
    print(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
