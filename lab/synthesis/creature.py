"""Creatures: four-legged beasts, dragons, robots, slimes and ghosts, birds."""

import numpy as np
from numpy.random import Generator

from .builder import FigureBuilder
from .face import HeadMeasures, add_face
from .figure import FLAT, SHINY, ToonFigure
from .outlines import make_almond, make_squircle


def build_creature(rng: Generator) -> ToonFigure:
    """Build a random creature."""
    return (_build_beast, _build_robot, _build_slime)[int(rng.choice(3, p=[0.55, 0.22, 0.23]))](rng)


def _add_eyes(b: FigureBuilder, rng: Generator, prim: int, apart: float, level: float, size: float, up: float = 1.0) -> None:
    """Eyes on a body whose chart has z up (1) or down (-1)."""
    kind = rng.choice(["round", "dot", "almond"])
    opened, shut = b.add_feature(2)
    x = np.linspace(-1, 1, 13)
    for side, name in ((-1, "left"), (1, "right")):
        at = np.array([side * apart, level])
        with b.limit_to_mood(shut):
            lid = at + size * np.stack([0.9 * x, -0.4 * up * (1 - x * x)], 1)
            b.add_curve(prim, b.find_surface_points(prim, lid))
        with b.limit_to_mood(opened):
            if kind == "dot":
                b.add_decal(prim, b.add_part(f"{name} eye", "pupil", FLAT), at, (size * 0.55, size * 0.7))
            else:
                outline = make_squircle(2) if kind == "round" else make_almond(0.9, 0.8, 0.3 * side)
                white = b.add_decal(prim, b.add_part(f"{name} white", "white", FLAT), at, (size, size * 1.15), outline)
                b.add_decal(prim, b.add_part(f"{name} iris", "iris", FLAT), at, (size * 0.65, size * 0.8), within=white)
                b.add_decal(prim, b.add_part(f"{name} pupil", "pupil", FLAT), at, (size * 0.3, size * 0.5), within=white)
            b.add_decal(prim, b.add_part(f"{name} glint", "glint", FLAT), at + (-0.25 * size, 0.35 * size * up), (size * 0.2, size * 0.22))


