"""Shared parts of paper puppets: faces, limbs, ears."""

import numpy as np
from numpy.random import Generator

from .builder import FigureBuilder
from .figure import FLAT, HIGHLIGHT
from .outlines import make_almond, make_polygon, make_squircle
from .ribbons import RibbonCutter

LAYER = 0.12  # units between layers: more than the step in depth that is drawn


def add_face(c: RibbonCutter, rng: Generator, prims: list[int], wide: float, high: float, center: tuple[float, float], skin: str) -> None:
    """Eyes, mouth and cheeks on a head; `wide`, `high` are half its size."""
    b = c.builder
    x0, y0 = center
    apart, level = rng.uniform(0.34, 0.52) * wide, y0 - rng.uniform(0.0, 0.25) * high
    eye = np.array([rng.uniform(0.13, 0.24) * wide, rng.uniform(0.16, 0.3) * high])
    kind = rng.choice(["big", "big", "dot", "almond", "half"])
    aside = rng.uniform(-0.25, 0.25)
    t = np.linspace(-1, 1, 13)
    b.mark_flat_shape("nose", prims[0], x0, level - 0.25 * high)
    for side, name in ((-1, "R"), (1, "L")):
        b.mark_flat_shape(f"eye.{name}", prims[0], x0 + side * apart, level)
        b.mark_flat_shape(f"ear.{name}", prims[0], x0 + side * wide, level - 0.1 * high)
    opened, shut = b.add_feature(2)
    for side, name in ((-1, "left"), (1, "right")):
        at = np.array([x0 + side * apart, level])
        with b.limit_to_mood(shut):
            c.draw_line(prims, np.stack([at[0] + t * eye[0], at[1] - 0.4 * eye[1] * (1 - t * t)], 1))
        with b.limit_to_mood(opened):
            _add_eye(b, rng, prims, kind, name, at, eye, aside, side)
    mouth = level - rng.uniform(0.32, 0.5) * high
    for mood in b.add_feature(3):
        with b.limit_to_mood(mood):
            _add_mouth(c, rng, prims, x0, mouth, rng.uniform(0.12, 0.3) * wide)
    if rng.random() < 0.6:
        nose = level - 0.25 * high
        c.draw_line(prims, np.stack([x0 + t * 0.07 * wide, nose - 0.05 * wide * (1 - t * t)], 1))
    if rng.random() < 0.5:
        for side in (-1, 1):
            b.add_decal(
                prims,
                b.add_part("cheek", "blush", FLAT, HIGHLIGHT),
                (x0 + side * apart * 1.25, level - 0.3 * high),
                (0.14 * wide, 0.08 * wide),
            )
    for side in (-1, 1):
        if rng.random() < 0.7:
            brow = level + eye[1] * 1.45 + rng.uniform(-0.03, 0.05)
            c.draw_line(prims, np.stack([x0 + side * apart + t * 0.18 * wide, brow + 0.05 * wide * (1 - t * t)], 1))


def _add_eye(
    b: FigureBuilder, rng: Generator, prims: list[int], kind: str, name: str, at: np.ndarray, size: np.ndarray, aside: float, side: int
) -> None:
    if kind == "dot":
        b.add_decal(prims, b.add_part(f"{name} eye", "pupil", FLAT), at, size * 0.5)
        b.add_decal(prims, b.add_part(f"{name} glint", "glint", FLAT), at + size * (-0.12, 0.18), size * 0.16)
        return
    outline = (
        make_squircle(2.2)
        if kind == "big"
        else make_almond(0.8, 0.8, side * 0.1)
        if kind == "almond"
        else make_polygon(make_half_outline())
    )
    white = b.add_decal(prims, b.add_part(f"{name} white", "white", FLAT), at, size, outline)
    iris = size.min() * rng.uniform(0.6, 0.75)
    gaze = at + (aside * size[0], 0)
    b.add_decal(prims, b.add_part(f"{name} iris", "iris", FLAT), gaze, (iris, iris * 1.1), within=white)
    b.add_decal(prims, b.add_part(f"{name} pupil", "pupil", FLAT), gaze, (iris * 0.5, iris * 0.55), within=white)
    b.add_decal(
        prims, b.add_part(f"{name} glint", "glint", FLAT), gaze + (-iris * 0.35, iris * 0.4), (iris * 0.27, iris * 0.27), within=white
    )


