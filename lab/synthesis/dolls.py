"""Paper puppets: children and mascots, and the choice among all puppets."""

import numpy as np
from numpy.random import Generator

from .builder import FigureBuilder
from .doll_creatures import build_beast, build_flyer, build_plant
from .doll_parts import LAYER, add_animal_ears, add_face, add_limb
from .figure import FLAT, GLOSSY, SHADED
from .outlines import make_almond, make_squircle, make_star
from .ribbons import RibbonCutter, RibbonPuppet


def build_puppet(rng: Generator) -> RibbonPuppet:
    """Build a random puppet."""
    kind = int(rng.choice(4, p=[0.5, 0.2, 0.15, 0.15]))
    return (_build_child, build_beast, build_flyer, build_plant)[kind](rng)


def _build_child(rng: Generator) -> RibbonPuppet:
    """Build a child or a mascot, in front view."""
    b = FigureBuilder()
    c = RibbonCutter(b)
    twins = rng.random() < 0.3
    tall, wide = rng.uniform(1.4, 2.6), rng.uniform(0.7, 1.2)
    body = b.add_joint(-1, (0, 0, 0), swing=(0.03, 0.2, 0.1))
    chest = b.add_joint(body, (0, 0.3 * tall, 0), swing=(0, 0.1, 0.1))
    head = b.add_joint(chest, (0, 0.72 * tall, 0), swing=(0.05, 0.35, 0.22))
    b.focus = head
    swaps = []
    skin, top = b.add_part("face", "skin"), b.add_part("top", "top")
    skirted = rng.random() < 0.5
    leg = rng.uniform(0.55, 1.0) * tall * 0.75
    for side, name in ((-1, "left"), (1, "right")):
        trouser = b.add_part(f"{name} trouser", "other trouser" if twins and side > 0 else "skin" if skirted else "bottom")
        sock = b.add_part(f"{name} sock", "sock" if rng.random() < 0.7 else "skin")
        w = rng.uniform(0.2, 0.28) * wide
        foot = add_limb(
            c,
            rng,
            body,
            (side * 0.38 * wide, 0),
            side * 0.05,
            (leg * 0.5, leg * 0.5),
            (w * 1.2, w, w * 0.85),
            (trouser, sock),
            (-0.5 + 0.1 * side) * LAYER,
            0.3,
            0,
        )
        _mark_limb(b, side, ("hip", "knee", "ankle"), foot)
        c.cut_ribbon(
            foot,
            [(-0.12 * side, 0.1), (0.1 * side, -0.06), (0.42 * side, -0.12)],
            [0.12, 0.2, 0.12],
            b.add_part(f"{name} shoe", "shoe"),
            LAYER * 0.6,
        )
    torso = c.cut_ribbon(
        body,
        [(0, -0.15 * tall), (0, 0.3 * tall), (0, 0.75 * tall), (0, 0.98 * tall)],
        np.array([0.85, 0.75, 0.8, 0.3]) * wide * rng.uniform(0.85, 1.1),
        top,
        0.0,
        0.05,
        cut=True,
    )
    _add_trim(c, rng, torso, tall, wide)
    if skirted:
        count, flare = int(rng.integers(4, 9)), rng.uniform(1.0, 1.6)
        skirt = b.add_part("skirt", "bottom")
        long = leg * rng.uniform(0.45, 0.85)
        hip = b.add_joint(body, (0, 0.12 * tall, 0), swing=(0, 0, 0.06))
        prims = c.cut_ribbon(
            hip,
            [(0, 0.1), (0, -0.2 * long), (0, -0.75 * long), (0, -long)],
            np.array([0.8, 0.85, 0.85 * flare, 0.9 * flare]) * wide,
            skirt,
            0.5 * LAYER,
            0.08,
            cut=True,
        )
        for x in np.linspace(-0.7, 0.7, count):
            t = np.linspace(-0.98 * long, -0.35 * long, 9)
            c.draw_line(prims, np.stack([x * wide * (0.85 + (flare - 0.85) * t / -long), t], 1))
    for side, name in ((-1, "left"), (1, "right")):
        sleeve = b.add_part(f"{name} sleeve", "other sleeve" if twins and side > 0 else "top" if rng.random() < 0.6 else "accent")
        lower = sleeve if rng.random() < 0.5 else b.add_part(f"{name} arm", "skin")
        w = rng.uniform(0.17, 0.25) * max(wide, 0.8)
        arm = 0.42 * tall * rng.uniform(0.85, 1.15)
        lift = side * rng.uniform(0.3, 1.2)
        hand = add_limb(
            c,
            rng,
            chest,
            (side * 0.62 * wide, 0.52 * tall),
            lift,
            (arm, arm),
            (w * 1.25, w, w * 0.75),
            (sleeve, lower),
            (1.2 + 0.7 * side) * LAYER,
            0.6,
            side * rng.uniform(-0.2, 0.9),
        )
        swaps += [c.last_ribbon, c.last_ribbon - 1]
        _mark_limb(b, side, ("shoulder", "elbow", "wrist"), hand)
        fist = b.add_part(f"{name} hand", "skin" if rng.random() < 0.7 else "accent")
        palm = c.cut_blob(hand, (0, -0.12), (w * 0.95, w * 1.1), fist, (2.2 + 0.7 * side) * LAYER)
        for k in (-1, 0, 1):
            t = np.linspace(-w * 1.0, -w * 0.4, 5) - 0.12
            c.draw_line(palm, np.stack([np.full(5, k * w * 0.4), t], 1))
        c.cut_ribbon(
            hand,
            [(0, -0.1), (-side * w * 0.9, -0.16), (-side * w * 1.2, -0.05)],
            [w * 0.3, w * 0.32, w * 0.2],
            fist,
            (2.5 + 0.7 * side) * LAYER,
        )
    if rng.random() < 0.15:
        turn = np.linspace(0, 2 * np.pi, 17)
        ring = rng.uniform(0.5, 0.9) * np.stack([np.cos(turn), np.sin(turn)], 1) - (0, rng.uniform(0.5, 0.9))
        c.cut_ribbon(hand, ring, np.full(17, 0.08), b.add_part("hoop", "ribbon"), 2.8 * LAYER, closed=True)
    big = rng.uniform(0.85, 1.3)
    high = big * rng.uniform(0.85, 1.1)
    chin = rng.uniform(0.0, 0.5)
    mascot = rng.random() < 0.25
    c.cut_ribbon(head, [(0, -0.25), (0, 0.0), (0, 0.2)], [0.25, 0.22, 0.25], b.add_part("neck", "skin"), -0.4 * LAYER)
    if not mascot:
        ear = b.add_part("ears", "skin")
        for side in (-1, 1):
            c.cut_blob(head, (side * big * 0.98, high * 0.75), (0.18, 0.24), ear, LAYER * 0.7)
    prims = c.cut_blob(head, (0, high * 0.9), (big, high), skin, 1.5 * LAYER, lambda t: 1 - chin * np.clip(0.5 - t, 0, 1) ** 1.2 * 1.1)
    add_face(c, rng, prims, big, high, (0, high * 0.85), "skin")
    hairy = b.add_joint(head, (0, 0, 1.2 * LAYER), swing=(0, 0, 0.02))
    if mascot:
        add_animal_ears(c, rng, head, big, high)
    else:
        _add_hair(c, rng, hairy, big, high, high * 1.95)
    if rng.random() < 0.3:
        _add_hat(c, rng, hairy, big, high)
    if rng.random() < 0.25:
        _add_scarf(c, rng, chest, tall, wide)
    return c.finish_puppet(rng.uniform(0, 0.012), swaps)


