"""What points and strokes have beside their places: taken for new strokes from those that they are made of."""

import numpy as np

from ..read.strokes import LayerStrokes
from . import keys
from .made import GeneratedDrawing

# How values are read, how many there are, and of which kind; others (texts, matrices) no stroke has.
_TYPES = {
    "FLOAT": ("value", 1, np.float32),
    "FLOAT2": ("vector", 2, np.float32),
    "FLOAT_VECTOR": ("vector", 3, np.float32),
    "FLOAT_COLOR": ("color", 4, np.float32),
    "BYTE_COLOR": ("color", 4, np.float32),
    "QUATERNION": ("value", 4, np.float32),
    "INT": ("value", 1, np.int32),
    "INT8": ("value", 1, np.int8),
    "BOOLEAN": ("value", 1, bool),
}
_DEFAULTS = {"radius": 0.01, "opacity": 1.0, "fill_opacity": 1.0, "aspect_ratio": 1.0, "u_scale": 1.0, "resolution": 12}
# New strokes are polylines, whose places and shape are the engine's.
_OWN = {"position", "cyclic", "curve_type", "handle_left", "handle_right", "handle_type_left", "handle_type_right"}
_OWN |= {"nurbs_order", "nurbs_weight", "knots_mode", keys.MARK, keys.CONFIDENCE}


class AttributeOrigin:
    """Where new points come from in one of the keys, `side` 0 or 1.

    `known` bool (N,), the points that come from a stroke of it · `strokes` bool (S,), the new strokes that do.
    """

    def __init__(self, drawing, flat: LayerStrokes, made: GeneratedDrawing, side: int) -> None:
        self.drawing = drawing
        counts = np.diff(made.offsets)
        source = made.source[:, side]
        self.strokes = source >= 0
        stroke, place = np.repeat(source, counts), made.place[:, side]
        self.known = (stroke >= 0) & np.isfinite(place)
        stroke, place = stroke[self.known], place[self.known].astype(float)
        controls = np.zeros(drawing.attributes.domain_size("CURVE") + 1, np.int32)
        if len(controls) > 1:
            drawing.curve_offsets.foreach_get("value", controls)
        self._numbers = flat.numbers[source[self.strokes]]
        self._sampled = _find_neighbors(place, flat.offsets[:-1][stroke], np.diff(flat.offsets)[stroke], flat.cyclic[stroke])
        number, open_end = flat.numbers[stroke], 1 - flat.cyclic[stroke].astype(int)
        samples, points = np.diff(flat.offsets)[stroke], np.diff(controls)[number]
        ratio = (points - open_end) / np.maximum(samples - open_end, 1)  # a sampled curve has more points than the drawing
        self._controls = _find_neighbors(place * ratio, controls[:-1][number], points, flat.cyclic[stroke])

    def sample(self, values: np.ndarray) -> np.ndarray:
        """Values of the flat strokes' points (M, ...) at the known points."""
        low, high, part = self._sampled
        return values[low] + (values[high] - values[low]) * part.reshape(-1, *[1] * (values.ndim - 1))

    def points(self, name: str, kind: str) -> np.ndarray:
        """An attribute of points at the known points, (K, width)."""
        values = _read_attribute(self.drawing, name, kind, "POINT")
        low, high, part = self._controls
        if values.dtype != np.float32:
            return values[np.where(part < 0.5, low, high)]
        return _mix_values(values[low], values[high], part[:, None].astype(np.float32), kind)

    def curves(self, name: str, kind: str) -> np.ndarray:
        """An attribute of strokes for the new strokes that come from this key, (K, width)."""
        return _read_attribute(self.drawing, name, kind, "CURVE")[self._numbers]


def _find_neighbors(
    place: np.ndarray, begin: np.ndarray, count: np.ndarray, cyclic: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two points around each place, and how far it lies towards the second."""
    last = np.maximum(count - 1, 0)
    place = np.where(cyclic, place % np.maximum(count, 1), np.clip(place, 0, last))
    low = np.minimum(place.astype(int), last)
    high = np.where(cyclic & (low == last), 0, np.minimum(low + 1, last))
    return begin + low, begin + high, place - low


def _mix_values(a: np.ndarray, b: np.ndarray, part, kind: str) -> np.ndarray:
    """From a to b (N, width). Colors are mixed by their opacity, so that a transparent one gives no tint."""
    mixed = a + (b - a) * part
    if kind in ("FLOAT_COLOR", "BYTE_COLOR"):
        weight = a[:, 3:] + (b[:, 3:] - a[:, 3:]) * part
        rgb = a[:, :3] * a[:, 3:] + (b[:, :3] * b[:, 3:] - a[:, :3] * a[:, 3:]) * part
        differ = (a != b).any(axis=1, keepdims=True) & (weight > 1e-6)
        mixed[:, :3] = np.where(differ, rgb / np.maximum(weight, 1e-6), mixed[:, :3])
    return mixed


def _read_attribute(drawing, name: str, kind: str, domain: str) -> np.ndarray:
    key, width, dtype = _TYPES[kind]
    attribute = drawing.attributes.get(name)
    if attribute is None or attribute.domain != domain or attribute.data_type != kind:
        return np.full((drawing.attributes.domain_size(domain), width), _DEFAULTS.get(name, 0), dtype)
    values = np.empty(width * len(attribute.data), dtype)
    attribute.data.foreach_get(key, values)
    return values.reshape(-1, width)


def set_attribute(drawing, name: str, kind: str, domain: str, values: np.ndarray) -> None:
    """Set an attribute of a drawing, (N,) or (N, width)."""
    key, _, dtype = _TYPES[kind]
    attribute = drawing.attributes.get(name) or drawing.attributes.new(name, kind, domain)
    attribute.data.foreach_set(key, np.ascontiguousarray(values, dtype).ravel())


def carry_attributes(drawing, made: GeneratedDrawing, before: AttributeOrigin, after: AttributeOrigin) -> None:
    """Give a new drawing, whose strokes are there, every attribute of the strokes that they are made of."""
    found = {a.name: (a.domain, a.data_type) for origin in (after, before) for a in origin.drawing.attributes}
    for name, (domain, kind) in found.items():
        if name in _OWN or name.startswith(".") or kind not in _TYPES:
            continue
        on_points = domain == "POINT"
        a, b = (origin.points(name, kind) if on_points else origin.curves(name, kind) for origin in (before, after))
        here = (before.known, after.known) if on_points else (before.strokes, after.strokes)
        if name == "fill_id":  # strokes of one number are one fill: those of the other key get numbers of their own
            b = _renumber_fills(b, a, here)
        set_attribute(drawing, name, kind, domain, _join_values(a, b, here, made.at, kind, _DEFAULTS.get(name, 0)))


def _join_values(a: np.ndarray, b: np.ndarray, here: tuple[np.ndarray, np.ndarray], at: float, kind: str, default) -> np.ndarray:
    """Values (N, width) of which `a` and `b` are those from the key before and after, where they come from there."""
    at = min(max(at, 0.0), 1.0)
    first, last = (np.full((len(here[0]), a.shape[1]), default, a.dtype) for _ in range(2))
    first[here[0]], last[here[1]] = a, b
    first[~here[0]], last[~here[1]] = last[~here[0]], first[~here[1]]
    if a.dtype == np.float32:
        return _mix_values(first, last, np.float32(at), kind)
    return first if at < 0.5 else last


def _renumber_fills(b: np.ndarray, a: np.ndarray, here: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    alone = ~here[0][here[1]]
    moved = b.copy()
    moved[alone & (b[:, 0] > 0)] += max(a.max(initial=0), b.max(initial=0))
    return moved
