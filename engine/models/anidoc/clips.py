"""Clips to learn from: color frames, their sketches, a reference, and points that are followed.

Of what `engine synth` wrote the points are true ones and the reference is another pose; of other clips they are followed by optical flow,
and an earlier frame is the reference.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from ...errors import BadInput
from . import points
from .correspondence import Tracks
from .lineart import THRESHOLD

BEFORE = 32  # frames that the reference lies before the clip, if there are so many
ASTRAY = 1.5  # px that a point may be off
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Clip:
    """`frames` uint8 (F, H, W, 3) · `sketches` uint8 (F, H, W), 255 on paper · `reference` uint8 (H, W, 3) · `tracks` of points."""

    frames: np.ndarray
    sketches: np.ndarray
    reference: np.ndarray
    tracks: Tracks


def folders(data: Path) -> list[Path]:
    """The folders of clips in a folder, or itself when it is one. Raises BadInput when there is none."""
    found = [path for path in (data, *sorted(data.glob("*"))) if path.is_dir() and len(_frames(path)) > 1]
    if not found:
        raise BadInput(
            f"There is no clip in {data}: a clip is a folder of two or more pictures lined_NN.png or color_NN.png, or of any names."
        )
    return found


def read(folder: Path, size: tuple[int, int], frames: int, rng: np.random.Generator, binarize: bool = True, matching: bool = True) -> Clip:
    """A random run of `frames` frames of a clip at `size` (width, height); a shorter clip gives all it has. Half of the references lose
    their background, if they have an alpha channel. Raises BadInput for a picture that can't be read."""
    paths = _frames(folder)
    sheets = _sheets(folder, paths)
    paths = [path for path in paths if path not in sheets]
    count = min(frames, len(paths) - (not sheets))
    start = int(rng.integers(0 if sheets else 1, len(paths) - count + 1))
    chosen = paths[start : start + count]
    source = sheets[rng.integers(len(sheets))] if sheets else paths[max(0, start - BEFORE)]
    before = _open(source, size)
    colors = np.stack([_over_white(_open(path, size)) for path in chosen])
    keep = binarize and before[..., 3].min() < 255 and rng.random() < 0.5
    plate = rng.integers(0, 256, 3).astype(np.uint8) if keep else np.full(3, 255, np.uint8)
    reference = _over_white(before, plate)
    sketches = np.stack([_sketch(path, size, binarize) for path in chosen])
    if not matching:
        tracks = _none(count)
    elif (folder / "truth.npz").is_file():
        tracks = _true(folder / "truth.npz", [_number(path) for path in (source, *chosen)], size, rng)
    else:
        tracks = _follow(reference, colors, rng)
    return Clip(colors, sketches, reference, tracks)


def _frames(folder: Path) -> list[Path]:
    named = [sorted(folder.glob(f"{name}_*.png")) for name in ("lined", "color")]
    other = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith(("lines_", "plate")))
    return named[0] or named[1] or other


