"""The families of toon worlds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from .creature import build_creature
from .dolls import build_puppet
from .figure import ToonFigure
from .person import build_person
from .prop import build_prop
from .staging import draw_moods, draw_moves


@dataclass(frozen=True)
class ToonMotion:
    """What a figure does, one row for each drawing: joint angles, how it is squashed, which moods it is in, and where flat figures have
    their primitives."""

    angles: np.ndarray  # float32 (D, J, 3)
    stretch: np.ndarray  # float32 (D, 3)
    mood: np.ndarray  # bool (D, M)
    local: Tensor | None  # float32 (D, P, 4, 4), or the figure's own


@dataclass(frozen=True)
class Actor:
    """A figure, how it moves: `act(generator, drawings)`, and how far it can be turned from the front, radians."""

    figure: ToonFigure
    act: Callable[[Generator, int], ToonMotion]
    yaw: float


def cast_solid_actor(rng: Generator) -> Actor:
    """A person, a creature or a prop of solid bodies."""
    figure = (build_person, build_creature, build_prop)[int(rng.choice(3, p=[0.68, 0.2, 0.12]))](rng)

    def draw_motion(rng: Generator, count: int) -> ToonMotion:
        return ToonMotion(draw_moves(rng, figure, count), np.ones((count, 3), np.float32), draw_moods(rng, figure, count), None)

    return Actor(figure, draw_motion, 1.2)


def cast_puppet_actor(rng: Generator) -> Actor:
    """A puppet of flat shapes, which squashes, stretches and boils."""
    doll = build_puppet(rng)

    def draw_motion(rng: Generator, count: int) -> ToonMotion:
        angles = draw_moves(rng, doll.figure, count)
        time = np.arange(count)
        squash = 1 + rng.uniform(0, 0.1) * np.sin(time * rng.uniform(0.3, 0.9) + rng.uniform(0, 6.3))
        stretch = np.stack([1 / squash, squash, np.ones(count)], 1).astype(np.float32)
        return ToonMotion(angles, stretch, draw_moods(rng, doll.figure, count), doll.bend_ribbons(rng, count))

    return Actor(doll.figure, draw_motion, 0.5)


FAMILIES: dict[str, Callable[[Generator], Actor]] = {"solid": cast_solid_actor, "puppet": cast_puppet_actor}


def join_motions(first: ToonMotion, second: ToonMotion) -> ToonMotion:
    """One motion, then another."""
    local = None if first.local is None or second.local is None else torch.cat([first.local, second.local])
    angles, stretch, mood = (np.concatenate([getattr(first, name), getattr(second, name)]) for name in ("angles", "stretch", "mood"))
    return ToonMotion(angles, stretch, mood, local)


def select_drawings(motion: ToonMotion, rows: slice | list[int]) -> ToonMotion:
    """Some drawings of a motion."""
    local = None if motion.local is None else motion.local[rows]
    return ToonMotion(motion.angles[rows], motion.stretch[rows], motion.mood[rows], local)
