"""Drawn puppets with exact truth: figures of parts on joints, in any pose, as line drawings and as paint. For tests and measurements.

A character is a function of its seed; a drawing of it is a function of a pose. Every pixel knows its part and its tone, so what each
region ought to wear is known, however the lines cut it.
"""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from engine.drawing.sketch import Sketch

INK = (30, 24, 36)
SHADE = (47, 98, 224)  # the trace line that bounds a shadow


@dataclass(frozen=True)
class Part:
    """A closed shape: `outline` (N, 2) in its joint's frame, drawn at `depth`; `tone` an offset of the shadow's edge, or None.

    `folds` are lines across it · `merged` whether no line parts it from merged parts of the same color.
    """

    joint: str
    outline: np.ndarray
    color: int
    depth: float
    tone: tuple[float, float] | None = None
    folds: tuple[np.ndarray, ...] = ()
    merged: bool = False


@dataclass(frozen=True)
class Pose:
    angles: dict[str, float] = field(default_factory=dict)  # radians, on top of the parent's
    turn: float = 0.0  # of the head, -1..1: features slide, farther ones less
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)  # of the height of the picture


@dataclass(frozen=True)
class Puppet:
    joints: dict[str, tuple[str, tuple[float, float]]]  # name: parent, place in the parent's frame; parents first
    parts: tuple[Part, ...]
    colors: np.ndarray  # uint8 (C, 2, 3): base and shadow


@dataclass(frozen=True)
class Drawn:
    """`ids` int32 (H, W): 0 outside, else 1 + 2 * color + tone · `sketch` the line drawing · `paint` uint8 (H, W, 4) flats under lines."""

    ids: np.ndarray
    sketch: Sketch
    flats: np.ndarray

    def truth(self, grown: np.ndarray, count: int) -> np.ndarray:
        """The id that most of each region has, int32 (count + 1,)."""
        size = int(self.ids.max()) + 1
        votes = np.bincount((grown.astype(np.int64) * size + self.ids).ravel(), minlength=(count + 1) * size)
        return votes.reshape(count + 1, size).argmax(axis=1).astype(np.int32)

    def picture(self) -> np.ndarray:
        """The flats with lines over them: a reference, uint8 (H, W, 4)."""
        picture = self.flats.copy()
        main = self.sketch.lines & ~self.sketch.traces
        picture[main] = (*INK, 255)
        return picture


def blob(
    rng: np.random.Generator, rx: float, ry: float, cx: float = 0.0, cy: float = 0.0, rough: float = 0.12, points: int = 9
) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radius = 1 + rng.normal(0, rough, points)
    return smooth(np.stack([cx + rx * radius * np.cos(angle), cy + ry * radius * np.sin(angle)], axis=1))


def limb(rng: np.random.Generator, length: float, start: float, end: float) -> np.ndarray:
    """A tapering tube from the joint downwards."""
    middle = (start + end) / 2 * rng.uniform(0.9, 1.25)
    right = [(start, 0), (middle, length / 2), (end, length), (end * 0.5, length + end * 0.7)]
    left = [(-x, y) for x, y in reversed(right)]
    return smooth(np.array([*right, *left, (-start * 0.6, -start * 0.7), (start * 0.6, -start * 0.7)]))


