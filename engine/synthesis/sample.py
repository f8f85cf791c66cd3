"""Samples: drawings of the same figures with all that is true of them."""

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from . import damage, edges, lines, palette, staging
from .damage import Pen
from .figure import Figure, join
from .lines import TRACE_COLORS, Lines
from .render import Layers, View, render
from .scenes import FAMILIES, Actor, Motion, after, only
from .staging import Camera

RELATIONS = ("near", "far", "view", "scale", "mirror")


@dataclass(frozen=True)
class Plan:
    """What to draw.

    size        width, height in px
    drawings    of the shot, in small steps of one movement; two of them make a pair
    relation    of the two drawings of a pair, one of RELATIONS, or "" for a shot
    references  drawings in another pose, view and scale, which follow the shot's
    characters  in one picture
    damage      0 clean lines .. 1 whatever can go wrong with them
    tones       whether there are shadows and highlights, None: by chance
    """

    family: str
    size: tuple[int, int] = (512, 512)
    drawings: int = 2
    relation: str = ""
    references: int = 0
    characters: int = 1
    damage: float = 0.5
    tones: bool | None = None


@dataclass(frozen=True)
class Sample:
    """Drawings and the truth about them. D drawings: those of the shot, then the references.

    swatch    int64 (D, H, W)     row of `swatches`; 0 the background. A swatch is material * palette.TONES + tone
    swatches  uint8 (M * TONES, 4) RGBA; the background is transparent
    gaps      float32 (K, 4)      drawing, x, y, px of blank paper
    plate     uint8 (H, W, 3)     a painted background
    shot      int                 how many of the drawings are the shot's
    """

    plan: Plan
    figure: Figure
    view: View
    layers: Layers
    lines: Lines
    swatch: Tensor
    swatches: Tensor
    materials: tuple[str, ...]
    gaps: Tensor
    plate: np.ndarray
    shot: int

    def colors(self) -> Tensor:
        """The flat paint without lines, uint8 (D, H, W, 4)."""
        return self.swatches[self.swatch]

    def pictures(self) -> Tensor:
        """The paint with the ink over it, as a reference looks, uint8 (D, H, W, 4). Trace lines are painted over, with their soft edges."""
        paint = self.colors()
        traced = (self.lines.paint[..., None, :3] == torch.tensor(TRACE_COLORS, device=paint.device)).all(-1).any(-1)
        alpha = (self.lines.paint[..., 3:].float() / 255) * ~traced[..., None]
        rgb = paint[..., :3] * (1 - alpha) + self.lines.paint[..., :3] * alpha
        opaque = torch.maximum(paint[..., 3:].float(), alpha * 255)
        rgb = torch.where(paint[..., 3:] == 0, self.lines.paint[..., :3].float(), rgb)
        return torch.cat([rgb, opaque], 3).round().to(torch.uint8)


def sample(seed: int, plan: Plan, device: torch.device | str = "cpu") -> Sample:
    """Draw a sample. The same seed, plan, and device give the same one."""
    rng = np.random.default_rng([seed, *plan.family.encode()])
    noise = torch.Generator(device).manual_seed(int(rng.integers(1 << 62)))
    actors = [FAMILIES[plan.family](rng) for _ in range(plan.characters)]
    figure, view = _stage(rng, plan, actors)
    figure = figure.to(device)
    view = View(view.matrix.to(device), view.light.to(device), view.unit.to(device), view.size)
    tones = bool(rng.random() < 0.6) if plan.tones is None else plan.tones
    ink_tones = rng.random() < 0.15  # tone borders are inked like any other line

    count = len(view.matrix)
    pen = pens(rng, count, plan.size, plan.damage).to(device)
    color = np.array([rng.integers(0, 50)] * 3) if rng.random() < 0.75 else rng.integers(10, 110, 3)
    colors = torch.tensor(color, dtype=torch.uint8, device=device).expand(count, 3)
    batch = 1 if torch.device(device).type == "cpu" else count  # one drawing stays in a core's cache
    layers, drawn, gaps = [], [], []
    for first in range(0, count, batch):
        rows = slice(first, first + batch)
        part = View(view.matrix[rows], view.light[rows], view.unit[rows], view.size)
        layer = render(figure, part, tones)
        strokes = edges.strokes(figure, part, layer)
        if ink_tones:
            strokes = edges.inked(strokes)
        inked = damage.ink(strokes, pen[rows], noise)
        layers.append(layer)
        drawn.append(lines.draw(inked, pen[rows], plan.size, colors[rows], noise))
        gaps.append(inked.gaps + torch.tensor([first, 0, 0, 0], device=device))
    stacked = Layers(*(torch.cat([getattr(layer, f.name) for layer in layers]) for f in fields(Layers)))
    art = Lines(*(torch.cat([getattr(line, f.name) for line in drawn]) for f in fields(Lines)))

    materials = _materials(rng, figure, actors)
    names = tuple(dict.fromkeys(materials))
    number = torch.tensor([names.index(material) for material in materials], device=device)
    swatches = torch.tensor(palette.swatches(list(names), rng), device=device)
    swatch = number[stacked.part] * palette.TONES + stacked.tone
    return Sample(plan, figure, view, stacked, art, swatch, swatches, names, torch.cat(gaps), plate(rng, plan.size), plan.drawings)


