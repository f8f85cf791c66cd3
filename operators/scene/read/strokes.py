"""A Grease Pencil drawing as polylines: evaluated and seen through a camera, or as it lies in its layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import compat
from . import curves
from .camera import Projection

GRAIN = 64  # coordinates and widths are whole 64ths of a pixel: finer differences are noise of the arithmetic, not of the drawing

NO_MATERIAL = (0.6, 0.6, 0.6, 1.0)  # what Blender draws lines with that have none, linear RGBA


@dataclass(frozen=True)
class ScreenStrokes:
    """Polylines in pixels, origin top left, y down; the arrays of a strokes file of the job folder.

    `points` float32 (N, 2) · `widths` float32 (N,), diameters · `colors` uint8 (N, 4), sRGB, alpha is opacity · `offsets` int32 (S+1,),
    polyline i is points[offsets[i]:offsets[i+1]] · `cyclic` bool (S,).
    """

    points: np.ndarray
    widths: np.ndarray
    colors: np.ndarray
    offsets: np.ndarray
    cyclic: np.ndarray

    def __len__(self) -> int:
        return len(self.cyclic)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"points": self.points, "widths": self.widths, "colors": self.colors, "offsets": self.offsets, "cyclic": self.cyclic}


@dataclass(frozen=True)
class _Lines:
    """Polylines in the layer's space: `points` float32 (N, 3), `values` float32 (N, 6): radius, opacity, vertex color RGBA (linear);
    `offsets`, `cyclic` as in Strokes, `slots` int32 (S,) the material of each, `numbers` int64 (S,) which stroke of the drawing it is."""

    points: np.ndarray
    values: np.ndarray
    offsets: np.ndarray
    cyclic: np.ndarray
    slots: np.ndarray
    numbers: np.ndarray


@dataclass(frozen=True)
class LayerStrokes:
    """All strokes of a drawing that have points, in the layer's space.

    `points` float32 (N, 3) · `radii` float32 (N,) · `colors`, `offsets`, `cyclic` as in Strokes; the color of one without a visible line is
    that of its fill, transparent · `fills` bool (S,), which are filled · `numbers` int64 (S,), which stroke of the drawing each is.
    """

    points: np.ndarray
    radii: np.ndarray
    colors: np.ndarray
    offsets: np.ndarray
    cyclic: np.ndarray
    fills: np.ndarray
    numbers: np.ndarray


def join_strokes(parts: Sequence[ScreenStrokes]) -> ScreenStrokes:
    """One after the other, the later ones on top."""
    if len(parts) == 1:
        return parts[0]
    shifts = np.cumsum([0, *(len(p.points) for p in parts)])
    return ScreenStrokes(
        points=np.concatenate([np.empty((0, 2), np.float32), *(p.points for p in parts)]),
        widths=np.concatenate([np.empty(0, np.float32), *(p.widths for p in parts)]),
        colors=np.concatenate([np.empty((0, 4), np.uint8), *(p.colors for p in parts)]),
        offsets=np.concatenate([[0], *(p.offsets[1:] + s for p, s in zip(parts, shifts[:-1], strict=True))]).astype(np.int32),
        cyclic=np.concatenate([np.empty(0, bool), *(p.cyclic for p in parts)]),
    )


def extract_strokes(
    drawing, materials: Sequence, opacity: float, matrix: np.ndarray, object_scale: float, projection: Projection
) -> ScreenStrokes:
    """The visible lines of an evaluated drawing.

    `materials` by slot, `opacity` of the layer, `matrix` layer to world, `object_scale` how much the object (not its layer) scales:
    the layer's own scale does not change the width of lines.
    """
    styles = _read_styles(materials)
    lines = _read_polylines(drawing, styles)
    if not len(lines.cyclic):
        return join_strokes([])
    pixels, w, seen = projection.project(lines.points, matrix)
    widths = (2 * object_scale * projection.scale) * lines.values[:, 0] / w
    colors = _compute_colors(lines, styles[lines.slots], opacity)
    strokes = _round_points(
        _within_reach(ScreenStrokes(pixels, widths, colors, lines.offsets.astype(np.int32), lines.cyclic), seen, projection.size)
    )
    return _leave_out_invisible(strokes)


def find_used_slots(drawing, materials: Sequence, opacity: float) -> tuple[set[int], set[int]]:
    """The slots of materials that visible lines of an evaluated drawing wear, and those of its fills; `opacity` of the layer."""
    styles = _read_styles(materials)
    lines = _read_polylines(drawing, styles)
    worn: set[int] = set()
    if len(lines.cyclic):
        alpha = _compute_colors(lines, styles[lines.slots], opacity)[:, 3]
        shown = np.maximum.reduceat(alpha, lines.offsets[:-1]) * np.maximum.reduceat(lines.values[:, 0], lines.offsets[:-1]) > 0
        worn = set(lines.slots[shown].tolist())
    everything = _read_polylines(drawing, styles, everything=True)
    opaque = read_attribute(drawing, "fill_opacity", "value", 1.0, drawing.attributes.domain_size("CURVE"))[everything.numbers] > 0
    return worn, set(everything.slots[_find_filled(drawing, materials, everything) & opaque].tolist())


def has_lines(drawing, materials: Sequence) -> bool:
    """Whether a drawing has strokes whose lines are not switched off; their opacity may be 0."""
    return bool(len(_read_polylines(drawing, _read_styles(materials)).cyclic))


def flatten_strokes(drawing, materials: Sequence, opacity: float) -> LayerStrokes:
    """The strokes of a drawing as they lie in its layer, visible or not. `materials` by slot, `opacity` of the layer."""
    styles = _read_styles(materials)
    lines = _read_polylines(drawing, styles, everything=True)
    own, count = styles[lines.slots], drawing.attributes.domain_size("CURVE")
    hidden = np.isnan(own[:, 3])
    if compat.STROKES_HIDE_THEMSELVES:
        hidden |= read_attribute(drawing, "hide_stroke", "value", False, count, dtype=bool)[lines.numbers]
    filled = _find_filled(drawing, materials, lines)
    colors = _compute_colors(lines, np.nan_to_num(own), opacity)
    paint = np.array([m.grease_pencil.fill_color if m else NO_MATERIAL for m in materials or [None]], np.float32)[lines.slots, :3]
    tint = read_attribute(drawing, "fill_color", "color", 0.0, count, 4)[lines.numbers]
    paint = encode_srgb8(paint * (1 - tint[:, 3:]) + tint[:, :3] * tint[:, 3:])
    points = np.repeat(hidden, np.diff(lines.offsets))
    colors[points] = 0
    colors[points, :3] = np.repeat(paint, np.diff(lines.offsets), axis=0)[points]
    return LayerStrokes(lines.points, lines.values[:, 0], colors, lines.offsets.astype(np.int32), lines.cyclic, filled, lines.numbers)


def _find_filled(drawing, materials: Sequence, lines: _Lines) -> np.ndarray:
    """Which lines are filled, bool (S,)."""
    if compat.STROKES_HIDE_THEMSELVES:
        return read_attribute(drawing, "fill_id", "value", 0, drawing.attributes.domain_size("CURVE"), dtype=np.int32)[lines.numbers] != 0
    return np.array([compat.shows_fill(material) for material in materials or [None]])[lines.slots]


def _compute_colors(lines: _Lines, styles: np.ndarray, opacity: float) -> np.ndarray:
    """uint8 (N, 4); `styles` (S, 4) is the material's color of each line."""
    base = np.repeat(styles, np.diff(lines.offsets), axis=0)
    mix = lines.values[:, 5:6]
    rgb = base[:, :3] * (1 - mix) + lines.values[:, 2:5] * mix
    alpha = base[:, 3] * lines.values[:, 1] * opacity
    colors = np.empty((len(base), 4), np.uint8)
    colors[:, :3] = encode_srgb8(rgb)
    colors[:, 3] = np.clip(alpha, 0, 1) * 255 + 0.5
    return colors


