"""What people wear or carry over their clothes: capes, scarves, bags, tails, hats. Lengths are in radii of the skull."""

import numpy as np
from numpy.random import Generator

from .body import BodyMeasures
from .builder import FigureBuilder
from .face import HeadMeasures
from .figure import FLAT, HIGHLIGHT, INK, SHINY
from .outlines import make_squircle


def add_cape(b: FigureBuilder, rng: Generator, body: BodyMeasures) -> None:
    part, lining = b.add_part("cape", "accent"), b.add_part("cape inside", "lining", FLAT)
    length = body.torso + rng.uniform(0.3, 1.6) * body.leg
    opening, waves = rng.uniform(0.9, 1.5), int(rng.integers(5, 10))
    joint = b.add_joint(body.chest, (0, 0.62 * body.torso, -0.05), (0.1, 0, 0), (0.12, 0.05, 0.1))
    top = body.width * 0.75
    prim = b.add_shell(
        joint,
        (0, -length, -0.25),
        (0, 0, 0),
        (body.width * rng.uniform(1.5, 2.2), body.width * 1.35, top),
        part,
        lining,
        lambda azimuth: np.where(np.abs(azimuth) < opening, 3.0, 0.03 * np.cos(azimuth * waves)),
        flat=0.9,
    )
    for _ in range(rng.integers(2, 6)):
        azimuth = rng.uniform(opening + 0.1, 2 * np.pi - opening - 0.1)
        z = np.linspace(0.05, rng.uniform(0.4, 0.8), 12)
        b.add_curve(prim, b.find_azimuth_points(prim, np.stack([np.full(12, azimuth), z], 1)))
    b.add_ball(body.chest, (0, 0.56 * body.torso, body.width * 0.55), 0.13, b.add_part("brooch", "metal", SHINY))


def add_scarf(b: FigureBuilder, rng: Generator, body: BodyMeasures) -> None:
    part = b.add_part("scarf", "ribbon")
    turn = np.linspace(0, 2 * np.pi, 11)
    reach = 0.42 + 0.12 * body.width
    points = np.stack([np.sin(turn) * reach, 0.08 + 0.05 * np.cos(turn), np.cos(turn) * reach * 0.9], 1)
    b.add_tube(body.neck, points, [0.19] * 11, part)
    joint, at = body.neck, np.array([rng.choice([-1, 1]) * 0.25, -0.05, reach * rng.choice([-1, 1])])
    for k in range(4):
        joint = b.add_joint(joint, at, swing=(0.25, 0.05, 0.25))
        at = np.array([0, -0.45, 0])
        prim = b.add_cone(joint, (0, 0, 0), at, 0.17, 0.19, part, flat=0.35)
        if k == 3:
            b.add_decal(prim, b.add_part("scarf end", "cloth light"), (0, 0.35), (50, 0.06), make_squircle(8), side=0)


def add_bag(b: FigureBuilder, rng: Generator, body: BodyMeasures) -> None:
    h, w = body.torso, body.width
    part = b.add_part("bag", "leather")
    side = rng.choice([-1, 1])
    if rng.random() < 0.5:
        b.add_box(body.chest, (0, 0.2 * h, -w * 0.95), (w * 0.7, 0.36 * h, w * 0.36), part, 0.8)
        strap = b.add_part("strap", "leather dark")
        for k in (-1, 1):
            points = [
                (k * 0.55 * w, 0.62 * h, -0.3 * w),
                (k * 0.55 * w, 0.68 * h, 0.05),
                (k * 0.58 * w, 0.45 * h, 0.55 * w),
                (k * 0.75 * w, 0.05 * h, 0.2 * w),
            ]
            b.add_tube(body.chest, points, [0.07] * 4, strap)
    else:
        joint = b.add_joint(body.pelvis, (side * body.seat * 1.15, 0, 0), swing=(0.15, 0.05, 0.1))
        prim = b.add_box(joint, (0, -0.25, 0), (0.2, 0.34, 0.42), part, 0.5)
        b.add_box(joint, (side * 0.05, -0.08, 0), (0.21, 0.2, 0.44), b.add_part("bag flap", "leather dark"), 0.5)
        strap = b.add_part("strap", "leather dark")
        points = [
            (side * body.seat, 0.0, 0.1),
            (side * 0.55 * w, 0.35 * h, 0.8 * w),
            (-side * 0.3 * w, 0.75 * h, 0.6 * w),
            (-side * 0.55 * w, 0.98 * h, 0.1),
        ]
        b.add_tube(body.pelvis, points, [0.06] * 4, strap)
        b.add_curve(
            prim,
            b.find_surface_points(prim, np.stack([np.linspace(-0.7, 0.7, 5), np.full(5, -0.5)], 1)),
            HIGHLIGHT if rng.random() < 0.1 else INK,
        )


def add_tail(b: FigureBuilder, rng: Generator, body: BodyMeasures) -> None:
    """A beast's tail."""
    part = b.add_part("tail", "hair")
    joint, at = body.pelvis, np.array([0, 0, -body.seat * 0.6])
    bushy = rng.random() < 0.5
    count = 6
    radii = (0.14, 0.26, 0.36, 0.38, 0.3, 0.18, 0.03) if bushy else (0.13, 0.12, 0.12, 0.11, 0.11, 0.1, 0.07)
    lean = rng.choice([-1, 1]) * rng.uniform(0.1, 0.35)
    for k in range(count):
        joint = b.add_joint(joint, at, (0.35, 0, lean), (0.2, 0.1, 0.3)) if k else b.add_joint(joint, at, (-1.2, 0, lean), (0.2, 0.1, 0.3))
        at = np.array([0, -body.leg * 0.32, 0])
        tip = b.add_part("tail tip", "cloth light") if bushy and k == count - 1 else part
        b.add_cone(joint, (0, 0, 0), at, radii[k], radii[k + 1], tip)


