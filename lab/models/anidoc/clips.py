"""Training examples for AniDoc: frames, their sketches, a reference, and tracked points.

For clips written by `lab synth` the points are exact and the reference is another pose. For other clips they are tracked by optical flow,
and an earlier frame is the reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from engine.models.anidoc import points
from engine.models.anidoc.correspondence import Tracks

from ...diffusion import clips

BEFORE = 32  # frames between the reference and the example, if there are so many
ASTRAY = 1.5  # px that a point may be off


@dataclass(frozen=True)
class AniDocExample:
    """`frames` uint8 (F, H, W, 3) · `sketches` uint8 (F, H, W), 255 on paper · `reference` uint8 (H, W, 3) · `tracks` of points."""

    frames: np.ndarray
    sketches: np.ndarray
    reference: np.ndarray
    tracks: Tracks


def read_example(
    clip: clips.TrainingClip, size: tuple[int, int], frames: int, rng: np.random.Generator, binarize: bool = True, matching: bool = True
) -> AniDocExample:
    """A random run of `frames` frames of a clip at `size` (width, height), or all of a shorter clip. Half of the references with an alpha
    channel get a random background color. Raises BadInput for a picture that can't be read."""
    count = min(frames, len(clip.frames) - (not clip.sheets))
    start = int(rng.integers(0 if clip.sheets else 1, len(clip.frames) - count + 1))
    chosen = clip.frames[start : start + count]
    source = clip.sheets[rng.integers(len(clip.sheets))] if clip.sheets else clip.frames[max(0, start - BEFORE)]
    before = clips.load_pictures([source], size)[0]
    colors = clips.flatten_pictures(clips.load_pictures(chosen, size))
    keep = binarize and before[..., 3].min() < 255 and rng.random() < 0.5
    plate = rng.integers(0, 256, 3).astype(np.uint8) if keep else np.full(3, 255, np.uint8)
    reference = clips.flatten_pictures(before, plate)
    sketches = clips.load_sketches(chosen, size)
    truth = clip.folder / "truth.npz"
    if not matching:
        tracks = _build_empty_tracks(count)
    elif truth.is_file():
        with np.load(truth, allow_pickle=False) as arrays:
            known = {name: arrays[name] for name in ("part", "to_first", "visible")}
        tracks = _read_true_tracks(known, [clips.parse_number(path) for path in (source, *chosen)], size, rng)
    else:
        tracks = _follow_tracks(reference, colors, rng)
    return AniDocExample(colors, clips.binarize_gray(sketches) if binarize else sketches, reference, tracks)


def _read_true_tracks(known: Mapping[str, np.ndarray], numbers: Sequence[int], size: tuple[int, int], rng: np.random.Generator) -> Tracks:
    """Exact tracks of random points of the figure: chosen in the second of these drawings, located in the first, a reference, and in the
    rest.

    For each pixel its place in drawing 0 is known: two pixels of the same part with the same place are the same point.
    """
    scale = np.array(size) / known["part"].shape[:0:-1]

    def locate_pixels(number: int) -> tuple[np.ndarray, np.ndarray]:
        y, x = np.nonzero(known["visible"][number] & (known["part"][number] >= 0))
        origin = known["to_first"][number, y, x].astype(np.float32)
        return np.column_stack([x, y]) + 0.5, np.column_stack([origin, 1e4 * known["part"][number, y, x]])

    at, targets = locate_pixels(numbers[1])
    some = rng.choice(len(at), min(points.MATCHES, len(at)), replace=False)
    tracks, visible = [], []
    for number in numbers:
        there, origins = locate_pixels(number)
        if len(there) == 0:
            return _build_empty_tracks(len(numbers) - 1)
        far, nearest = cKDTree(origins).query(targets[some])
        tracks.append((there[nearest] * scale).astype(np.float32))
        visible.append(far < ASTRAY)
    keep = np.flatnonzero(visible[0])
    return Tracks(tracks[0][keep], np.stack(tracks[1:])[:, keep], np.stack(visible[1:])[:, keep])


def _follow_tracks(reference: np.ndarray, frames: np.ndarray, rng: np.random.Generator) -> Tracks:
    """Track random points of the first frame back to the reference and forward through the others, by dense flow. A point is visible where
    forward and backward flow agree."""
    height, width = reference.shape[:2]
    first = rng.uniform((0, 0), (width - 1, height - 1), (points.MATCHES, 2)).astype(np.float32)
    back, there = _follow_step(frames[0], reference, first)
    tracks, visible = [first], [there]
    for a, b in zip(frames, frames[1:], strict=False):
        moved, found = _follow_step(a, b, tracks[-1])
        tracks.append(moved)
        visible.append(found & visible[-1])
    keep = np.flatnonzero(there)
    return Tracks(back[keep], np.stack(tracks)[:, keep], np.stack(visible)[:, keep])


def _follow_step(a: np.ndarray, b: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    forth, back = (_compute_flow(*pair) for pair in ((a, b), (b, a)))
    moved = at + _sample_flow(forth, at)
    astray = np.linalg.norm(moved + _sample_flow(back, moved) - at, axis=1)
    inside = ((moved >= 0) & (moved < np.array(a.shape[1::-1]))).all(axis=1)
    return moved, (astray < 1.5) & inside


def _compute_flow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray_a, gray_b = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (a, b))
    return method.calc(gray_a, gray_b, np.zeros((*gray_a.shape, 2), np.float32))


def _sample_flow(flow: np.ndarray, at: np.ndarray) -> np.ndarray:
    x, y = np.clip(at.round().astype(int), 0, np.array(flow.shape[1::-1]) - 1).T
    return flow[y, x]


def _build_empty_tracks(frames: int) -> Tracks:
    return Tracks(np.zeros((0, 2), np.float32), np.zeros((frames, 0, 2), np.float32), np.zeros((frames, 0), bool))