_STEPS = np.linspace(0, 1, 65536)  # powers of each point's color would take longer than all the rest
_SRGB = (np.where(_STEPS <= 0.0031308, _STEPS * 12.92, 1.055 * _STEPS ** (1 / 2.4) - 0.055) * 255 + 0.5).astype(np.uint8)


def encode_srgb8(linear: np.ndarray) -> np.ndarray:
    """Linear light 0..1 -> sRGB 0..255, uint8."""
    return _SRGB[(np.clip(linear, 0, 1) * 65535 + 0.5).astype(np.uint16)]


def object_scale(matrix_world) -> float:
    """The factor by which an object's matrix scales the width of its lines."""
    return float(np.linalg.norm(np.array(matrix_world)[:3, :3] @ np.full(3, 3**-0.5)))


# --- reading ------------------------------------------------------------------------------------------------------


def _read_styles(materials: Sequence) -> np.ndarray:
    """Linear RGBA by material slot, float32 (M, 4); NaN alpha marks a material that shows no line."""
    table = []
    for material in materials or [None]:
        red, green, blue, alpha = material.grease_pencil.color if material else NO_MATERIAL
        table.append((red, green, blue, alpha if compat.shows_line(material) else np.nan))
    return np.array(table, np.float32)


def read_attribute(drawing, name: str, key: str, default, count: int, width: int = 1, dtype: type = np.float32) -> np.ndarray:
    """A geometry attribute as an array (count,) or (count, width), or its default value throughout where it is not stored."""
    shape = count if width == 1 else (count, width)
    attribute = drawing.attributes.get(name)
    if attribute is None:
        return np.full(shape, default, dtype)
    values = np.empty(count * width, dtype)
    attribute.data.foreach_get(key, values)
    return values.reshape(shape)


