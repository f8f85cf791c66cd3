"""Small shots for LVCD's tests: a head on a body that moves, its first drawing in color, painted with tiny random weights."""

from pathlib import Path

import anidoc_shots

from engine.cli.colorize_job import build_colorize_job
from engine.job import Hint

PAINT = anidoc_shots.PAINT
SIZE = (160, 120)


def places(count: int, start: int = 40, step: int = 2) -> tuple[int, ...]:
    """Where the figure stands in each drawing: all are different."""
    return tuple(start + step * index for index in range(count))


def job(
    root: Path,
    weights: Path,
    places: tuple[int, ...] = places(3),
    keys: tuple[int, ...] = (0,),
    options=(),
    device="auto",
    size=SIZE,
    hints: tuple[Hint, ...] = (),
) -> Path:
    """A job folder below `root`, of drawings at these places, those numbered `keys` given in color."""
    for index, x in enumerate(places):
        anidoc_shots.picture(root / f"in/{index:03d}.png", x, size=size)
    references = [anidoc_shots.picture(root / f"key{key}.png", places[key], painted=True, size=size) for key in keys]
    chosen = {"weights": str(weights), "side": 64, "preset": "draft"} | dict(options)
    build_colorize_job(root / "in", references, root / "job", "lvcd", device, None, chosen, hints)
    return root / "job"