def smooth(points: np.ndarray, each: int = 8) -> np.ndarray:
    """A closed Catmull-Rom curve through the points."""
    a, b, c, d = (np.roll(points, k, axis=0)[:, None] for k in (1, 0, -1, -2))
    t = np.linspace(0, 1, each, endpoint=False)[None, :, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return curve.reshape(-1, 2)


def puppet(seed: int) -> Puppet:
    """A figure some 1.0 high around (0, 0), y down."""
    rng = np.random.default_rng(seed)
    u = rng.uniform
    joints: dict[str, tuple[str, tuple[float, float]]] = {"body": ("", (0.0, 0.0))}
    parts: list[Part] = []
    palette: list[np.ndarray] = []

    def color() -> int:
        if len(palette) > 4 and u() < 0.12:
            return int(rng.integers(len(palette)))
        base = rng.integers(60, 250, 3)
        palette.append(np.stack([base, (base * u(0.6, 0.8, 3)).astype(int)]))
        return len(palette) - 1

    def add(joint: str, outline: np.ndarray, paint: int, depth: float, tones: float = 0.4, folds: float = 0.2) -> None:
        size = np.ptp(outline, axis=0)
        tone = (u(0.15, 0.4) * size[0] * rng.choice([-1, 1]), u(-0.2, 0.2) * size[1]) if u() < tones else None
        cuts = []
        if u() < folds:
            low, y = outline.min(axis=0), u(0.3, 0.7)
            cuts.append(np.array([[low[0] - 0.1, low[1] + y * size[1]], [low[0] + size[0] + 0.1, low[1] + (y + u(-0.2, 0.2)) * size[1]]]))
        parts.append(Part(joint, outline, paint, depth, tone, tuple(cuts)))

    skin, hair, cloth, trousers, shoe = (color() for _ in range(5))
    w = u(0.09, 0.15)
    add("body", blob(rng, w, u(0.16, 0.2), 0, -0.08), cloth, 0, 0.6)
    if u() < 0.6:
        add("body", blob(rng, w * 0.95, 0.025, 0, 0.07, 0.05), color(), 0.3)
    if u() < 0.5:
        add("body", blob(rng, 0.03, 0.03, u(-0.05, 0.05), -0.1, 0.05), color(), 0.2, 0.1, 0)
    if u() < 0.5:
        for i in range(int(rng.integers(2, 4))):
            add("body", blob(rng, 0.012, 0.012, 0.0, -0.15 + 0.06 * i, 0.03), color() if i == 0 else parts[-1].color, 0.25, 0, 0)
    joints["head"] = ("body", (0.0, -0.24))
    r = u(0.09, 0.13)
    add("head", blob(rng, r, r * 1.1, 0, -r, 0.04), skin, 1.0, 0.6, 0)
    add("head", blob(rng, r * u(1.15, 1.4), r * u(1.2, 1.9), 0, -r * u(0.6, 1.0), 0.1, 12), hair, -1.0)
    for i in range(int(rng.integers(3, 6))):
        x = (i - 2) * r * 0.45
        add("head", blob(rng, r * u(0.22, 0.34), r * u(0.4, 0.7), x, -r * u(1.5, 1.8), 0.15, 7), hair, 2.0 + 0.01 * i, 0.3)
    white, iris, mouth = color(), color(), color()
    for side in (-1, 1):
        x, y = side * r * 0.42, -r * 0.75
        add("face", blob(rng, r * 0.2, r * 0.22, x, y, 0.04), white, 1.2, 0, 0)
        add("face", blob(rng, r * 0.12, r * 0.17, x, y, 0.03), iris, 1.3, 0.3, 0)
    add("face", blob(rng, r * u(0.15, 0.3), r * u(0.05, 0.14), 0, -r * 0.25, 0.08), mouth, 1.2, 0, 0)
    joints["face"] = ("head", (0.0, 0.0))
    add("body", blob(rng, 0.035, 0.05, 0, -0.25, 0.05), skin, 0.9, 0.3, 0)
    sleeve = cloth if u() < 0.6 else color()
    glove = skin if u() < 0.7 else color()
    long = u(0.1, 0.16)
    leg = u(0.16, 0.22)
    for side, name in ((-1, "left"), (1, "right")):
        joints[f"{name} arm"] = ("body", (side * w * 0.85, -0.19))
        joints[f"{name} elbow"] = (f"{name} arm", (0.0, long))
        joints[f"{name} hand"] = (f"{name} elbow", (0.0, long))
        front = 3.0 if side > 0 or u() < 0.4 else -0.5
        add(f"{name} arm", limb(rng, long, 0.04, 0.033), sleeve, front)
        add(f"{name} elbow", limb(rng, long, 0.033, 0.025), sleeve if u() < 0.5 else skin, front + 0.1)
        add(f"{name} hand", blob(rng, 0.03, 0.035, 0, 0.03), glove, front + 0.2, 0.2, 0)
        joints[f"{name} leg"] = ("body", (side * w * 0.5, 0.08))
        joints[f"{name} knee"] = (f"{name} leg", (0.0, leg))
        joints[f"{name} foot"] = (f"{name} knee", (0.0, leg))
        add(f"{name} leg", limb(rng, leg, 0.06, 0.045), trousers, -0.2 - 0.1 * side)
        add(f"{name} knee", limb(rng, leg, 0.045, 0.035), trousers if u() < 0.6 else skin, -0.25 - 0.1 * side)
        add(f"{name} foot", blob(rng, 0.05, 0.03, side * 0.02, 0.01), shoe, -0.15 - 0.1 * side)
    if u() < 0.5:
        add("body", smooth(np.array([(-w, 0.06), (w, 0.06), (w * 1.7, 0.22), (0, 0.25), (-w * 1.7, 0.22)])), color(), 0.1)
    if u() < 0.5:
        joints["bag"] = ("body", (w * rng.choice([-1, 1]), 0.05))
        add("bag", blob(rng, 0.06, 0.07, 0, 0.06, 0.08), color(), 2.5)
    return Puppet(joints, tuple(parts), np.array(palette, np.uint8))


def pose(rng: np.random.Generator, amount: float, base: Pose | None = None) -> Pose:
    """A pose near `base`, or near standing: `amount` 0 still .. 1 wild."""
    base = base or Pose()
    names = ["body", "head", *(f"{s} {j}" for s in ("left", "right") for j in ("arm", "elbow", "hand", "leg", "knee")), "bag"]
    limits = {"arm": 1.2, "elbow": 1.0, "leg": 0.5, "knee": 0.4, "body": 0.15, "head": 0.3}
    angles = {n: base.angles.get(n, 0.0) + rng.normal(0, 0.6) * amount * limits.get(n.split()[-1], 0.4) for n in names}
    shift = tuple(np.array(base.shift) + rng.normal(0, 0.08, 2) * amount)
    turn = float(np.clip(base.turn + rng.normal(0, 0.6) * amount, -1, 1))
    return Pose(angles, turn, base.scale * float(np.exp(rng.normal(0, 0.12) * amount)), shift)


def redrawn(figure: Puppet, rng: np.random.Generator, amount: float, lost: float = 0.0) -> Puppet:
    """The puppet as another hand would draw it: outlines stretched, sheared and bent by `amount`, a share `lost` of the parts left out."""
    parts = []
    for part in figure.parts:
        if rng.uniform() < lost:
            continue
        center = part.outline.mean(axis=0)
        change = np.eye(2) + rng.normal(0, amount, (2, 2))
        angle = np.linspace(0, 2 * np.pi, len(part.outline), endpoint=False)
        bend = sum(rng.normal(0, amount / 2) * np.sin(k * angle + rng.uniform(0, 6.3)) for k in (1, 2, 3))
        outline = center + ((part.outline - center) * (1 + np.asarray(bend))[:, None]) @ change.T
        tone = None if part.tone is None else (part.tone[0] * (1 + rng.normal(0, 2 * amount)), part.tone[1] + rng.normal(0, 0.02) * amount)
        folds = part.folds if rng.uniform() < 0.6 else ()
        parts.append(replace(part, outline=outline, tone=tone, folds=folds, merged=rng.uniform() < 0.3))
    return replace(figure, parts=tuple(parts))


def draw(figure: Puppet, at: Pose, size: tuple[int, int] = (720, 720), width: int = 2) -> Drawn:
    """Draw a puppet into a picture of `size` (width, height) px with lines `width` px wide."""
    frames: dict[str, np.ndarray] = {}
    unit = size[1] * 0.75 * at.scale
    for name, (parent, place) in figure.joints.items():
        angle = at.angles.get(name, 0.0)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if name == "face":
            place = (at.turn * 0.03, place[1])
        local = np.concatenate([turn, np.array(place)[:, None]], axis=1)
        if parent:
            above = frames[parent]
            local = np.concatenate([above[:, :2] @ local[:, :2], above[:, :2] @ local[:, 2:] + above[:, 2:]], axis=1)
        frames[name] = local
    center = np.array([size[0] * (0.5 + at.shift[0]), size[1] * (0.48 + at.shift[1])])

    def placed(points: np.ndarray, joint: str) -> np.ndarray:
        frame = frames[joint]
        return np.rint((points @ frame[:, :2].T + frame[:, 2]) * unit + center).astype(np.int32)

    ids = np.zeros((size[1], size[0]), np.int32)
    owner = np.zeros(ids.shape, np.int32)
    lines = np.zeros(ids.shape, bool)
    for number, part in sorted(enumerate(figure.parts, 1), key=lambda item: item[1].depth):
        mask = np.zeros(ids.shape, np.uint8)
        cv2.fillPoly(mask, [placed(part.outline, part.joint)], 1)
        inside = mask > 0
        tone = np.zeros(ids.shape, bool)
        if part.tone is not None:
            lit = np.zeros(ids.shape, np.uint8)
            cv2.fillPoly(lit, [placed(part.outline + part.tone, part.joint)], 1)
            tone = inside & (lit == 0)
        ids[inside] = 1 + 2 * part.color
        ids[tone] += 1
        owner[inside] = 2 * (1000 + part.color if part.merged else number)
        owner[tone] += 1
        lines[inside] = False
        for fold in part.folds:
            stroke = np.zeros(ids.shape, np.uint8)
            cv2.polylines(stroke, [placed(fold, part.joint)], False, 1, width)
            lines |= (stroke > 0) & inside
    kernel = np.ones((width, width), np.uint8)
    main = cv2.dilate(_edges(owner // 2).astype(np.uint8), kernel) > 0
    lines |= main
    traces = (cv2.dilate(_edges(owner).astype(np.uint8), kernel) > 0) & ~lines
    paint = np.zeros((*ids.shape, 4), np.uint8)
    paint[lines] = (*INK, 255)
    paint[traces] = (*SHADE, 255)
    table = np.zeros((2 * len(figure.colors) + 1, 4), np.uint8)
    table[1:, :3], table[1:, 3] = figure.colors.reshape(-1, 3), 255
    return Drawn(ids, Sketch(paint, lines | traces, traces, np.zeros((0, 4), np.float32), "puppet"), table[ids])


def _edges(labels: np.ndarray) -> np.ndarray:
    found = np.zeros(labels.shape, bool)
    found[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    found[1:] |= labels[1:] != labels[:-1]
    return found
