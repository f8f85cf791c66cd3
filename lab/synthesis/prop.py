"""Props: cars, cups, lanterns, houses, boats."""

import numpy as np
from numpy.random import Generator

from .builder import FigureBuilder
from .figure import FLAT, SHINY, ToonFigure
from .outlines import make_polygon, make_squircle, make_star


def build_prop(rng: Generator) -> ToonFigure:
    """Build a random prop."""
    return (_build_car, _build_cup, _build_house, _build_lantern)[int(rng.integers(4))](rng)


def _build_car(rng: Generator) -> ToonFigure:
    b = FigureBuilder()
    paint, glass, rubber = b.add_part("paint", "top", SHINY), b.add_part("glass", "iris light"), b.add_part("tires", "leather dark")
    root = b.add_joint(-1, (0, 0, 0), (0.15, rng.uniform(-1.2, 1.2), 0), (0.04, 0.5, 0.03))
    long, high = rng.uniform(1.8, 2.6), rng.uniform(0.45, 0.7)
    b.add_box(root, (0, 0, 0), (1.1, high, long), paint, 0.5)
    cabin = b.add_box(
        root, (0, high * 1.9, -0.15 * long), (0.95, high * 0.95, long * rng.uniform(0.4, 0.6)), b.add_part("cabin", "accent", SHINY), 0.6
    )
    b.add_decal(cabin, glass, (0, 0.1), (0.8, 0.62), make_squircle(6))
    b.add_decal(cabin, glass, (0, 0.1), (0.8, 0.62), make_squircle(6), side=-1)
    for side in (-1, 1):
        b.add_box(
            root, (side * 0.93, high * 1.95, -0.15 * long), (0.05, high * 0.6, long * 0.33), b.add_part(f"window {side}", "iris light"), 0.3
        )
        b.add_ball(root, (side * 0.72, 0.1, long), (0.2, 0.2, 0.14), b.add_part("lamps", "glint", FLAT))
        for z in (-0.62, 0.62):
            b.add_shell(root, (side * 0.8, -high * 0.9, z * long), (side * 1.2, -high * 0.9, z * long), (0.5, 0.5, 0.5), rubber, rubber)
            b.add_ball(root, (side * 1.2, -high * 0.9, z * long), (0.07, 0.5, 0.5), rubber)
            b.add_ball(root, (side * 1.24, -high * 0.9, z * long), (0.08, 0.26, 0.26), b.add_part("hubs", "metal", SHINY))
    b.add_box(root, (0, -0.45 * high, long * 1.02), (1.05, 0.12, 0.1), b.add_part("bumper", "metal"), 0.3)
    b.add_box(root, (0, -0.45 * high, -long * 1.02), (1.05, 0.12, 0.1), b.add_part("bumper", "metal"), 0.3)
    return b.build_figure()


def _build_cup(rng: Generator) -> ToonFigure:
    b = FigureBuilder()
    china, inside = b.add_part("china", "top", SHINY), b.add_part("inside", "cloth light")
    root = b.add_joint(-1, (0, 0, 0), (0.45, rng.uniform(-0.9, 0.9), 0), (0.1, 0.6, 0.1))
    high, foot, middle = rng.uniform(1.2, 2.4), rng.uniform(0.5, 1.0), rng.uniform(0.9, 1.3)
    body = b.add_shell(root, (0, 0, 0), (0, high, 0), (foot, middle, 1.05), china, inside)
    b.add_ball(root, (0, 0, 0), (foot, 0.12, foot), china)
    b.add_ball(root, (0, high * 0.8, 0), (middle * 1.0, 0.05, middle * 1.0), b.add_part("drink", "leather", FLAT))
    turn = np.linspace(-0.6, np.pi + 0.6, 11)
    b.add_tube(
        root,
        np.stack([0.85 + 0.55 * np.sin(turn), high * 0.5 + 0.5 * np.cos(turn), 0 * turn], 1),
        [0.14] * 11,
        b.add_part("handle", "accent", SHINY),
    )
    kind = rng.integers(3)
    if kind == 0:
        b.add_decal(body, b.add_part("band", "accent"), (0, 0.5), (50, 0.12), make_squircle(8), around=True)
    elif kind == 1:
        b.add_decal(
            body, b.add_part("flowers", "ribbon"), (0, 0.5), (0.26, 0.16), make_star(6, 0.35), around=True, period=(2 * np.pi / 6 / 0.26, 0)
        )
    else:
        b.add_decal(
            body, b.add_part("stripes", "ribbon"), (0, 0.5), (0.12, 50), make_squircle(8), around=True, period=(2 * np.pi / 12 / 0.12, 0)
        )
    b.add_ball(root, (0, -0.12, 0), (1.9, 0.14, 1.9), b.add_part("saucer", "accent"))
    for k in range(int(rng.integers(0, 4))):
        biscuit = b.add_ball(
            root, (rng.uniform(-1.5, -0.9), 0.1 + 0.12 * k, rng.uniform(0.4, 1.0)), (0.42, 0.1, 0.42), b.add_part(f"biscuit {k}", "leather")
        )
        b.add_curve(biscuit, b.find_surface_points(biscuit, np.stack([np.linspace(-0.5, 0.5, 6), np.linspace(-0.2, 0.3, 6)], 1)))
    return b.build_figure()


