"""The families of toon worlds: who can be on the stage."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from .creature import creature
from .dolls import puppet
from .figure import Figure
from .person import person
from .prop import prop
from .staging import moods, moves


@dataclass(frozen=True)
class Motion:
    """What a figure does, one row for each drawing: joint angles, how it is squashed, which moods it is in, and where flat figures have
    their primitives."""

    angles: np.ndarray  # float32 (D, J, 3)
    stretch: np.ndarray  # float32 (D, 3)
    mood: np.ndarray  # bool (D, M)
    local: Tensor | None  # float32 (D, P, 4, 4), or the figure's own


@dataclass(frozen=True)
class Actor:
    """A figure, how it moves: `act(generator, drawings)`, and how far it can be turned from the front, radians."""

    figure: Figure
    act: Callable[[Generator, int], Motion]
    yaw: float


def solid(rng: Generator) -> Actor:
    """A person, a creature or a prop of solid bodies."""
    figure = (person, creature, prop)[int(rng.choice(3, p=[0.68, 0.2, 0.12]))](rng)

    def act(rng: Generator, count: int) -> Motion:
        return Motion(moves(rng, figure, count), np.ones((count, 3), np.float32), moods(rng, figure, count), None)

    return Actor(figure, act, 1.2)


def flat(rng: Generator) -> Actor:
    """A puppet of flat shapes, which squashes, stretches and boils."""
    doll = puppet(rng)

    def act(rng: Generator, count: int) -> Motion:
        angles = moves(rng, doll.figure, count)
        time = np.arange(count)
        squash = 1 + rng.uniform(0, 0.1) * np.sin(time * rng.uniform(0.3, 0.9) + rng.uniform(0, 6.3))
        stretch = np.stack([1 / squash, squash, np.ones(count)], 1).astype(np.float32)
        return Motion(angles, stretch, moods(rng, doll.figure, count), doll.bend(rng, count))

    return Actor(doll.figure, act, 0.5)


FAMILIES: dict[str, Callable[[Generator], Actor]] = {"solid": solid, "puppet": flat}


def after(first: Motion, second: Motion) -> Motion:
    """One motion, then another."""
    local = None if first.local is None or second.local is None else torch.cat([first.local, second.local])
    angles, stretch, mood = (np.concatenate([getattr(first, name), getattr(second, name)]) for name in ("angles", "stretch", "mood"))
    return Motion(angles, stretch, mood, local)


def only(motion: Motion, rows: slice | list[int]) -> Motion:
    """Some drawings of a motion."""
    local = None if motion.local is None else motion.local[rows]
    return Motion(motion.angles[rows], motion.stretch[rows], motion.mood[rows], local)
