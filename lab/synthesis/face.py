"""Faces: eyes, brows, nose, mouth, ears, and glasses. In units of the skull's radius, on a head that faces +z."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from .builder import FigureBuilder
from .figure import FLAT, HIGHLIGHT, INK, SHADED, SHADOW
from .outlines import make_almond, make_squircle, make_star


@dataclass(frozen=True)
class HeadMeasures:
    """Where a face goes: its joint, the round cone from skull to chin, and measures."""

    joint: int
    prim: int
    chin: float  # where the chin is below the skull's center
    skin: int  # part


def add_head(b: FigureBuilder, rng: Generator, joint: int, cartoon: float) -> HeadMeasures:
    """A skull and a chin. `cartoon` 0..1: rounder."""
    skin = b.add_part("face", "skin", FLAT if rng.random() < 0.4 else SHADED)
    chin = rng.uniform(0.62, 0.92) - 0.25 * cartoon
    radius = rng.uniform(0.16, 0.34) + 0.3 * cartoon
    prim = b.add_cone(joint, (0, 0, 0), (0, -chin, rng.uniform(0.2, 0.34) - 0.1 * cartoon), 1.0, radius, skin)
    return HeadMeasures(joint, prim, chin + radius, skin)


def _draw_line(b: FigureBuilder, prim: int, x: np.ndarray, z: np.ndarray, kind: int = INK) -> None:
    b.add_curve(prim, b.find_surface_points(prim, np.stack([x, z], 1)), kind)


def add_face(b: FigureBuilder, rng: Generator, head: HeadMeasures, cartoon: float) -> None:
    """Add all parts of a face."""
    low = rng.uniform(0.2, 0.34)
    apart = rng.uniform(0.36, 0.46)
    style = rng.choice(["anime", "anime", "anime", "round", "button"] if cartoon < 0.5 else ["anime", "round", "round", "button"])
    _add_eyes(b, rng, head, style, apart, low)
    _add_brows(b, rng, head, apart, low - rng.uniform(0.36, 0.48))
    depth = (head.chin - low) * rng.uniform(0.42, 0.52) + low
    nose = rng.integers(4)
    if nose == 0:
        _draw_line(b, head.prim, np.array([0.0, 0.035, 0.05]), depth + np.array([-0.07, 0.0, 0.03]))
    elif nose == 1:
        _draw_line(b, head.prim, np.linspace(-0.05, 0.05, 5), depth + 0.02 - 8 * np.linspace(-0.05, 0.05, 5) ** 2)
    elif nose == 2 and cartoon > 0.4:
        b.add_ball(head.joint, (0, -depth, 0.86 - 0.1 * cartoon), rng.uniform(0.09, 0.18), head.skin)
    b.mark_solid("nose", head.prim, 0.0, depth)
    for side, name in ((-1, "R"), (1, "L")):
        b.mark_solid(f"eye.{name}", head.prim, side * apart, low)
        b.mark_joint(f"ear.{name}", head.joint, (side * 0.95, -0.32, 0.0))
    _add_mouth(b, rng, head, depth + (head.chin - depth) * rng.uniform(0.36, 0.48))
    if rng.random() < 0.4:
        blush = b.add_part("blush", "blush", FLAT, HIGHLIGHT)
        for side in (-1, 1):
            if rng.random() < 0.5 or cartoon > 0.5:
                b.add_decal(head.prim, blush, (side * apart * 1.2, low + 0.33), (0.13, 0.065))
            else:
                for k in range(3):
                    x = side * apart * 1.15 + (k - 1) * 0.07
                    _draw_line(b, head.prim, np.array([x + 0.02, x - 0.02]), low + 0.33 + np.array([-0.045, 0.045]), HIGHLIGHT)


def _add_eyes(b: FigureBuilder, rng: Generator, head: HeadMeasures, style: str, apart: float, low: float) -> None:
    """Add eyes that can be shut. Big ones can look aside too."""
    wide, high = rng.uniform(0.2, 0.27), rng.uniform(0.2, 0.33)
    sleepy = style != "button" and rng.random() < 0.07
    moods = b.add_feature(2 if style == "button" else 3)
    tall = rng.uniform(0.1, 0.16)
    eye = _EyeDesign(rng, style, wide, high)
    bend = rng.choice([0.08, 0.08, -0.07])  # shut lids hang, or arch as in laughing
    x = np.linspace(-1, 1, 13)
    for side in (-1, 1):
        at = np.array([side * apart, low])
        if sleepy:
            _draw_line(b, head.prim, at[0] + x * wide, at[1] + 0.05 + 0.08 * (1 - x * x))
            continue
        with b.limit_to_mood(moods[1]):
            reach = wide if style != "button" else 0.13
            _draw_line(b, head.prim, at[0] + x * reach, at[1] + 0.05 + bend * (1 - x * x))
        with b.limit_to_mood(moods[0]):
            if style == "button":
                name = "left" if side < 0 else "right"
                b.add_decal(head.prim, b.add_part(f"{name} eye", "pupil", FLAT), at, (0.1, tall))
                b.add_decal(head.prim, b.add_part(f"{name} glint", "glint", FLAT), at + (-0.03, -0.05), (0.035, 0.04))
            else:
                eye.draw_eye(b, head, side, at, 0.0)
        if style != "button":
            with b.limit_to_mood(moods[2]):
                eye.draw_eye(b, head, side, at, eye.aside)


class _EyeDesign:
    """An eye with a white, as a face has it twice."""

    def __init__(self, rng: Generator, style: str, wide: float, high: float) -> None:
        slant, lower = rng.uniform(-0.12, 0.2), rng.uniform(0.55, 0.9)
        self.outline = make_almond(1.0, lower, slant) if style == "anime" else make_squircle(rng.uniform(2, 2.6))
        self.lashes = style == "anime"
        self.wide, self.high = wide, high
        self.odd = rng.random() < 0.12
        self.gaze = rng.uniform(-0.04, 0.04)
        self.iris = np.array([rng.uniform(0.6, 0.74) * wide, rng.uniform(0.84, 1.05) * high])
        if style == "round":
            self.iris[:] = min(wide, high) * rng.uniform(0.45, 0.75)
        self.aside = rng.choice([-1, 1]) * rng.uniform(0.25, 0.4) * wide
        self.lid, self.lash_line = rng.uniform(0.03, 0.06), rng.random() < 0.6
        self.two_toned, self.ringed, self.glints = rng.random() < 0.7, rng.random() < 0.3, rng.integers(1, 3)

    def draw_eye(self, b: FigureBuilder, head: HeadMeasures, side: int, at: np.ndarray, aside: float) -> None:
        """One eye; `aside`: how far it looks to the side."""
        name, size = "left" if side < 0 else "right", np.array([self.wide, self.high])
        outline = self.outline if side > 0 else np.roll(self.outline[::-1], len(self.outline) // 2 + 1)
        if self.lashes:
            b.add_decal(head.prim, b.add_part(f"{name} lash", "lash", FLAT), at + (0.012 * side, -self.lid), size * (1.1, 1.04), outline)
        white = b.add_decal(head.prim, b.add_part(f"{name} white", "white", FLAT), at, size, outline)
        material = "other iris" if self.odd and side > 0 else "iris"
        center = at + (self.gaze + aside - side * 0.02, 0.02 * self.high)

        def add_inner_decal(what: str, material: str, shift: tuple[float, float], scale: tuple[float, float], edge: int = INK) -> None:
            b.add_decal(
                head.prim, b.add_part(f"{name} {what}", material, FLAT, edge), center + self.iris * shift, self.iris * scale, within=white
            )

        add_inner_decal("iris", material, (0, 0), (1, 1))
        if self.two_toned:
            add_inner_decal("iris light", material + " light", (0, 0.38), (0.74, 0.56), SHADOW)
        if self.ringed:
            add_inner_decal("inner iris", material + " light", (0, 0), (0.65, 0.65))
        add_inner_decal("pupil", "pupil", (0, 0), (0.36, 0.4))
        add_inner_decal("glint", "glint", (-0.4, -0.42), (0.3, 0.27))
        if self.glints > 1:
            add_inner_decal("glint", "glint", (0.4, 0.42), (0.16, 0.14))
        if self.lash_line and self.lashes:
            x = np.linspace(-1, 1, 13)
            _draw_line(b, head.prim, at[0] + 0.85 * x * self.wide, at[1] - self.lid - self.high * (1.22 - 0.3 * np.abs(x) ** 2))


def _add_brows(b: FigureBuilder, rng: Generator, head: HeadMeasures, apart: float, height: float) -> None:
    kind, tilt, length = rng.integers(3), rng.uniform(-0.3, 0.25), rng.uniform(0.17, 0.25)
    x = np.linspace(-1, 1, 11)
    for side, name in ((-1, "left"), (1, "right")):
        if kind == 0:
            brow = b.add_part(f"{name} brow", "brow", FLAT)
            b.add_decal(head.prim, brow, (side * apart, height), (length, rng.uniform(0.035, 0.06)), make_squircle(2.5), angle=side * tilt)
        else:
            _draw_line(b, head.prim, side * (apart + x * length), height - 0.05 * (1 - x * x) + tilt * x * length)


def _add_mouth(b: FigureBuilder, rng: Generator, head: HeadMeasures, height: float) -> None:
    """Add a mouth, and two shapes for speaking."""
    wide = rng.uniform(0.08, 0.2)
    for mood in b.add_feature(3):
        with b.limit_to_mood(mood):
            _add_lips(b, rng, head, height, wide * rng.uniform(0.8, 1.2))


def _add_lips(b: FigureBuilder, rng: Generator, head: HeadMeasures, height: float, wide: float) -> None:
    x = np.linspace(-1, 1, 11)
    kind = rng.integers(6)
    if kind <= 2:  # closed: a smile, a line, a pout
        bend = (0.05, 0.01, -0.03)[kind]
        _draw_line(b, head.prim, x * wide, height + bend * (1 - x * x))
    elif kind == 3:  # a cat's mouth
        _draw_line(b, head.prim, x * wide, height + 0.04 * np.abs(np.sin(x * np.pi)))
    else:
        high = rng.uniform(0.06, 0.14)
        outline = make_almond(0.35, 1.0) if kind == 4 else make_squircle(2.2)
        mouth = b.add_decal(head.prim, b.add_part("mouth", "mouth", FLAT), (0, height), (wide, high), outline)
        if rng.random() < 0.6:
            b.add_decal(head.prim, b.add_part("tongue", "tongue", FLAT), (0, height + 0.8 * high), (wide * 0.6, high * 0.55), within=mouth)
        if rng.random() < 0.5:
            b.add_decal(
                head.prim, b.add_part("teeth", "glint", FLAT), (0, height - 0.45 * high), (wide, high * 0.3), make_squircle(6), within=mouth
            )


def add_ears(b: FigureBuilder, rng: Generator, head: HeadMeasures) -> None:
    """Ears of people, elves or beasts."""
    kind = rng.choice(["human", "human", "human", "elf", "cat", "rabbit", "bear", "none"])
    if kind in ("human", "elf", "bear"):
        for side in (-1, 1):
            if kind == "human":
                prim = b.add_ball(head.joint, (side * 0.97, -0.32, -0.02), (0.1, 0.24, 0.17), head.skin, (0, side * 0.5, side * 0.15))
                x = np.linspace(-0.5, 0.6, 9)
                b.add_curve(prim, b.find_surface_points(prim, np.stack([side * (0.1 + 0.5 * np.cos(x * 2)), x], 1)))
            elif kind == "elf":
                b.add_tube(
                    head.joint,
                    [(side * 0.9, -0.32, 0), (side * 1.25, -0.18, -0.1), (side * 1.75, 0.05, -0.25)],
                    (0.2, 0.15, 0.02),
                    head.skin,
                    0.45,
                )
            else:
                fur = b.add_part(f"ear {side}", "hair")
                prim = b.add_ball(head.joint, (side * 0.85, 0.85, -0.05), (0.36, 0.36, 0.16), fur)
                b.add_decal(prim, b.add_part("inner ear", "blush"), (0, 0), (0.6, 0.6))
        return
    if kind == "cat":
        tall = rng.uniform(0.5, 0.85)
        for side in (-1, 1):
            fur = b.add_part(f"ear {side}", "hair")
            prim = b.add_cone(head.joint, (side * 0.6, 0.75, 0), (side * (0.75 + 0.1 * tall), 0.95 + tall, 0), 0.34, 0.03, fur, flat=0.4)
            b.add_decal(prim, b.add_part("inner ear", "blush"), (0, 0.32 * tall), (0.2, 0.4 * tall), make_star(3, 0.4, np.pi / 2))
    elif kind == "rabbit":
        for side in (-1, 1):
            fur = b.add_part(f"ear {side}", "ear")
            sway = b.add_joint(head.joint, (side * 0.4, 0.85, 0), (0, 0, -side * rng.uniform(0.05, 0.4)), (0.3, 0.1, 0.25))
            tip = b.add_joint(sway, (0, 0.8, 0), (rng.uniform(0, 0.6), 0, 0), (0.3, 0, 0.3))
            lower = b.add_cone(sway, (0, 0, 0), (0, 0.8, 0), 0.2, 0.26, fur, flat=0.45)
            upper = b.add_cone(tip, (0, 0, 0), (0, 0.7, 0), 0.26, 0.1, fur, flat=0.45)
            b.add_decal(lower, b.add_part("inner ear", "blush"), (0, 0.45), (0.13, 0.4))
            b.add_decal(upper, b.add_part("inner ear", "blush"), (0, 0.2), (0.13, 0.45))


def add_glasses(b: FigureBuilder, rng: Generator, head: HeadMeasures, low: float = 0.27) -> None:
    """Rims of thin tubes: what they enclose is face."""
    rim = b.add_part("glasses", "metal", FLAT)
    wide, high = rng.uniform(0.28, 0.34), rng.uniform(0.22, 0.32)
    power = rng.choice([2.0, 3.5])
    turn = np.linspace(0, 2 * np.pi, 17)
    for side in (-1, 1):
        x = side * 0.42 + wide * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** (2 / power)
        y = -low + high * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** (2 / power)
        b.add_tube(head.joint, np.stack([x, y, 1.12 - 0.25 * (x / 0.9) ** 2], 1), [0.03] * len(turn), rim)
        b.add_cone(head.joint, (side * (0.42 + wide), -low, 0.92), (side * 0.98, -low + 0.05, 0.0), 0.03, 0.03, rim)
    b.add_cone(head.joint, (-0.12, -low, 1.12), (0.12, -low, 1.12), 0.03, 0.03, rim)
