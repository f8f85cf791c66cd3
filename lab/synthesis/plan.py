"""Plans, and the scenes made from them: everything that is decided before drawing."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from . import damage, palette, staging
from .batch import FigureView
from .damage import Pen
from .figure import ToonFigure, join_figures
from .plate import paint_plate
from .scenes import FAMILIES, Actor, ToonMotion, join_motions, select_drawings
from .staging import ToonCamera

RELATIONS = ("near", "far", "view", "scale", "mirror")


@dataclass(frozen=True)
class ToonPlan:
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
class ToonScene:
    """Figures posed in front of a camera, and how they are drawn and painted. On the CPU; D drawings.

    tones      whether there are shadows and highlights
    inked      whether their borders are ink like any other line, and no trace lines
    ink        uint8 (D, 3)  color of the lines
    material   int64 (parts,) number of each part's material
    """

    plan: ToonPlan
    figure: ToonFigure
    view: FigureView
    pen: Pen
    tones: bool
    inked: bool
    ink: Tensor
    materials: tuple[str, ...]
    material: Tensor
    swatches: Tensor
    plate: np.ndarray

    def select_references(self) -> "ToonScene":
        """The scene without the drawings of its shot."""
        rows = slice(self.plan.drawings, None)
        return replace(self, plan=replace(self.plan, drawings=0), view=self.view[rows], pen=self.pen[rows], ink=self.ink[rows])


def stage_scene(seed: int, plan: ToonPlan) -> ToonScene:
    """Decide a scene. The same seed and plan give the same one."""
    rng = np.random.default_rng([seed, *plan.family.encode()])
    actors = [FAMILIES[plan.family](rng) for _ in range(plan.characters)]
    figure, view = _pose_actors(rng, plan, actors)
    tones = bool(rng.random() < 0.6) if plan.tones is None else plan.tones
    inked = rng.random() < 0.15
    count = len(view.matrix)
    pen = damage.choose_pens(rng, count, plan.size, plan.damage)
    color = np.array([rng.integers(0, 50)] * 3) if rng.random() < 0.75 else rng.integers(10, 110, 3)
    worn = _assign_materials(rng, figure, actors)
    names = tuple(dict.fromkeys(worn))
    return ToonScene(
        plan=plan,
        figure=figure,
        view=view,
        pen=pen,
        tones=tones,
        inked=inked,
        ink=torch.tensor(color, dtype=torch.uint8).expand(count, 3),
        materials=names,
        material=torch.tensor([names.index(material) for material in worn]),
        swatches=torch.tensor(palette.pick_swatches(list(names), rng)),
        plate=paint_plate(rng, plan.size),
    )


def _assign_materials(rng: Generator, figure: ToonFigure, actors: list[Actor]) -> list[str]:
    """The material of each part. Each character has materials of its own, but two may have the same uniform."""
    materials = ["background"]
    uniform = rng.random() < 0.2
    for number, actor in enumerate(actors):
        materials += [part.material if uniform or not number else f"{part.material} {number}" for part in actor.figure.parts[1:]]
    return materials


def _pose_actors(rng: Generator, plan: ToonPlan, actors: list[Actor]) -> tuple[ToonFigure, FigureView]:
    """Pose all characters in all drawings."""
    close = float(rng.choice([0, 0, 0.2, 0.6, 1.0])) if plan.characters == 1 else 0.0
    light = np.array([rng.uniform(-0.9, 0.9), rng.uniform(-1, -0.5), rng.uniform(0.55, 1.1)])
    pan = rng.uniform(-0.1, 0.1, 2) * (rng.random() < 0.4)
    zoom = rng.uniform(-0.25, 0.3) * (rng.random() < 0.3)
    figure, _ = join_figures([actor.figure for actor in actors])
    matrices, units, moods, marks = [], [], [], []
    for place, actor in enumerate(actors):
        motion, turn = _plan_motion(rng, plan, actor)
        cameras = []
        for rows in [slice(0, plan.drawings)] + [slice(row, row + 1) for row in range(plan.drawings, len(turn))]:
            part = select_drawings(motion, rows)
            cameras.append(
                staging.frame_figure(
                    rng, actor.figure, part.angles, part.stretch, part.local, turn[rows], plan.size, close if rows.start == 0 else 0.0
                )
            )
        camera = ToonCamera(*(np.concatenate([getattr(c, f.name) for c in cameras]) for f in fields(ToonCamera)))
        camera = _move_camera(rng, plan, camera, pan, zoom, place)
        matrix = staging.compute_matrices(actor.figure, motion.angles, camera, motion.stretch, motion.local)
        matrices.append(matrix)
        marks.append(staging.project_marks(actor.figure, motion.angles, camera, motion.stretch))
        units.append(camera.scale)
        moods.append(motion.mood)
    unit = torch.tensor(np.min(units, 0), dtype=torch.float32)
    lights = torch.tensor(light / np.linalg.norm(light), dtype=torch.float32).expand(len(unit), 3)
    mood = torch.tensor(np.concatenate(moods, 1))
    return figure, FigureView(torch.cat(matrices, 1), lights, unit, mood, torch.cat(marks, 1), plan.size)


def _plan_motion(rng: Generator, plan: ToonPlan, actor: Actor) -> tuple[ToonMotion, np.ndarray]:
    """The poses of the shot and of the references, and how the figure is turned in them (D, 3)."""
    yaw, tilt = actor.yaw * rng.uniform(-0.8, 0.8), rng.uniform(-0.1, 0.18)
    share = np.linspace(0, 1, plan.drawings)[:, None]
    turn = (
        np.array([[tilt, yaw, 0]])
        + share * np.array([[0, rng.uniform(-0.6, 0.6) * (rng.random() < 0.5), rng.uniform(-0.1, 0.1)]]) * actor.yaw
    )
    if plan.relation in ("far", "scale", "mirror"):
        motion = join_motions(actor.act(rng, 1), actor.act(rng, 1))
    elif plan.relation:
        start = int(rng.integers(0, 10))
        motion = select_drawings(actor.act(rng, 12), [start, start + 1])
    else:
        motion = actor.act(rng, plan.drawings)
    if plan.relation == "near":
        turn = turn[:1] + share * rng.uniform(-0.06, 0.06, (1, 3))
    if plan.relation == "view":
        turn[1, 1] = actor.yaw * rng.uniform(-1, 1) + (np.pi * (rng.random() < 0.25) if actor.yaw > 1 else 0)
    for _ in range(plan.references):
        motion = join_motions(motion, actor.act(rng, 1))
        sheet = rng.choice([0.0, 0.5, -0.5, 1.0, -1.0]) + rng.uniform(-0.15, 0.15)
        turn = np.concatenate([turn, [[rng.uniform(-0.05, 0.1), actor.yaw * sheet, 0]]])
    return motion, turn


def _move_camera(rng: Generator, plan: ToonPlan, camera: ToonCamera, pan: np.ndarray, zoom: float, place: int) -> ToonCamera:
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
    behind = camera.depth - 0.5 * place * max(plan.size)  # later characters are behind
    return ToonCamera(camera.turn, camera.scale * factor, middle + (offset - middle) * factor[:, None] + shift, mirror, behind)