def _mark_limb(b: FigureBuilder, side: int, names: tuple[str, str, str], end: int) -> None:
    """The joints of a limb, whose last one is `end`; the picture's left is the figure's right."""
    middle = b.get_parent_joint(end)
    for name, joint in zip(names, (b.get_parent_joint(middle), middle, end), strict=True):
        b.mark_joint(f"{name}.{'R' if side < 0 else 'L'}", joint)


def _add_hair(c: RibbonCutter, rng: Generator, joint: int, wide: float, high: float, top: float) -> None:
    """A back of hair behind the head, and leaf-shaped clumps before it."""
    b = c.builder
    hair = b.add_part("hair", "hair", int(rng.choice([SHADED, GLOSSY])))
    back = b.add_part("hair behind", "hair" if rng.random() < 0.7 else "hair inside")
    long = rng.uniform(0.2, 2.2)
    c.cut_ribbon(
        joint,
        [(0, top), (0, top - high), (0, -long * high * 0.4), (0, -long * high)],
        np.array([0.1, 1.12, rng.uniform(0.9, 1.3), 0.5]) * wide,
        back,
        -2 * LAYER,
        0.06,
    )
    c.cut_blob(joint, (0, top - 0.3 * high), (wide * 1.06, 0.42 * high), hair, 0.9 * LAYER, lambda t: 0.55 + 0.45 * np.clip(t * 4, 0, 1))
    count = int(rng.integers(3, 7))
    for k, x in enumerate(np.linspace(-0.85, 0.85, count)):
        clump = b.add_joint(joint, (x * wide * 0.75, top - 0.28 * high, 0), (0, 0, rng.uniform(-0.15, 0.15) - x * 0.25), (0, 0, 0.12))
        length = high * rng.uniform(0.3, 0.52) * (1 + 1.2 * x * x)
        lock = b.add_part(f"clump {k % 2}", "hair")
        prims = c.cut_ribbon(
            clump,
            [(0, 0.25 * high), (0, 0), (rng.uniform(-0.1, 0.1), -length * 0.5), (rng.uniform(-0.25, 0.25), -length)],
            np.array([0.06, 0.2, 0.19, 0.0]) * wide * rng.uniform(1.1, 1.6),
            lock,
            (1.4 + 0.35 * (k % 3)) * LAYER,
            0.15,
        )
        t = np.linspace(0.1, -0.5, 9)
        c.draw_line(prims, np.stack([0.03 * np.sin(5 * t), t * length], 1))
    if rng.random() < 0.4:
        for side in (-1, 1):
            tail = b.add_joint(joint, (side * wide * 0.95, top - 0.6 * high, 0), (0, 0, side * rng.uniform(0.2, 0.9)), (0, 0, 0.25))
            length = rng.uniform(0.9, 2.2) * high
            c.cut_ribbon(
                tail,
                [(0, 0), (0, -0.3 * length), (side * 0.1, -0.7 * length), (0, -length)],
                np.array([0.08, 0.3, 0.28, 0.0]) * wide,
                hair,
                -LAYER,
                0.3,
            )
            c.cut_blob(tail, (0, -0.05), (0.13 * wide, 0.11 * wide), b.add_part("hair band", "ribbon"), 1.2 * LAYER)


