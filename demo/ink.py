"""Inking: the parts of a figure -> strokes. What lies behind a nearer part is not drawn; every line ends on the line that hides it."""

import itertools
import zlib
from dataclasses import dataclass

import numpy as np

from . import picture
from .curves import FigurePart, PenCurve, transform_part
from .palette import SWATCHES, parse_rgb

GAPS = 12  # a drawing
GAP = (1.0, 8.0)  # px that stay white between the round ends
TRACE_WIDTH = 2.2


@dataclass(frozen=True)
class InkStroke:
    """points (N, 2) px, widths (N,) diameters px; `trace` '' for ink, else 'light' or 'shade'."""

    points: np.ndarray
    widths: np.ndarray
    trace: str = ""
    part: str = ""
    fine: bool = False


def make_random(*key) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def wobble_parts(parts: list[FigurePart], seed: int, amount: float = 0.8) -> list[FigurePart]:
    """The unsteady hand: each part shifts by a smooth field of its own, px, other in each drawing."""
    result = []
    for part in parts:
        random = make_random("wobble", part.clip or part.name, seed)
        waves = random.normal(0, 1, (2, 4, 2)) / random.uniform(25, 90, (2, 4, 1))
        phase = random.uniform(0, 2 * np.pi, (2, 4))
        size = amount * (0.3 if part.fine else 1.0) / 2

        def shift_points(p, waves=waves, phase=phase, size=size):
            return p + size * np.sin(np.einsum("nk,cwk->ncw", p, waves) + phase).sum(2)

        result.append(transform_part(part, shift_points))
    return result


def find_inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """bool (N,): which points lie inside the polygon (even-odd)."""
    result = np.zeros(len(points), bool)
    if not len(polygon) or not len(points):
        return result
    near = ((points >= polygon.min(0)) & (points <= polygon.max(0))).all(1)
    if near.any():
        p, a, b = points[near], polygon, np.roll(polygon, -1, axis=0)
        span = (a[:, 1] > p[:, 1:]) != (b[:, 1] > p[:, 1:])
        rise = b[:, 1] - a[:, 1]
        x = a[:, 0] + (p[:, 1:] - a[:, 1]) * ((b[:, 0] - a[:, 0]) / np.where(rise == 0, 1, rise))
        result[near] = ((span & (p[:, :1] < x)).sum(1) & 1).astype(bool)
    return result


def ink_parts(parts: list[FigurePart], seed: int) -> list[InkStroke]:
    """Ink the parts, given from back to front."""
    polygons = {p.name: p.polygon for p in parts if p.fill}
    boxes = {name: np.stack([polygon.min(0), polygon.max(0)]) for name, polygon in polygons.items()}
    result: list[InkStroke] = []
    for i, part in enumerate(parts):
        nearer = [p for p in parts[i + 1 :] if p.fill and not p.trace and p.clip != part.name]
        for n, curve in enumerate((*part.outline, *part.details)):
            if curve.width:
                low, high = curve.points.min(0), curve.points.max(0)
                hiding = [p for p in nearer if (boxes[p.name][0] < high).all() and (boxes[p.name][1] > low).all()]
                around = np.array([boxes[p.name] for p in hiding]).reshape(-1, 2, 1, 2)

                def find_visible(points, part=part, hiding=hiding, around=around):
                    seen = find_inside(points, polygons[part.clip]) if part.clip else np.ones(len(points), bool)
                    near = ((points >= around[:, 0]) & (points <= around[:, 1])).all(2).any(1)
                    for p in itertools.compress(hiding, near):
                        covered = find_inside(points, polygons[p.name])
                        if p.clip and covered.any():
                            covered &= find_inside(points, polygons[p.clip])
                        seen &= ~covered
                    return seen

                widths = _compute_widths(curve, part, make_random("pressure", part.name, n, seed))
                for points, w in _cut_visible_pieces(curve.points, widths, find_visible):
                    result.append(InkStroke(points, w, part.trace, part.name, part.fine))
    return result


def _compute_widths(curve: PenCurve, part: FigurePart, random: np.random.Generator) -> np.ndarray:
    t = np.linspace(0, 1, len(curve.points))
    if part.trace:
        return np.full(len(t), TRACE_WIDTH)
    start, end = curve.taper
    length = np.hypot(*np.diff(curve.points, axis=0).T).sum()
    reach = np.clip(60 / max(length, 1), 0.2, 0.5)  # the pen comes down and leaves over some 60 px
    loss = start * np.clip(1 - t / reach, 0, 1) ** 1.6 + end * np.clip(1 - (1 - t) / reach, 0, 1) ** 1.6
    sway = 0.09 * np.sin(2 * np.pi * (t * length / random.uniform(140, 260) + random.uniform()))
    return np.maximum(curve.width * (1 - loss + sway), 1.3)