def _build_house(rng: Generator) -> ToonFigure:
    b = FigureBuilder()
    wall, roof = b.add_part("wall", "cloth light"), b.add_part("roof", "ribbon")
    root = b.add_joint(-1, (0, 0, 0), (0.3, rng.uniform(-0.8, 0.8), 0), (0.03, 0.5, 0.02))
    w, h, d = rng.uniform(1.2, 1.8), rng.uniform(0.9, 1.4), rng.uniform(1.0, 1.5)
    front = b.add_box(root, (0, 0, 0), (w, h, d), wall, 0.0)
    door = b.add_decal(front, b.add_part("door", "leather"), (rng.uniform(-0.3, 0.3), -0.5), (0.2, 0.5), make_squircle(5))
    b.add_decal(front, b.add_part("door knob", "metal", FLAT), (0.08, -0.5), (0.03, 0.04), within=door)
    for x in (-0.62, 0.62):
        b.add_decal(front, b.add_part("frame", "leather dark"), (x, 0.3), (0.2, 0.26), make_squircle(8))
        b.add_decal(front, b.add_part("window", "iris light"), (x, 0.3), (0.15, 0.2), make_squircle(8))
    tall = rng.uniform(0.8, 1.5)
    b.add_shell(
        root,
        (0, h, 0),
        (0, h + tall, 0),
        (max(w, d) * 1.45, max(w, d) * rng.uniform(0.65, 0.8), 0.02),
        roof,
        b.add_part("eaves", "leather dark"),
    )
    b.add_box(root, (w * 0.6, h + tall * 0.75, 0), (0.2, 0.5, 0.2), b.add_part("chimney", "leather"), 0.0)
    b.add_ball(root, (0, -h, 0), (w * 2.0, 0.1, w * 1.9), b.add_part("lawn", "top"))
    for _ in range(int(rng.integers(1, 4))):
        x, z = rng.choice([-1, 1]) * rng.uniform(1.4, 1.8) * w, rng.uniform(0, 1.2) * d
        size = rng.uniform(0.35, 0.6)
        b.add_cone(root, (x, -h, z), (x, -h + size, z), 0.12, 0.1, b.add_part("trunk", "leather dark"))
        b.add_ball(root, (x, -h + size * 1.8, z), (size, size * 1.2, size), b.add_part("leaves", "bottom"))
    return b.build_figure()


def _build_lantern(rng: Generator) -> ToonFigure:
    b = FigureBuilder()
    metal, glass = b.add_part("metal", "metal", SHINY), b.add_part("glass", "iris light")
    root = b.add_joint(-1, (0, 0, 0), (0.2, 0, 0), (0.1, 0.6, 0.15))
    swing = b.add_joint(root, (0, 0, 0), swing=(0.15, 0.2, 0.2))
    turn = np.linspace(-2.2, 2.2, 11)
    b.add_tube(root, np.stack([0.6 * np.sin(turn), 0.7 * np.cos(turn), 0 * turn], 1), [0.08] * 11, metal)
    high, wide = rng.uniform(1.3, 2.2), rng.uniform(0.7, 1.1)
    b.add_shell(swing, (0, -0.7, 0), (0, -0.25, 0), (wide * 1.25, wide * 0.8, 0.15), b.add_part("lid", "top"), metal, None)
    body = b.add_shell(swing, (0, -0.7 - high, 0), (0, -0.7, 0), (wide * 0.8, wide, wide * 0.85), glass, glass)
    ribs = int(rng.choice([6, 8]))
    b.add_decal(
        body, b.add_part("ribs", "leather dark"), (0, 0.5), (0.07, 50), make_squircle(8), around=True, period=(2 * np.pi / ribs / 0.07, 0)
    )
    shape = [make_star(5), make_squircle(2), make_polygon([(0, 1), (1, 0), (0, -1), (-1, 0)])][rng.integers(3)]
    b.add_decal(body, b.add_part("sign", "ribbon"), (0, 0.5), (0.2, 0.16), shape, around=True, period=(2 * np.pi / ribs * 2 / 0.2, 0))
    b.add_ball(swing, (0, -0.7 - high, 0), (wide * 1.05, 0.18, wide * 1.05), b.add_part("base", "top"))
    for k in range(3):
        tassel = b.add_joint(swing, ((k - 1) * 0.4 * wide, -0.8 - high, 0.3), swing=(0.3, 0, 0.3))
        b.add_cone(tassel, (0, 0, 0), (0, -0.5, 0), 0.07, 0.12, b.add_part(f"tassel {k % 2}", "ribbon" if k % 2 else "accent"))
    return b.build_figure()