def _materials(rng: Generator, figure: Figure, actors: list[Actor]) -> list[str]:
    """What each part is painted with. Each character has materials of its own, though two may wear the same uniform."""
    materials = ["background"]
    uniform = rng.random() < 0.2
    for number, actor in enumerate(actors):
        materials += [part.material if uniform or not number else f"{part.material} {number}" for part in actor.figure.parts[1:]]
    return materials


def _stage(rng: Generator, plan: Plan, actors: list[Actor]) -> tuple[Figure, View]:
    """Pose all characters in all drawings."""
    close = float(rng.choice([0, 0, 0.2, 0.6, 1.0])) if plan.characters == 1 else 0.0
    light = np.array([rng.uniform(-0.9, 0.9), rng.uniform(-1, -0.5), rng.uniform(0.55, 1.1)])
    pan = rng.uniform(-0.1, 0.1, 2) * (rng.random() < 0.4)
    zoom = rng.uniform(-0.25, 0.3) * (rng.random() < 0.3)
    figure, _ = join([actor.figure for actor in actors])
    matrices, units = [], []
    for place, actor in enumerate(actors):
        motion, turn = _motion(rng, plan, actor)
        cameras = []
        for rows in [slice(0, plan.drawings)] + [slice(row, row + 1) for row in range(plan.drawings, len(turn))]:
            part = only(motion, rows)
            cameras.append(
                staging.frame(
                    rng, actor.figure, part.angles, part.stretch, part.local, turn[rows], plan.size, close if rows.start == 0 else 0.0
                )
            )
        camera = Camera(*(np.concatenate([getattr(c, f.name) for c in cameras]) for f in fields(Camera)))
        camera = _moved(rng, plan, camera, pan, zoom, place)
        matrix = staging.matrices(actor.figure, motion.angles, camera, motion.stretch, motion.local)
        matrices.append(matrix)
        units.append(camera.scale)
    unit = torch.tensor(np.min(units, 0), dtype=torch.float32)
    lights = torch.tensor(light / np.linalg.norm(light), dtype=torch.float32).expand(len(unit), 3)
    return figure, View(torch.cat(matrices, 1), lights, unit, plan.size)


def _motion(rng: Generator, plan: Plan, actor: Actor) -> tuple[Motion, np.ndarray]:
    """The poses of the shot and of the references, and how the figure is turned in them (D, 3)."""
    yaw, tilt = actor.yaw * rng.uniform(-0.8, 0.8), rng.uniform(-0.1, 0.18)
    share = np.linspace(0, 1, plan.drawings)[:, None]
    turn = (
        np.array([[tilt, yaw, 0]])
        + share * np.array([[0, rng.uniform(-0.6, 0.6) * (rng.random() < 0.5), rng.uniform(-0.1, 0.1)]]) * actor.yaw
    )
    if plan.relation in ("far", "scale", "mirror"):
        motion = after(actor.act(rng, 1), actor.act(rng, 1))
    elif plan.relation:
        start = int(rng.integers(0, 10))
        motion = only(actor.act(rng, 12), [start, start + 1])
    else:
        motion = actor.act(rng, plan.drawings)
    if plan.relation == "near":
        turn = turn[:1] + share * rng.uniform(-0.06, 0.06, (1, 3))
    if plan.relation == "view":
        turn[1, 1] = actor.yaw * rng.uniform(-1, 1) + (np.pi * (rng.random() < 0.25) if actor.yaw > 1 else 0)
    for _ in range(plan.references):
        motion = after(motion, actor.act(rng, 1))
        sheet = rng.choice([0.0, 0.5, -0.5, 1.0, -1.0]) + rng.uniform(-0.15, 0.15)
        turn = np.concatenate([turn, [[rng.uniform(-0.05, 0.1), actor.yaw * sheet, 0]]])
    return motion, turn