def _number(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def _sheets(folder: Path, paths: Sequence[Path]) -> list[Path]:
    """The pictures of a toon world that are references and no part of its shot. Raises BadInput."""
    try:
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        return [path for path in paths if re.fullmatch(r"(lined|color)_\d+", path.stem) and _number(path) in meta["references"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder / 'meta.json'} is not understood ({error}): draw the sample again.") from error


def _open(path: Path, size: tuple[int, int]) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGBA").resize(size, Image.Resampling.LANCZOS))
    except (OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"The frame {path} can't be read ({error}): remove it or save it as PNG.") from error


def _over_white(picture: np.ndarray, paper: np.ndarray | int = 255) -> np.ndarray:
    alpha = picture[..., 3:].astype(np.float32) / 255.0
    return (picture[..., :3] * alpha + paper * (1.0 - alpha) + 0.5).astype(np.uint8)


def _sketch(frame: Path, size: tuple[int, int], binarize: bool) -> np.ndarray:
    """The line art that lies beside a frame, or lines found in it: what is darker than its surroundings."""
    lines = frame.with_name("lines_" + frame.name.rpartition("_")[2])
    if lines.is_file():
        gray = cv2.cvtColor(_over_white(_open(lines, size)), cv2.COLOR_RGB2GRAY)
    else:
        level = cv2.cvtColor(_over_white(_open(frame, size)), cv2.COLOR_RGB2GRAY)
        around = cv2.GaussianBlur(level, (0, 0), 3.0)
        gray = np.clip(255.0 - 4.0 * np.maximum(around.astype(np.float32) - level, 0.0), 0, 255).astype(np.uint8)
    return np.where(gray > THRESHOLD, 255, 0).astype(np.uint8) if binarize else gray


def _true(path: Path, numbers: Sequence[int], size: tuple[int, int], rng: np.random.Generator) -> Tracks:
    """Random points of the figure in the second of these drawings, where the toon world has them in the first, a reference, and the others.

    What is known of each pixel is its place in drawing 0: two pixels of the same part that have the same are the same point.
    """
    with np.load(path, allow_pickle=False) as truth:
        known: Mapping[str, np.ndarray] = {name: truth[name] for name in ("part", "to_first", "visible")}
    scale = np.array(size) / known["part"].shape[:0:-1]

    def places(number: int) -> tuple[np.ndarray, np.ndarray]:
        y, x = np.nonzero(known["visible"][number] & (known["part"][number] >= 0))
        origin = known["to_first"][number, y, x].astype(np.float32)
        return np.column_stack([x, y]) + 0.5, np.column_stack([origin, 1e4 * known["part"][number, y, x]])

    at, asked = places(numbers[1])
    some = rng.choice(len(at), min(points.MATCHES, len(at)), replace=False)
    tracks, visible = [], []
    for number in numbers:
        there, origins = places(number)
        if len(there) == 0:
            return _none(len(numbers) - 1)
        far, nearest = cKDTree(origins).query(asked[some])
        tracks.append((there[nearest] * scale).astype(np.float32))
        visible.append(far < ASTRAY)
    keep = np.flatnonzero(visible[0])
    return Tracks(tracks[0][keep], np.stack(tracks[1:])[:, keep], np.stack(visible[1:])[:, keep])


def _follow(reference: np.ndarray, frames: np.ndarray, rng: np.random.Generator) -> Tracks:
    """Random points of the first frame, back to the reference and forth through the others, by dense flow; seen where it goes both ways."""
    height, width = reference.shape[:2]
    first = rng.uniform((0, 0), (width - 1, height - 1), (points.MATCHES, 2)).astype(np.float32)
    back, there = _step(frames[0], reference, first)
    tracks, visible = [first], [there]
    for a, b in zip(frames, frames[1:], strict=False):
        moved, seen = _step(a, b, tracks[-1])
        tracks.append(moved)
        visible.append(seen & visible[-1])
    keep = np.flatnonzero(there)
    return Tracks(back[keep], np.stack(tracks)[:, keep], np.stack(visible)[:, keep])


def _step(a: np.ndarray, b: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    forth, back = (_flow(*pair) for pair in ((a, b), (b, a)))
    moved = at + _look(forth, at)
    astray = np.linalg.norm(moved + _look(back, moved) - at, axis=1)
    inside = ((moved >= 0) & (moved < np.array(a.shape[1::-1]))).all(axis=1)
    return moved, (astray < 1.5) & inside


def _flow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray_a, gray_b = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (a, b))
    return method.calc(gray_a, gray_b, np.zeros((*gray_a.shape, 2), np.float32))


def _look(flow: np.ndarray, at: np.ndarray) -> np.ndarray:
    x, y = np.clip(at.round().astype(int), 0, np.array(flow.shape[1::-1]) - 1).T
    return flow[y, x]


def _none(frames: int) -> Tracks:
    return Tracks(np.zeros((0, 2), np.float32), np.zeros((frames, 0, 2), np.float32), np.zeros((frames, 0), bool))


def sheet(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of pictures uint8 (n, H, W, 3) below each other, paper where a row is shorter."""
    width = max(len(row) for row in rows)
    padded = [np.concatenate([row, np.full((width - len(row), *row.shape[1:]), 255, np.uint8)]) for row in rows]
    return np.concatenate([np.concatenate(list(row), axis=1) for row in padded])