def _add_trim(c: RibbonCutter, rng: Generator, torso: list[int], tall: float, wide: float) -> None:
    """What is on the clothes."""
    b = c.builder
    kind = rng.choice(["stripes", "emblem", "buttons", "pocket", "dots", "belly", "overall"])
    if kind == "stripes":
        b.add_decal(torso, b.add_part("stripe", "accent"), (0, 0), (50, 0.1), make_squircle(8), period=(0, rng.uniform(2.6, 4)))
    elif kind == "dots":
        b.add_decal(torso, b.add_part("dot", "accent"), (0, 0), (0.1, 0.1), period=(4, 4))
    elif kind == "emblem":
        b.add_decal(
            torso,
            b.add_part("emblem", "accent"),
            (0, 0.4 * tall),
            (0.36 * wide, 0.36 * wide),
            [make_star(5), make_star(6, 0.3), make_squircle(2), make_almond(1, 1)][rng.integers(4)],
        )
    elif kind == "buttons":
        y = np.linspace(-0.1 * tall, 0.8 * tall, 15)
        c.draw_line(torso, np.stack([0 * y, y], 1))
        for k in (0.1, 0.3, 0.5):
            b.add_decal(torso, b.add_part("button", "metal", FLAT), (0.13 * wide, k * tall), (0.07, 0.07))
    elif kind == "pocket":
        for side in (-1, 1):
            b.add_decal(
                torso, b.add_part("pocket", "top dark"), (side * 0.4 * wide, 0.15 * tall), (0.2 * wide, 0.18 * wide), make_squircle(6)
            )
    elif kind == "belly":
        b.add_decal(torso, b.add_part("belly", "cloth light"), (0, 0.22 * tall), (0.55 * wide, 0.34 * tall))
    else:
        b.add_decal(torso, b.add_part("overall", "bottom"), (0, 0.15 * tall), (0.55 * wide, 0.38 * tall), make_squircle(7))
        for side in (-1, 1):
            b.add_decal(
                torso, b.add_part("overall", "bottom"), (side * 0.4 * wide, 0.7 * tall), (0.1 * wide, 0.25 * tall), make_squircle(7)
            )


def _add_hat(c: RibbonCutter, rng: Generator, head: int, wide: float, high: float) -> None:
    b = c.builder
    top = b.add_part("hat", "accent")
    y = high * 1.62
    if rng.random() < 0.5:
        tip = rng.uniform(-0.8, 0.8)
        cone = b.add_joint(head, (0, y, 0), swing=(0, 0, 0.08))
        prims = c.cut_ribbon(
            cone,
            [(0, 0), (0, 0.4 * high), (0.3 * tip, high), (tip, 1.5 * high)],
            np.array([1.0, 0.7, 0.32, 0.0]) * wide,
            top,
            3 * LAYER,
            0.1,
            cut=True,
        )
        b.add_decal(prims, b.add_part("hat band", "ribbon"), (0, 0.13 * high), (50, 0.08 * high), make_squircle(8))
    else:
        c.cut_blob(head, (0, y + 0.15 * high), (wide * 1.05, 0.6 * high), top, 3 * LAYER, lambda t: np.where(t < 0.4, 0.97, 1.0))
        c.cut_blob(head, (0, y + 0.75 * high), (0.24, 0.24), b.add_part("pompom", "cloth light"), 3.4 * LAYER)
    c.cut_ribbon(head, [(-1.5 * wide, y), (0, y + 0.08), (1.5 * wide, y)], [0.1, 0.16, 0.1], b.add_part("hat rim", "ribbon"), 3.8 * LAYER)


def _add_scarf(c: RibbonCutter, rng: Generator, chest: int, tall: float, wide: float) -> None:
    b = c.builder
    part = b.add_part("scarf", "ribbon")
    y = 0.68 * tall
    end = b.add_joint(chest, (rng.choice([-1, 1]) * 0.3 * wide, y, 0), swing=(0, 0, 0.4))
    tail = c.cut_ribbon(end, [(0, 0), (0.05, -0.4), (0, -0.9)], [0.14, 0.16, 0.17], part, 3.0 * LAYER, 0.5, cut=True)
    b.add_decal(tail, b.add_part("scarf end", "cloth light"), (0, -0.7), (50, 0.06), make_squircle(8))
    c.cut_ribbon(chest, [(-0.7 * wide, y + 0.1), (0, y - 0.12), (0.7 * wide, y + 0.1)], [0.12, 0.17, 0.12], part, 3.4 * LAYER)