def read_offsets(drawing) -> np.ndarray:
    """Where each stroke's points begin, and where the last one's end, int32 (S+1,)."""
    offsets = np.zeros(drawing.attributes.domain_size("CURVE") + 1, np.int32)
    if len(offsets) > 1:
        drawing.curve_offsets.foreach_get("value", offsets)
    return offsets


def _read_polylines(drawing, styles: np.ndarray, everything: bool = False) -> _Lines:
    """The strokes that have a visible line, or all that have points, as polylines."""
    stroke_count = drawing.attributes.domain_size("CURVE")
    count = drawing.attributes.domain_size("POINT")
    offsets = read_offsets(drawing)
    slots = np.clip(read_attribute(drawing, "material_index", "value", 0, stroke_count, dtype=np.int32), 0, len(styles) - 1)
    shown = (np.diff(offsets) > 0) & (everything | ~np.isnan(styles[slots, 3]))
    if compat.STROKES_HIDE_THEMSELVES and not everything:
        shown &= ~read_attribute(drawing, "hide_stroke", "value", False, stroke_count, dtype=bool)
    cyclic = read_attribute(drawing, "cyclic", "value", False, stroke_count, dtype=bool)
    kinds = read_attribute(drawing, "curve_type", "value", curves.CATMULL_ROM, stroke_count, dtype=np.int8)
    if not compat.DRAWS_CURVES:
        kinds[:] = curves.POLY
    points = read_attribute(drawing, "position", "vector", 0.0, count, 3)
    values = np.empty((count, 6), np.float32)
    values[:, 0] = read_attribute(drawing, "radius", "value", 0.01, count)
    values[:, 1] = read_attribute(drawing, "opacity", "value", 1.0, count)
    values[:, 2:] = read_attribute(drawing, "vertex_color", "color", 0.0, count, 4)

    if (kinds[shown] != curves.POLY).any():
        points, values, sampled = _sample_curves(drawing, points, values, offsets, cyclic, kinds, shown)
        return _Lines(points, values, sampled, cyclic[shown], slots[shown], np.flatnonzero(shown))
    if not shown.all():
        counts = np.diff(offsets)
        kept = np.repeat(shown, counts)
        points, values, offsets = points[kept], values[kept], np.concatenate([[0], np.cumsum(counts[shown])])
    return _Lines(points, values, offsets, cyclic[shown], slots[shown], np.flatnonzero(shown))