def _moved(rng: Generator, plan: Plan, camera: Camera, pan: np.ndarray, zoom: float, place: int) -> Camera:
    """The camera's move over the shot, the relation of a pair, and each character's place."""
    count = len(camera.scale)
    middle = np.array(plan.size) / 2
    share = np.concatenate([np.linspace(0, 1, plan.drawings), np.zeros(count - plan.drawings)])
    factor = 1 + zoom * share * (plan.relation != "near")
    mirror = camera.mirror.copy()
    if plan.relation == "scale":
        factor[1] = rng.uniform(0.4, 0.8) if rng.random() < 0.5 else rng.uniform(1.25, 2.5)
    if plan.relation == "mirror":
        mirror[1] = -1
    offset = camera.offset.copy()
    offset[mirror < 0, 0] = plan.size[0] - offset[mirror < 0, 0]
    shift = share[:, None] * pan * plan.size * (0.1 if plan.relation == "near" else 1.0)
    if plan.characters > 1:
        factor *= 0.8
        shift = shift + [(place - (plan.characters - 1) / 2) * plan.size[0] * 0.75 / plan.characters, 0]
    behind = camera.depth - 0.5 * place * max(plan.size)  # who comes later stands behind
    return Camera(camera.turn, camera.scale * factor, middle + (offset - middle) * factor[:, None] + shift, mirror, behind)


def pens(rng: Generator, count: int, size: tuple[int, int], level: float) -> Pen:
    """Pens for drawings in one style; each drawing varies on it. `level` 0..1: how much goes wrong."""
    scale = max(min(size) / 720, 0.6)
    pencil, scanned = rng.random() < 0.25 * (level > 0), rng.random() < 0.3 * (level > 0)
    aliased = rng.random() < 0.3 and not scanned
    style = {
        "width": rng.choice([rng.uniform(1.0, 1.6), rng.uniform(1.4, 2.6), rng.uniform(2.2, 3.6)], p=[0.45, 0.4, 0.15]) * scale,
        "trace": rng.uniform(1.0, 1.5) * scale,
        "taper": rng.uniform(4, 30) * scale * (rng.random() < 0.75),
        "pressure": rng.uniform(0, 0.35),
        "wobble": rng.uniform(0, 1.2) * scale * level,
        "overshoot": rng.uniform(0, 7) * scale * level,
        "gaps": rng.choice([0.0, rng.uniform(2, 10), rng.uniform(8, 30)]) * level,
        "gap_low": 1.0,
        "gap_high": rng.uniform(2, 12),
        "doubles": rng.uniform(0, 0.2) * level * (rng.random() < 0.4),
        "grain": rng.uniform(0.2, 0.9) * level * pencil,
        "noise": rng.uniform(0.2, 1.0) * level * scanned,
        "smooth": float(not aliased),
    }
    columns = {}
    for name, value in style.items():
        vary = 1 if name in ("gap_low", "smooth") else rng.uniform(0.85, 1.15, count)
        columns[name] = torch.tensor(np.broadcast_to(value * vary, count).copy(), dtype=torch.float32)
    columns["gap_high"].clamp_(max=12)
    columns["width"].clamp_(min=1)
    columns["trace"].clamp_(min=1)
    return Pen(**columns)


def plate(rng: Generator, size: tuple[int, int]) -> np.ndarray:
    """A painted background: sky, hills, and soft shapes, uint8 (H, W, 3)."""
    width, height = (max(side // 4, 2) for side in size)  # soft as it is, it is drawn small
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    top, low = rng.uniform(60, 250, (2, 3))
    image = top + (low - top) * y[..., None]
    for depth in range(int(rng.integers(1, 5))):
        ridge = rng.uniform(0.3, 0.8) + 0.08 * np.sin(x * rng.uniform(3, 12) + rng.uniform(0, 6)) + 0.04 * np.sin(x * rng.uniform(15, 40))
        soft = 1 / (1 + np.exp(-(y - ridge) * rng.choice([40, 400])))
        image = image + (rng.uniform(30, 220, 3) * (1 - 0.1 * depth) - image) * soft[..., None] * rng.uniform(0.6, 1)
    for _ in range(int(rng.integers(0, 8))):
        blob = np.exp(-(((x - rng.random()) / rng.uniform(0.05, 0.3)) ** 2) - ((y - rng.random()) / rng.uniform(0.05, 0.2)) ** 2)
        image = image + (rng.uniform(60, 255, 3) - image) * blob[..., None] * rng.uniform(0.2, 0.8)
    image = cv2.resize(image.clip(0, 255), size, interpolation=cv2.INTER_CUBIC)
    return np.clip(image + rng.normal(0, 2, (64, 64, 1))[np.arange(size[1]) % 64][:, np.arange(size[0]) % 64], 0, 255).astype(np.uint8)
