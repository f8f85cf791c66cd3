"""Paper puppets other than people: beasts, fish and birds, flowers in pots."""

import numpy as np
from numpy.random import Generator

from .builder import FigureBuilder
from .doll_parts import LAYER, add_animal_ears, add_face, add_limb
from .figure import FLAT, SHINY
from .outlines import make_squircle, make_star
from .ribbons import RibbonCutter, RibbonPuppet


def build_beast(rng: Generator) -> RibbonPuppet:
    """Build a beast with four legs, in side view."""
    b = FigureBuilder()
    c = RibbonCutter(b)
    long, high = rng.uniform(1.1, 2.2), rng.uniform(0.65, 1.0)
    fur, belly = b.add_part("fur", "hair"), b.add_part("belly", "cloth light")
    body = b.add_joint(-1, (0, 0, 0), swing=(0.02, 0.3, 0.08))
    leg = rng.uniform(0.8, 1.6)
    for pair, z in ((0, -1.5), (1, 1.2)):
        for x in (-0.72, 0.72):
            far = b.add_part("far legs", "top dark" if rng.random() < 0.3 else "hair") if pair == 0 else b.add_part(f"leg {x > 0}", "hair")
            paw = add_limb(
                c,
                rng,
                body,
                (x * long, -0.35 * high),
                0.0,
                (leg * 0.5, leg * 0.5),
                (0.3 if x < 0 else rng.uniform(0.35, 0.55), 0.22, 0.18),
                (far, far),
                z * LAYER,
                0.35,
                0.1 * np.sign(x),
            )
            c.cut_blob(paw, (-0.08, -0.08), (0.26, 0.17), b.add_part(f"paw {pair}{x > 0}", "cloth light"), (z + 0.6) * LAYER)
    tail = b.add_joint(body, (long * 1.0, 0.2 * high, 0), (0, 0, 1.9), (0, 0, 0.4))
    size = rng.uniform(0.12, 0.35)
    prims = c.cut_ribbon(tail, [(0, 0.2), (0.1, -0.4), (0.3, -0.9), (0.2, -1.5)], np.array([0.5, 0.9, 1.0, 0.0]) * size, fur, -LAYER, 0.6)
    b.add_decal(prims, b.add_part("tail tip", "cloth light"), (0.2, -1.45), (50, 0.32), make_squircle(8))
    trunk = c.cut_ribbon(
        body,
        [(-1.1 * long, 0.15), (-0.62 * long, 0), (0.1 * long, rng.uniform(0.05, 0.25)), (0.65 * long, 0.08), (1.02 * long, 0.05)],
        np.array([0.4, 1.0, rng.uniform(0.6, 0.9), 0.92, 0.45]) * high,  # deep in the chest, slim in the waist
        fur,
        0.0,
        0.05,
    )
    if rng.random() < 0.6:
        b.add_decal(trunk, belly, (0, -0.75 * high), (0.8 * long, 0.5 * high))
    if rng.random() < 0.5:
        b.add_decal(trunk, b.add_part("spots", "top"), (0, 0.2), (0.2, 0.24), make_squircle(2.3), period=(3.6, 3.3))
    neck = b.add_joint(body, (-0.95 * long, 0.4 * high, 0), swing=(0, 0, 0.15))
    rise = rng.uniform(0.2, 1.0)
    c.cut_ribbon(neck, [(0.3, -0.3), (0, 0.3 * rise), (-0.25, rise + 0.3)], [0.5 * high, 0.45 * high, 0.4 * high], fur, 0.5 * LAYER)
    head = b.add_joint(neck, (-0.3, rise + 0.1, 0), swing=(0, 0.2, 0.25))
    b.focus = head
    add_animal_ears(c, rng, head, 0.75, 0.5)
    prims = c.cut_blob(head, (-0.1, 0.35), (0.85, 0.7), fur, 2 * LAYER, lambda t: 0.85 + 0.15 * np.sin(t * 5))
    c.cut_blob(head, (-0.25, 0.02), (0.5, 0.34), belly, 2.6 * LAYER)
    c.cut_blob(head, (-0.3, 0.18), (0.15, 0.1), b.add_part("nose", "pupil", SHINY), 3.2 * LAYER)
    add_face(c, rng, prims, 0.8, 0.6, (-0.15, 0.55), "hair")
    if rng.random() < 0.6:
        collar = b.add_part("collar", "ribbon")
        c.cut_ribbon(
            neck, [(-0.5 * high - 0.1, 0.5 * rise), (-0.05, 0.4 * rise), (0.45 * high, 0.6 * rise)], [0.1, 0.12, 0.1], collar, 1.4 * LAYER
        )
        c.cut_blob(neck, (-0.1, 0.3 * rise - 0.05), (0.13, 0.13), b.add_part("bell", "metal", SHINY), 1.9 * LAYER)
    return c.finish_puppet(rng.uniform(0, 0.012), [])