def _build_beast(rng: Generator) -> ToonFigure:
    """Cat, dog, bear, fox, dragon: a trunk along z, a head in front, four legs, a tail."""
    b = FigureBuilder()
    long, thick, leg = rng.uniform(1.6, 3.0), rng.uniform(0.7, 1.05), rng.uniform(0.9, 1.9)
    dragon = rng.random() < 0.3
    fur, light = b.add_part("fur", "top" if dragon else "hair"), b.add_part("light fur", "cloth light")
    trunk = b.add_joint(-1, (0, 0, 0), (0, rng.uniform(-1.4, 1.4), 0), (0.05, 0.3, 0.05))
    chest = b.add_cone(trunk, (0, 0, long * 0.5), (0, 0.05, -long * 0.5), thick, thick * rng.uniform(0.75, 1.0), fur, front=(0, 1, 0))
    b.add_ball(trunk, (0, -0.18 * thick, long * 0.2), (thick * 0.82, thick * 0.86, long * 0.62), light)
    if rng.random() < 0.4:
        spots = b.add_part("spots", "top dark")
        b.add_decal(chest, spots, (0, 0.4), (0.2, 0.26), make_squircle(2.3), period=(3.5, 3.2), side=0)
    neck = b.add_joint(trunk, (0, 0.35 * thick, long * 0.62), (-0.5, 0, 0), (0.2, 0.3, 0.15))
    rise = rng.uniform(0.4, 1.6) if dragon else rng.uniform(0.3, 0.8)
    b.add_cone(neck, (0, -0.2, 0), (0, rise, 0.1), thick * 0.7, thick * 0.5, fur)
    head = b.add_joint(neck, (0, rise + 0.3, 0.25), (0.5, 0, 0), (0.25, 0.5, 0.2))
    b.focus = head
    skull = b.add_ball(head, (0, 0, 0), (0.95, 0.85, 0.9), fur)
    muzzle = rng.uniform(0.35, 1.0)
    snout = b.add_cone(head, (0, -0.25, 0.6), (0, -0.32, 0.6 + muzzle), 0.45, rng.uniform(0.26, 0.42), light if rng.random() < 0.6 else fur)
    b.add_ball(head, (0, -0.2, 0.95 + muzzle), (0.16, 0.12, 0.1), b.add_part("nose", "pupil", SHINY))
    x = np.linspace(-0.3, 0.3, 9)
    b.add_curve(snout, b.find_surface_points(snout, np.stack([x, muzzle * 0.9 - 0.4 * x * x], 1), -1.0))
    _add_eyes(b, rng, skull, rng.uniform(0.38, 0.5), rng.uniform(0.15, 0.35), rng.uniform(0.15, 0.24))
    for side in (-1, 1):
        ear = b.add_part(f"ear {side}", "top" if dragon else "hair")
        tall = rng.uniform(0.4, 1.0)
        if dragon:
            horn = b.add_part("horns", "metal", SHINY)
            b.add_tube(head, [(side * 0.45, 0.7, -0.2), (side * 0.7, 1.1, -0.5), (side * 0.7, 1.5, -0.9)], [0.18, 0.13, 0.02], horn)
        elif rng.random() < 0.4:
            b.add_tube(head, [(side * 0.75, 0.5, 0), (side * 1.05, 0.2, 0.05), (side * 1.1, -0.5, 0.1)], [0.2, 0.28, 0.16], ear, 0.5)
        else:
            prim = b.add_cone(head, (side * 0.55, 0.6, 0), (side * 0.75, 0.85 + tall, 0), 0.33, 0.05, ear, flat=0.45)
            b.add_decal(prim, b.add_part("inner ear", "blush"), (0, 0.3 * tall), (0.19, 0.36 * tall))
    for side, name in ((-1, "left"), (1, "right")):
        for z, pair in ((0.42, "front"), (-0.42, "hind")):
            hip = b.add_joint(
                trunk, (side * thick * 0.55, -0.3 * thick, z * long), (rng.uniform(-0.1, 0.1), 0, side * 0.06), (0.5, 0.05, 0.08)
            )
            knee = b.add_joint(hip, (0, -leg * 0.55, 0), (0.15, 0, 0), (0.35, 0, 0))
            part = b.add_part(f"{name} {pair} leg", "top" if dragon else "hair")
            b.add_cone(hip, (0, 0, 0), (0, -leg * 0.55, 0), thick * 0.42, thick * 0.28, part)
            b.add_cone(knee, (0, 0, 0), (0, -leg * 0.5, 0), thick * 0.28, thick * 0.22, part)
            paw = b.add_ball(
                knee, (0, -leg * 0.55, 0.12), (thick * 0.3, thick * 0.2, thick * 0.38), b.add_part(f"{name} {pair} paw", "cloth light")
            )
            for k in (-0.35, 0.35):
                b.add_curve(paw, b.find_surface_points(paw, np.stack([np.full(6, k), np.linspace(-0.5, 0.35, 6)], 1)))
    joint, at = trunk, np.array([0, 0.3 * thick, -long * 0.55])
    bushy, count = rng.random() < 0.5, 6
    turn = (rng.uniform(0.5, 1.3), 0, 0)
    for k in range(count):
        joint = b.add_joint(joint, at, turn if not k else (-0.28, 0, 0), (0.15, 0.25, 0.1))
        at = np.array([0, 0, -0.45])
        radii = (0.16, 0.3, 0.4, 0.42, 0.34, 0.2, 0.03) if bushy else (0.22, 0.19, 0.16, 0.13, 0.11, 0.09, 0.05)
        tip = b.add_part("tail tip", "cloth light") if k == count - 1 else fur
        b.add_cone(joint, (0, 0, 0), at, radii[k], radii[k + 1], tip, front=(0, 1, 0))
        if dragon:
            b.add_cone(joint, (0, radii[k] * 0.5, -0.2), (0, radii[k] + 0.25, -0.3), 0.13, 0.02, b.add_part("spikes", "accent"), flat=0.5)
    if dragon:
        for side, name in ((-1, "left"), (1, "right")):
            wing = b.add_joint(trunk, (side * thick * 0.6, thick * 0.6, 0.1), (0, side * 0.4, -side * 0.7), (0.1, 0.3, 0.5))
            part = b.add_part(f"{name} wing", "accent")
            for k, way in enumerate(((0.3, 1.6, -0.2), (1.1, 1.3, -0.4), (1.6, 0.7, -0.5))):
                b.add_cone(wing, (0, 0, 0), (side * way[0], way[1], way[2]), 0.1, 0.03, b.add_part(f"{name} wing bones", "top"))
                b.add_cone(
                    wing,
                    (side * way[0] * 0.2, way[1] * 0.2, -0.05),
                    (side * way[0] * 0.75, way[1] * 0.7, way[2]),
                    0.25,
                    0.42 - 0.05 * k,
                    part,
                    flat=0.12,
                )
    elif rng.random() < 0.45:
        band = b.add_part("collar", "ribbon")
        turn = np.linspace(0, 2 * np.pi, 11)
        b.add_tube(
            neck,
            np.stack([np.sin(turn) * thick * 0.62, np.full(11, rise * 0.45), 0.05 + np.cos(turn) * thick * 0.62], 1),
            [0.11] * 11,
            band,
        )
        b.add_ball(neck, (0, rise * 0.45 - 0.15, thick * 0.75), 0.15, b.add_part("bell", "metal", SHINY))
    return b.build_figure()