def _sample_curves(drawing, points, values, offsets, cyclic, kinds, shown) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The shown strokes as polylines: points, values and offsets."""
    count, stroke_count = len(points), len(kinds)
    resolution = np.maximum(read_attribute(drawing, "resolution", "value", 12, stroke_count, dtype=np.int32), 1)
    everything = np.concatenate([points, values], axis=1)
    bent = np.flatnonzero(shown & ((kinds == curves.BEZIER) | (kinds == curves.NURBS)))
    # A polyline is a Catmull-Rom curve with one sample a segment, so that only the rare kinds go one by one.
    indices, weights, sampled = curves.catmull_rom(offsets, cyclic, np.where(kinds == curves.CATMULL_ROM, resolution, 1))
    samples = sum(weights[:, k, None] * everything[indices[:, k]] for k in range(4))
    pieces = np.split(samples, sampled[1:-1])
    if len(bent):
        left = read_attribute(drawing, "handle_left", "vector", 0.0, count, 3)
        right = read_attribute(drawing, "handle_right", "vector", 0.0, count, 3)
        order = read_attribute(drawing, "nurbs_order", "value", 4, stroke_count, dtype=np.int8)
        mode = read_attribute(drawing, "knots_mode", "value", curves.NORMAL, stroke_count, dtype=np.int8)
        weight = read_attribute(drawing, "nurbs_weight", "value", 1.0, count)
    for i in bent:
        run, steps, closed = slice(offsets[i], offsets[i + 1]), int(resolution[i]), bool(cyclic[i])
        if kinds[i] == curves.BEZIER and run.stop - run.start > 1:
            pieces[i] = np.concatenate(curves.sample_bezier(points[run], left[run], right[run], values[run], closed, steps), axis=1)
        elif kinds[i] == curves.NURBS and run.stop - run.start >= order[i]:  # with fewer points Blender draws those, as they are here
            found = curves.sample_nurbs(points[run], weight[run], values[run], closed, steps, int(order[i]), int(mode[i]))
            pieces[i] = np.concatenate(found, axis=1)
    pieces = [piece for piece, kept in zip(pieces, shown, strict=True) if kept]
    joined = np.concatenate(pieces).astype(np.float32)
    return joined[:, :3], joined[:, 3:], np.cumsum([0, *map(len, pieces)])


# --- what the camera sees -----------------------------------------------------------------------------------------


def _within_reach(strokes: ScreenStrokes, seen: np.ndarray, size: tuple[int, int]) -> ScreenStrokes:
    """Leave out strokes that are wholly out of the picture, and cut those that pass behind the camera or run far out of it.

    The picture is taken with a margin of half its longer side, so that what closes a region just outside still does.
    """
    if not len(strokes):
        return strokes
    margin = max(size) / 2
    low, high = np.full(2, -margin, np.float32), np.array(size, np.float32) + np.float32(margin)
    starts = strokes.offsets[:-1]
    x, y = np.ascontiguousarray(strokes.points.T)
    inside = seen & (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
    if inside.all():
        return strokes
    whole = np.logical_and.reduceat(inside, starts)
    visible = np.where(seen[:, None], strokes.points, np.nan)
    with np.errstate(invalid="ignore"):
        left, right = np.fmin.reduceat(visible, starts), np.fmax.reduceat(visible, starts)
        near = (right >= low).all(1) & (left <= high).all(1)  # False for strokes that are nowhere seen, their bounds are NaN
    pieces = []
    for i in np.flatnonzero(whole | near):
        run = slice(strokes.offsets[i], strokes.offsets[i + 1])
        part = (strokes.points[run], strokes.widths[run], strokes.colors[run])
        pieces += [(*part, bool(strokes.cyclic[i]))] if whole[i] else _clip_polyline(*part, bool(strokes.cyclic[i]), seen[run], low, high)
    return join_strokes(
        [ScreenStrokes(p, w, c, np.array([0, len(p)], np.int32), np.array([cyclic])) for p, w, c, cyclic in pieces] if pieces else []
    )


def _clip_polyline(points, widths, colors, cyclic, seen, low, high) -> list[tuple]:
    """The pieces of one polyline that lie before the camera and within the box; as (points, widths, colors, False).

    A segment with an end behind the camera goes whole, as in Blender; one that leaves the box ends on its side.
    """
    if cyclic:
        points, widths, colors, seen = (np.concatenate([a, a[:1]]) for a in (points, widths, colors, seen))
    pieces, piece = [], []
    for i in range(len(points) - 1):
        span = _clip_segment(points[i], points[i + 1], low, high) if seen[i] and seen[i + 1] else None
        if span is None:
            pieces.append(piece)
            piece = []
            continue
        start, end = span
        if not piece or start > 0:
            pieces.append(piece)
            piece = [_interpolate_point(points, widths, colors, i, start)]
        piece.append(_interpolate_point(points, widths, colors, i, end))
        if end < 1:
            pieces.append(piece)
            piece = []
    pieces.append(piece)
    return [(*(np.stack(column) for column in zip(*piece, strict=True)), False) for piece in pieces if piece]


def _clip_segment(a, b, low, high) -> tuple[float, float] | None:
    """The part of the segment a-b within a box, as two fractions of it, or None."""
    start, end = 0.0, 1.0
    for axis in range(2):
        way = float(b[axis]) - float(a[axis])
        if way == 0:
            if not low[axis] <= a[axis] <= high[axis]:
                return None
            continue
        one, two = sorted(((float(low[axis]) - float(a[axis])) / way, (float(high[axis]) - float(a[axis])) / way))
        start, end = max(start, one), min(end, two)
    return (start, end) if start <= end else None


def _interpolate_point(points, widths, colors, i, t) -> tuple:
    """Point, width and color at the fraction t of segment i."""
    if t in (0, 1):
        return points[i + int(t)], widths[i + int(t)], colors[i + int(t)]
    return tuple((a[i] * (1 - t) + a[i + 1] * t).astype(a.dtype) for a in (points, np.asarray(widths), colors))


def _leave_out_invisible(strokes: ScreenStrokes) -> ScreenStrokes:
    """Leave out strokes that are wholly transparent or have no width: they bound nothing that a person sees."""
    if not len(strokes):
        return strokes
    starts = strokes.offsets[:-1]
    visible = (np.maximum.reduceat(strokes.colors[:, 3], starts) > 0) & (np.maximum.reduceat(strokes.widths, starts) > 0)
    if visible.all():
        return strokes
    counts = np.diff(strokes.offsets)
    kept = np.repeat(visible, counts)
    offsets = np.cumsum([0, *counts[visible]]).astype(np.int32)
    return ScreenStrokes(strokes.points[kept], strokes.widths[kept], strokes.colors[kept], offsets, strokes.cyclic[visible])


def _round_points(strokes: ScreenStrokes) -> ScreenStrokes:
    return ScreenStrokes(
        points=np.round(strokes.points * GRAIN).astype(np.float32) / np.float32(GRAIN),
        widths=np.round(strokes.widths * GRAIN).astype(np.float32) / np.float32(GRAIN),
        colors=strokes.colors,
        offsets=strokes.offsets,
        cyclic=strokes.cyclic,
    )