def build_flyer(rng: Generator) -> RibbonPuppet:
    """Build a fish or a bird, in side view."""
    b = FigureBuilder()
    c = RibbonCutter(b)
    bird = rng.random() < 0.5
    long, high = rng.uniform(1.4, 2.2), rng.uniform(0.7, 1.2)
    skin, fin = b.add_part("body", "top"), b.add_part("fins", "accent")
    body = b.add_joint(-1, (0, 0, 0), swing=(0.05, 0.4, 0.2))
    b.focus = body
    tail = b.add_joint(body, (long * 0.85, 0, 0), (0, 0, np.pi / 2), (0, 0, 0.3))
    for lean in (-0.55, 0.55) if not bird else (-0.3, 0.0, 0.3):
        c.cut_ribbon(
            tail,
            [(0, 0.1), (lean * 0.5, -0.5), (lean * 1.2, -1.2)],
            [0.1, 0.3, 0.02 if not bird else 0.16],
            fin,
            -LAYER * (1 + abs(lean)),
            0.4,
        )
    top = b.add_joint(body, (0, high * 0.8, 0), swing=(0, 0, 0.2))
    if not bird:
        prims = c.cut_ribbon(top, [(-0.5, -0.2), (0.1, 0.35), (0.9, 0.2)], [0.2, 0.3, 0.02], fin, -LAYER, 0.1)
        for x in (-0.1, 0.2, 0.5):
            c.draw_line(prims, np.stack([np.linspace(x, x + 0.15, 5), np.linspace(0.05, 0.5, 5)], 1))
    prims = c.cut_ribbon(
        body, [(-1.0 * long, 0), (-0.6 * long, 0.02), (0.2 * long, 0), (long, 0)], np.array([0.1, 0.85, 0.9, 0.16]) * high, skin, 0.0, 0.08
    )
    if rng.random() < 0.6:
        b.add_decal(prims, b.add_part("stripe", "ribbon"), (0.3, 0), (0.14, 50), make_squircle(8), period=(rng.uniform(4, 7), 0))
    b.add_decal(prims, b.add_part("belly", "cloth light"), (-0.2, -0.85 * high), (0.9 * long, 0.55 * high))
    if bird:
        add_limb(c, rng, body, (0.1, -0.7 * high), 0, (0.4, 0.4), (0.07, 0.06, 0.06), (b.add_part("feet", "metal"),) * 2, -LAYER, 0.2, 0.2)
        for k, z in enumerate((-1.6, 1.6)):
            wing = b.add_joint(body, (-0.1, 0.25 * high, 0), (0, 0, rng.uniform(0.2, 2.2)), (0, 0, 0.7))
            feathers = c.cut_ribbon(
                wing,
                [(0, 0.2), (0.1, -0.4), (0.15, -1.0), (0.1, -1.5)],
                [0.2, 0.5, 0.4, 0.05],
                b.add_part(f"wing {k}", "accent"),
                z * LAYER,
                0.3,
            )
            for y in (-0.5, -0.8, -1.1):
                t = np.linspace(0, 1, 7)
                c.draw_line(feathers, np.stack([0.1 + 0.35 * t - 0.15, y - 0.25 * t], 1))
        beak = b.add_joint(body, (-0.85 * long, 0.1, 0))
        c.cut_ribbon(beak, [(0.2, 0), (-0.2, -0.02), (-0.6, -0.1)], [0.26, 0.2, 0.0], b.add_part("beak", "metal"), 0.7 * LAYER)
    else:
        side = b.add_joint(body, (0, -0.2 * high, 0), (0, 0, 0.6), (0, 0, 0.5))
        c.cut_ribbon(side, [(0, 0.1), (0.1, -0.4), (0.2, -0.8)], [0.1, 0.27, 0.1], fin, 1.2 * LAYER, 0.4)
        t = np.linspace(-1, 1, 9)
        c.draw_line(prims, np.stack([-0.45 * long + 0.12 * (1 - t * t), 0.5 * high * t], 1))
        c.draw_line(prims, np.stack([-0.95 * long + 0.25 * (t + 1) / 2, -0.1 - 0.08 * (1 - t * t)], 1))
    at = np.array([-0.66 * long, 0.28 * high])
    white = b.add_decal(prims, b.add_part("white", "white", FLAT), at, (0.24, 0.26))
    b.add_decal(prims, b.add_part("iris", "iris", FLAT), at + (-0.04, 0), (0.15, 0.17), within=white)
    b.add_decal(prims, b.add_part("pupil", "pupil", FLAT), at + (-0.04, 0), (0.08, 0.1), within=white)
    b.add_decal(prims, b.add_part("glint", "glint", FLAT), at + (-0.08, 0.06), (0.04, 0.05))
    return c.finish_puppet(rng.uniform(0, 0.012), [])