def add_hat(b: FigureBuilder, rng: Generator, head: HeadMeasures) -> None:
    """Hats, horns, headphones, bands, ribbons, or nothing."""
    kind = rng.choice(["none"] * 8 + ["cap", "witch", "beanie", "straw", "horns", "phones", "band", "ribbon", "crown", "flower"])
    accent = b.add_part("hat", "accent") if kind in ("cap", "witch", "beanie", "straw") else 0
    lining = b.add_part("hat inside", "lining", FLAT) if accent else 0
    j = head.joint
    if kind == "cap":
        b.add_cap(j, (0, 0.2, -0.05), (1.24, 1.12, 1.28), accent, lining, lambda a: np.full_like(a, 0.18))
        b.add_ball(j, (0, 0.42, 1.25), (0.8, 0.08, 0.62), b.add_part("visor", "top dark"), (0.15, 0, 0))
        b.add_ball(j, (0, 1.32, -0.05), 0.1, b.add_part("visor", "top dark"))
    elif kind in ("witch", "straw"):
        b.add_ball(j, (0, 0.55, -0.05), (1.95, 0.09, 1.9), accent, (-0.1, 0, 0))
        tall = rng.uniform(1.6, 2.4) if kind == "witch" else 0.75
        tip = 0.05 if kind == "witch" else 0.9
        b.add_shell(j, (0, 0.55, -0.05), (0.1, 0.55 + tall, -0.25), (1.18, 0.6 if kind == "witch" else 1.1, tip), accent, lining)
        if kind == "straw":
            b.add_ball(j, (0.1, 1.3, -0.25), (0.9, 0.12, 0.9), accent)
        band = b.add_part("hat band", "ribbon")
        b.add_shell(j, (0, 0.6, -0.05), (0, 0.82, -0.07), (1.2, 1.13, 1.09), band, band)
    elif kind == "beanie":
        b.add_cap(j, (0, 0.25, -0.08), (1.24, 1.2, 1.26), accent, lining, lambda a: np.full_like(a, 0.1))
        rim = b.add_part("hat rim", "cloth light")
        b.add_shell(j, (0, 0.3, -0.08), (0, 0.62, -0.08), (1.3, 1.32, 1.26), rim, rim)
        b.add_ball(j, (0, 1.5, -0.08), 0.27, b.add_part("pompom", "cloth light"))
    elif kind == "horns":
        horn = b.add_part("horn", "metal", SHINY)
        bend = rng.uniform(0.1, 0.6)
        for s in (-1, 1):
            b.add_tube(j, [(s * 0.62, 0.75, 0.3), (s * (0.95 + bend), 1.1, 0.35), (s * (1.0 + bend), 1.7, 0.3)], [0.2, 0.15, 0.02], horn)
    elif kind == "phones":
        part = b.add_part("headphone", "accent", SHINY)
        turn = np.linspace(-1.75, 1.75, 11)
        b.add_tube(
            j,
            np.stack([np.sin(turn) * 1.24, np.cos(turn) * 1.26 - 0.02, np.zeros(11)], 1),
            [0.09] * 11,
            b.add_part("headphone band", "metal"),
        )
        for s in (-1, 1):
            b.add_ball(j, (s * 1.2, -0.28, 0), (0.2, 0.38, 0.38), part)
    elif kind == "band":
        part = b.add_part("hairband", "ribbon")
        turn = np.linspace(-1.5, 1.5, 11)
        b.add_tube(j, np.stack([np.sin(turn) * 1.18, np.cos(turn) * 1.2, np.full(11, 0.3)], 1), [0.1] * 11, part, flat=1.6)
    elif kind == "ribbon":
        part, at = b.add_part("head ribbon", "ribbon"), np.array([rng.choice([-0.7, 0, 0.7]), 0.98, -0.1])
        for s in (-1, 1):
            b.add_cone(j, at, at + (s * 0.75, 0.28, 0), 0.07, 0.34, part, flat=0.4)
        b.add_ball(j, at + (0, 0.05, 0.05), 0.17, part)
    elif kind == "crown":
        part = b.add_part("crown", "metal", SHINY)
        points = int(rng.integers(5, 9))
        b.add_shell(
            j, (0, 1.55, 0), (0, 0.95, 0), (0.72, 0.66, 0.6), part, b.add_part("crown inside", "leather dark", FLAT),
            lambda a: 0.45 * np.abs(((a * points / (2 * np.pi)) % 1) - 0.5) * 2,
        )  # fmt: skip
    elif kind == "flower":
        petals, center = b.add_part("flower", "ribbon"), np.array([rng.choice([-0.8, 0.8]), 0.62, 0.62])
        for turn in np.linspace(0, 2 * np.pi, 6)[:-1]:
            b.add_ball(j, center + 0.2 * np.array([np.cos(turn), np.sin(turn), 0]), (0.15, 0.15, 0.08), petals)
        b.add_ball(j, center + (0, 0, 0.08), 0.11, b.add_part("flower heart", "metal"))