def _build_robot(rng: Generator) -> ToonFigure:
    """Boxes and tubes."""
    b = FigureBuilder()
    shell, trim, dark = b.add_part("shell", "top"), b.add_part("trim", "accent"), b.add_part("rubber", "leather dark")
    wide, tall = rng.uniform(0.8, 1.4), rng.uniform(0.8, 1.4)
    body = b.add_joint(-1, (0, 0, 0), swing=(0.06, 0.3, 0.06))
    trunk = b.add_box(body, (0, 0, 0), (wide, tall, wide * 0.7), shell, rng.uniform(0.2, 0.9))
    panel = b.add_part("panel", "cloth light")
    b.add_decal(trunk, panel, (0, 0.15), (0.6, 0.5), make_squircle(6))
    for k in range(int(rng.integers(2, 5))):
        b.add_decal(
            trunk, b.add_part(f"lamp {k}", ("ribbon", "metal", "iris light", "accent")[k], FLAT), (-0.4 + 0.27 * k, 0.3), (0.1, 0.1)
        )
    b.add_cone(body, (0, tall, 0), (0, tall + 0.3, 0), 0.25, 0.25, dark)
    head = b.add_joint(body, (0, tall + 0.25, 0), swing=(0.2, 0.6, 0.12))
    b.focus = head
    size = rng.uniform(0.6, 1.1)
    if rng.random() < 0.5:
        skull = b.add_box(head, (0, size * 0.8, 0), (size * 1.1, size * 0.8, size * 0.9), shell, rng.uniform(0.3, 1))
        _add_eyes(b, rng, skull, 0.42, 0.15, 0.24)
        b.add_decal(skull, b.add_part("grille", "leather dark", FLAT), (0, -0.5), (0.4, 0.12), make_squircle(6))
    else:
        skull = b.add_ball(head, (0, size * 0.8, 0), size, shell)
        visor = b.add_decal(skull, b.add_part("visor", "leather dark", SHINY), (0, 0.08), (0.75, 0.36), make_squircle(4))
        for side in (-1, 1):
            b.add_decal(skull, b.add_part("lights", "iris light", FLAT), (side * 0.32, 0.08), (0.14, 0.18), within=visor)
    b.add_cone(head, (0, size * 1.6, 0), (0, size * 2.2, 0), 0.06, 0.05, b.add_part("antenna", "metal"))
    b.add_ball(head, (0, size * 2.25, 0), 0.15, b.add_part("knob", "ribbon", SHINY))
    for side, name in ((-1, "left"), (1, "right")):
        shoulder = b.add_joint(body, (side * wide * 1.12, tall * 0.6, 0), (0, 0, side * 0.25), (0.8, 0.2, 0.5))
        elbow = b.add_joint(shoulder, (0, -0.95, 0), (-0.6, 0, 0), (0.6, 0.3, 0))
        b.add_ball(shoulder, (0, 0, 0), 0.36, trim)
        b.add_cone(shoulder, (0, -0.1, 0), (0, -0.9, 0), 0.2, 0.2, dark)
        b.add_ball(elbow, (0, 0, 0), 0.28, trim)
        b.add_cone(elbow, (0, -0.15, 0), (0, -0.75, 0), 0.24, 0.34, b.add_part(f"{name} forearm", "top"))
        for way in (-0.2, 0.2):
            b.add_tube(
                elbow,
                [(way, -1.0, 0), (way * 1.9, -1.25, 0.1), (way * 0.9, -1.5, 0.2)],
                [0.12, 0.12, 0.06],
                b.add_part(f"{name} claw", "metal"),
            )
        hip = b.add_joint(body, (side * wide * 0.5, -tall * 0.95, 0), (0, 0, 0), (0.5, 0.1, 0.08))
        knee = b.add_joint(hip, (0, -0.8, 0), (0.15, 0, 0), (0.4, 0, 0))
        b.add_cone(hip, (0, 0, 0), (0, -0.8, 0), 0.22, 0.2, dark)
        b.add_cone(knee, (0, -0.05, 0), (0, -0.6, 0), 0.27, 0.4, b.add_part(f"{name} shin", "top"))
        b.add_box(knee, (0, -0.95, 0.15), (0.42, 0.16, 0.6), trim, 0.6)
    return b.build_figure()


