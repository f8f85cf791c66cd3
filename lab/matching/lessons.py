"""Lessons for the network: pictures of toon figures with what is true of their regions, on disk."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from engine.drawing.colors.palette import PaintedReference
from engine.drawing.regions import CROSSINGS
from engine.job.errors import JobFailed
from engine.matching import shapes
from engine.matching.features import measure_tint
from engine.matching.shapes import Shapes

from ..synthesis import FAMILIES, RELATIONS, ToonPlan, ToonSample, draw_sample, track_pixels
from ..synthesis import label_regions as cut

GAP = 12.0  # px; the widest gap that is closed, and that samples have
POINTS = 256  # corresponding points of each drawing and the next
PURE = 0.6  # share of a region that must be of one swatch for the region to have a truth
HELD_OUT = 800_000  # seeds from here on are for measuring


@dataclass(frozen=True)
class LessonPicture:
    """A picture, and the truth of its regions 1..R: `swatch` int32 (R + 1,), `part` int32 (R + 1,) of part and tone; -1 mixed.

    `tint` int8 (h, w, 2) as from features.measure_tint · `painted` whether it was read off a painted reference and not off line art.
    """

    shapes: Shapes
    tint: np.ndarray
    swatch: np.ndarray
    part: np.ndarray
    painted: bool


@dataclass(frozen=True)
class MatcherLesson:
    """Pictures of the same figures. `points` float32 (K, 6): picture, x, y, other picture, x, y in label map pixels."""

    pictures: tuple[LessonPicture, ...]
    points: np.ndarray


def plan_lesson(family: str, seed: int) -> ToonPlan:
    """What to draw for a seed: short shots, pairs of all kinds, references."""
    rng = np.random.default_rng([seed, 7])
    size = ((512, 512), (512, 512), (640, 480), (448, 576))[int(rng.integers(4))]
    shot = rng.random() < 0.4
    return ToonPlan(
        family=family,
        size=size,
        drawings=3 if shot else 2,
        relation="" if shot else str(rng.choice(RELATIONS)),
        references=2 if shot else 3,
        characters=int(rng.choice([1, 2, 3], p=[0.85, 0.12, 0.03])),
        damage=float(rng.uniform(0, 1)),
    )


def draw_lesson(seed: int, drawn_to: ToonPlan, painted: float = 0.67) -> MatcherLesson:
    """Draw a lesson. So large a share of the references is painted, the others are line art."""
    rng = np.random.default_rng([seed, 11])
    drawn = draw_sample(seed, drawn_to)
    count = len(drawn.swatch)
    pictures = tuple(_describe_picture(drawn, index, index >= drawn.shot and rng.random() < painted) for index in range(count))
    points = [_pick_points(drawn, index, (index + 1) % count, rng) for index in range(count)]
    return MatcherLesson(pictures, np.concatenate(points))


def _describe_picture(drawn: ToonSample, index: int, painted: bool) -> LessonPicture:
    swatch = drawn.swatch[index].numpy()
    part = drawn.layers.part[index].numpy().astype(np.int64) * 8 + drawn.layers.tone[index].numpy()
    if painted:
        ink = (drawn.lines.lines[index] & ~drawn.lines.traces[index]).numpy()
        flat = PaintedReference(drawn.swatches.numpy(), np.where(ink, -1, swatch).astype(np.int16), ink, flat=True)
        views = shapes.describe_reference(flat, np.append(np.arange(len(drawn.swatches)), -1))
        if len(views) == 1:
            view = views[0]
            assert view.swatch is not None
            return LessonPicture(
                view, np.zeros((*view.labels.shape, 2), np.int8), view.swatch, _find_majority(view.labels, part, view.count), True
            )
    truth = cut(drawn, index, GAP)
    found = truth.regions
    lines = drawn.lines.lines[index].numpy()
    described = shapes.describe_regions(found.grown, lines, found.count, found.edges, found.crossing == CROSSINGS.index("trace"))
    size = (described.labels.shape[1], described.labels.shape[0])
    mixed = truth.purity < PURE
    worn = np.where(mixed, -1, truth.swatch).astype(np.int32)
    shown = np.where(mixed, -1, _find_majority(found.labels, part, found.count)).astype(np.int32)
    return LessonPicture(described, measure_tint(drawn.lines.paint[index].numpy(), size), worn, shown, False)


def _find_majority(labels: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    kinds, place = np.unique(values, return_inverse=True)
    votes = np.bincount(labels.ravel() * len(kinds) + place.ravel(), minlength=(count + 1) * len(kinds)).reshape(count + 1, -1)
    return kinds[votes.argmax(1)].astype(np.int32)


def _pick_points(drawn: ToonSample, source: int, target: int, rng: np.random.Generator) -> np.ndarray:
    """Some pixels of one drawing that can be seen in another, and where, float32 (K, 6)."""
    xy, visible = track_pixels(drawn, source, target)
    y, x = np.nonzero(visible.numpy())
    chosen = rng.choice(len(x), min(POINTS, len(x)), replace=False) if len(x) else np.zeros(0, np.int64)
    x, y = x[chosen], y[chosen]
    there = xy.numpy()[y, x]
    scale = min(1.0, shapes.SIDE / max(drawn.plan.size))
    here = np.stack([x + 0.5, y + 0.5], 1) * scale
    first, second = np.full((len(x), 1), source), np.full((len(x), 1), target)
    return np.concatenate([first, here, second, there * scale], 1).astype(np.float32)


# --- on disk ----------------------------------------------------------------------------------------------------------


def write_lessons(folder: Path, seeds: range, families: tuple[str, ...] = tuple(FAMILIES)) -> Iterator[Path]:
    """Write the lessons that a folder lacks, families in turn, and tell their files. Raises JobFailed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for seed in seeds:
            family = families[seed % len(families)]
            path = folder / f"{family}-{seed:08d}.npz"
            if not path.exists():
                save_lesson(path, draw_lesson(seed, plan_lesson(family, seed)))
                yield path
    except OSError as error:
        raise JobFailed(f"Lessons can't be written to {folder}: {error.strerror or error}.") from error