def build_plant(rng: Generator) -> RibbonPuppet:
    """A flower in a pot, with a face perhaps; a cup with a handle beside it."""
    b = FigureBuilder()
    c = RibbonCutter(b)
    pot_joint = b.add_joint(-1, (0, 0, 0), swing=(0.02, 0.3, 0.05))
    stem = b.add_joint(pot_joint, (0, 0.5, 0), swing=(0, 0, 0.15))
    length = rng.uniform(1.2, 2.6)
    c.cut_ribbon(stem, [(0, -0.2), (0, length * 0.5), (0, length)], [0.09, 0.08, 0.07], b.add_part("stem", "top"), -LAYER, 0.2)
    for k in range(int(rng.integers(2, 5))):
        side = 1 if k % 2 else -1
        leaf = b.add_joint(stem, (0, length * (0.25 + 0.15 * k), 0), (0, 0, side * rng.uniform(1.6, 2.3)), (0, 0, 0.25))
        prims = c.cut_ribbon(
            leaf,
            [(0, 0), (0, -0.4), (0.05, -0.8), (0, -1.2)],
            [0.03, 0.25, 0.22, 0.0],
            b.add_part(f"leaf {k}", "top"),
            (k % 3 - 1.5) * LAYER,
            0.4,
        )
        c.draw_line(prims, np.stack([np.zeros(8), np.linspace(-0.1, -1.0, 8)], 1))
    head = b.add_joint(stem, (0, length, 0), swing=(0.05, 0.3, 0.2))
    b.focus = head
    count = int(rng.integers(5, 12))
    for k, turn in enumerate(np.linspace(0, 2 * np.pi, count, endpoint=False)):
        petal = b.add_joint(head, (0, 0, 0), (0, 0, turn), (0, 0, 0.05))
        tip = rng.choice([0.0, 0.2])
        part = b.add_part(f"petal {k % 2}", "ribbon" if k % 2 else "accent")
        c.cut_ribbon(
            petal,
            [(0, 0.3), (0, 0.8), (0, 1.2), (0, 1.55)],
            [0.15, 0.34, 0.34, tip],
            part,
            (0.5 + 0.5 * (k % 2)) * LAYER,
            0.1,
        )
    prims = c.cut_blob(head, (0, 0), (0.72, 0.72), b.add_part("heart", "metal"), 2 * LAYER)
    if rng.random() < 0.75:
        add_face(c, rng, prims, 0.75, 0.7, (0, 0.1), "metal")
    high = rng.uniform(0.9, 1.5)
    pot = c.cut_ribbon(
        pot_joint,
        [(0, -high), (0, -high * 0.4), (0, 0.2), (0, 0.55)],
        [0.65, 0.8, 0.95, 1.0],
        b.add_part("pot", "leather"),
        0.6 * LAYER,
        cut=True,
    )
    b.add_decal(
        pot,
        b.add_part("pot pattern", "cloth light"),
        (0, -0.35 * high),
        (0.2, 0.2),
        [make_star(4), make_squircle(2), make_star(6, 0.4)][rng.integers(3)],
        period=(2.8, 0),
    )
    c.cut_ribbon(pot_joint, [(-1.15, 0.5), (0, 0.47), (1.15, 0.5)], [0.14, 0.16, 0.14], b.add_part("pot rim", "leather dark"), 1.3 * LAYER)
    if rng.random() < 0.7:
        side = rng.choice([-1, 1])
        turn = np.linspace(0, 2 * np.pi, 13)
        cup = b.add_joint(pot_joint, (side * 2.1, -high + 0.45, 0), swing=(0, 0, 0.03))
        ring = np.stack([side * 0.55 + 0.34 * np.cos(turn), 0.38 * np.sin(turn)], 1)
        c.cut_ribbon(cup, ring, np.full(13, 0.09), b.add_part("handle", "ribbon"), 0.2 * LAYER, closed=True)
        c.cut_ribbon(cup, [(0, -0.45), (0, 0), (0, 0.5)], [0.45, 0.52, 0.56], b.add_part("cup", "ribbon"), 0.9 * LAYER, cut=True)
        c.cut_blob(cup, (0, 0.5), (0.56, 0.13), b.add_part("tea", "leather dark", FLAT), 1.6 * LAYER)
    return c.finish_puppet(rng.uniform(0, 0.012), [])