def _cut_visible_pieces(points, widths, visible):
    seen = visible(points)
    change = np.nonzero(seen[1:] != seen[:-1])[0]
    low, high = np.zeros(len(change)), np.ones(len(change))
    a, b = points[change], points[change + 1]
    for _ in range(9 if len(change) else 0):  # where exactly the line goes under: to 1/200 px
        middle = (low + high) / 2
        same = visible(a + (b - a) * middle[:, None]) == seen[change]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    cuts = a + (b - a) * low[:, None]
    at = widths[change] + (widths[change + 1] - widths[change]) * low
    bounds = [-1, *change, len(points) - 1]
    for k in range(len(bounds) - 1):
        first, last = bounds[k] + 1, bounds[k + 1] + 1
        if not seen[first:last].any():
            continue
        piece, w = points[first:last], widths[first:last]
        if k:
            piece, w = np.concatenate([cuts[k - 1 : k], piece]), np.concatenate([at[k - 1 : k], w])
        if k < len(change):
            piece, w = np.concatenate([piece, cuts[k : k + 1]]), np.concatenate([w, at[k : k + 1]])
        if len(piece) > 1 and np.hypot(*np.diff(piece, axis=0).T).sum() > 1.0:
            yield piece, w


def tear_gaps(lines: list[InkStroke], seed: int) -> tuple[list[InkStroke], list[tuple[float, float, float]]]:
    """The same strokes with small gaps torn into some of them, and the gaps as (x, y, px)."""
    random = make_random("gaps", seed)
    lengths = np.array([np.hypot(*np.diff(s.points, axis=0).T).sum() for s in lines])
    able = [i for i, s in enumerate(lines) if not s.trace and not s.fine and lengths[i] > 60]
    chosen = set(random.choice(able, min(GAPS, len(able)), replace=False, p=lengths[able] / lengths[able].sum()).tolist())
    result, gaps = [], []
    for i, stroke in enumerate(lines):
        if i not in chosen:
            result.append(stroke)
            continue
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke.points, axis=0).T))])
        center, size = random.uniform(0.2, 0.8) * lengths[i], random.uniform(*GAP)
        half = (size + np.interp(center, along, stroke.widths)) / 2
        for keep, end in ((along < center - half, center - half), (along > center + half, center + half)):
            point = np.array([[np.interp(end, along, c) for c in stroke.points.T]])
            order = (lambda a, b: [a, b]) if end < center else (lambda a, b: [b, a])
            p = np.concatenate(order(stroke.points[keep], point))
            w = np.concatenate(order(stroke.widths[keep], [np.interp(end, along, stroke.widths)]))
            result.append(InkStroke(p, w, "", stroke.part))
        gaps.append((*(float(np.interp(center, along, c)) for c in stroke.points.T), size))
    return result, gaps


def paint_flats(parts: list[FigurePart], size: tuple[int, int]) -> np.ndarray:
    """RGBA uint8 (H, W, 4): the exact flats of the parts, edge to edge, without lines, on transparent paper."""
    canvas = np.zeros((size[1], size[0]), np.uint8)
    polygons = {p.name: p.polygon for p in parts if p.fill}
    names = ["", *SWATCHES]
    for part in parts:
        if part.fill:
            box, mask = picture.fill_polygon(polygons[part.name], size)
            if part.clip:
                whole = np.zeros(canvas.shape, bool)
                clip, inside = picture.fill_polygon(polygons[part.clip], size)
                whole[clip] = inside
                mask &= whole[box]
            canvas[box][mask] = names.index(part.fill)
    return np.array([(0, 0, 0, 0), *((*parse_rgb(color), 255) for color in SWATCHES.values())], np.uint8)[canvas]


def paint_picture(parts: list[FigurePart], lines: list[InkStroke], size: tuple[int, int], ink: tuple[int, int, int]) -> np.ndarray:
    """RGBA uint8: the flats under their ink. Trace lines are gone, as in a finished cel."""
    coverage = picture.draw_lines([(s.points, s.widths) for s in lines if not s.trace], size)
    return picture.lay_color(paint_flats(parts, size), coverage, ink)