_ARRAYS = tuple(f.name for f in fields(Shapes) if f.name not in ("swatch", "scale"))


def save_lesson(path: Path, taught: MatcherLesson) -> None:
    """Write a lesson; a file with the right name is whole."""
    arrays = {"points": taught.points, "painted": np.array([picture.painted for picture in taught.pictures])}
    for index, picture in enumerate(taught.pictures):
        arrays |= {f"{index}/{name}": getattr(picture.shapes, name) for name in _ARRAYS}
        arrays[f"{index}/labels"] = picture.shapes.labels.astype(np.uint16)
        arrays |= {f"{index}/{name}": getattr(picture, name) for name in ("tint", "swatch", "part")}
        arrays[f"{index}/scale"] = np.array(picture.shapes.scale)
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]  # names of arrays, not options
    partial.replace(path)


def load_lesson(path: Path) -> MatcherLesson:
    """Read a lesson. Raises JobFailed."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            pictures = [_load_picture(kept, index, bool(painted)) for index, painted in enumerate(kept["painted"])]
            return MatcherLesson(tuple(pictures), kept["points"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise JobFailed(f"The lesson {path} can't be read; remove it to have it drawn again.") from error


def _load_picture(kept, index: int, painted: bool) -> LessonPicture:
    arrays = {name: kept[f"{index}/{name}"] for name in _ARRAYS}
    arrays["labels"] = arrays["labels"].astype(np.int32)
    described = Shapes(**arrays, scale=float(kept[f"{index}/scale"]))
    return LessonPicture(described, kept[f"{index}/tint"], kept[f"{index}/swatch"], kept[f"{index}/part"], painted)