def _add_mouth(c: RibbonCutter, rng: Generator, prims: list[int], x: float, y: float, size: float) -> None:
    t = np.linspace(-1, 1, 13)
    if rng.random() < 0.5:
        c.draw_line(prims, np.stack([x + t * size, y - 0.35 * size * (1 - t * t) * rng.choice([1, 1, -0.6])], 1))
    else:
        hole = c.builder.add_decal(prims, c.builder.add_part("mouth", "mouth", FLAT), (x, y), (size, size * 0.7), make_almond(1.0, 0.25))
        c.builder.add_decal(
            prims, c.builder.add_part("tongue", "tongue", FLAT), (x, y - 0.6 * size), (size * 0.6, size * 0.35), within=hole
        )


def make_half_outline() -> list[tuple[float, float]]:
    turn = np.linspace(np.pi * 1.08, np.pi * 1.92, 12)
    return [(float(np.cos(a)), float(np.sin(a))) for a in turn] + [(1.0, 0.25), (-1.0, 0.25)]


def add_limb(
    c: RibbonCutter, rng: Generator, parent: int, at, angle: float, lengths, widths, parts, z: float, swing: float, bow: float
) -> int:
    """Two bones and the shapes on them; returns the joint at the end."""
    upper = c.builder.add_joint(parent, (*at, 0), (0, 0, angle), (0, 0, swing))
    lower = c.builder.add_joint(upper, (0, -lengths[0], 0), (0, 0, bow), (0, 0, swing))
    end = c.builder.add_joint(lower, (0, -lengths[1], 0), swing=(0, 0, swing * 0.6))
    w0, w1, w2 = widths
    c.cut_ribbon(
        lower, [(0, 0.5 * w1), (0, 0), (0, -lengths[1] * 0.6), (0, -lengths[1])], [w1 * 0.7, w1, (w1 + w2) / 2, w2], parts[1], z, 0.06
    )
    c.cut_ribbon(
        upper,
        [(0, 0.6 * w0), (0, 0), (0, -lengths[0] * 0.6), (0, -lengths[0] - 0.3 * w1)],
        [w0 * 0.55, w0, (w0 + w1) / 2, w1 * 0.9],
        parts[0],
        z + 0.4 * LAYER,
        0.06,
    )
    return end


def add_animal_ears(c: RibbonCutter, rng: Generator, head: int, wide: float, high: float) -> None:
    b = c.builder
    kind = rng.choice(["long", "round", "pointed"])
    fur = b.add_part("ears", "skin")
    length = {"long": rng.uniform(1.0, 1.8), "round": 0.5, "pointed": 0.8}[kind] * high
    for side in (-1, 1):
        ear = b.add_joint(head, (side * wide * 0.6, high * 1.6, 0), (0, 0, -side * rng.uniform(0.1, 0.6)), (0, 0, 0.25))
        if kind == "round":
            prims = c.cut_blob(ear, (0, 0.1), (0.36 * wide, 0.36 * wide), fur, -0.6 * LAYER)
            b.add_decal(prims, b.add_part("inner ear", "blush"), (0, 0.1), (0.2 * wide, 0.2 * wide))
        else:
            end = 0.0 if kind == "pointed" else 0.12
            prims = c.cut_ribbon(
                ear,
                [(0, -0.2), (0, 0.3 * length), (0, 0.7 * length), (0, length)],
                np.array([0.3, 0.32, 0.24, end]) * wide,
                fur,
                -0.6 * LAYER,
                0.25,
            )
            b.add_decal(
                prims,
                b.add_part("inner ear", "blush"),
                (0, 0.45 * length),
                (0.15 * wide, 0.33 * length),
                make_almond(1, 1) if kind == "long" else make_squircle(2),
            )