def _build_slime(rng: Generator) -> ToonFigure:
    """A slime, a ghost, or a mushroom: one body with a face."""
    b = FigureBuilder()
    root = b.add_joint(-1, (0, 0, 0), swing=(0.1, 0.5, 0.12))
    kind = rng.choice(["slime", "ghost", "mushroom"])
    top = b.add_part("top", "top", SHINY)
    b.focus = root
    skin = b.add_part("face", "top", SHINY) if kind != "mushroom" else b.add_part("face", "cloth light")
    head = HeadMeasures(root, b.add_cone(root, (0, 0, 0), (0, -0.7, 0.05), 1.0, rng.uniform(0.9, 1.05), skin), 1.5, skin)
    add_face(b, rng, head, 1.0)
    if kind == "slime":
        b.add_tube(root, [(0, 0.75, 0), (0.05, 1.25, 0), (rng.uniform(-0.3, 0.4), 1.6, 0)], [0.55, 0.22, 0.03], top)
        b.add_ball(root, (0, -1.1, 0), (1.3, 0.55, 1.2), top)
        for _ in range(rng.integers(1, 4)):
            b.add_ball(
                root, (rng.uniform(-1.6, 1.6), -1.35, rng.uniform(-0.6, 1.2)), rng.uniform(0.15, 0.35), b.add_part("drops", "accent", SHINY)
            )
    elif kind == "ghost":
        waves = int(rng.integers(4, 9))
        lining = b.add_part("inside", "lining", FLAT)
        b.add_shell(root, (0, -2.0, 0), (0, -0.3, 0), (1.25, 1.05, 1.0), top, lining, lambda a: 0.12 + 0.12 * np.cos(a * waves))
    else:
        cap = b.add_part("cap", "accent")
        under = b.add_part("gills", "leather")
        hood = b.add_cap(root, (0, 0.3, 0), (1.9, 1.2, 1.9), cap, under, lambda a: np.full_like(a, 0.0))
        b.add_ball(root, (0, 0.3, 0), (1.85, 0.1, 1.85), under)
        b.add_decal(hood, b.add_part("spots", "cloth light"), (0, 0.5), (0.24, 0.16), around=True, period=(2 * np.pi / 6 / 0.24, 0))
        b.add_decal(hood, b.add_part("spots", "cloth light"), (0.5, 0.2), (0.15, 0.1), around=True, period=(2 * np.pi / 6 / 0.15, 0))
    for side, name in ((-1, "left"), (1, "right")):
        if rng.random() < 0.6:
            arm = b.add_joint(root, (side * 0.95, -0.55, 0.2), (0, 0, side * 0.8), (0.4, 0.3, 0.5))
            b.add_cone(arm, (0, 0, 0), (0, -0.55, 0.1), 0.2, 0.17, b.add_part(f"{name} arm", b.parts[skin].material))
        if kind != "ghost" and rng.random() < 0.7:
            b.add_ball(root, (side * 0.5, -1.65, 0.25), (0.36, 0.22, 0.46), b.add_part(f"{name} foot", "shoe"))
    return b.build_figure()
