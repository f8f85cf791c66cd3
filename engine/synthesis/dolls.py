"""Puppets of paper: children and mascots, beasts, fish and birds, flowers in pots."""

import numpy as np
from numpy.random import Generator

from .builder import Builder, almond, polygon, squircle, star
from .figure import FLAT, GLOSSY, HIGHLIGHT, SHADED, SHINY
from .ribbons import Cutter, Puppet

LAYER = 0.12  # units between layers: more than the step in depth that is drawn


def puppet(rng: Generator) -> Puppet:
    """A puppet of many."""
    kind = int(rng.choice(4, p=[0.5, 0.2, 0.15, 0.15]))
    return (_child, _beast, _flyer, _plant)[kind](rng)


def _face(c: Cutter, rng: Generator, prims: list[int], wide: float, high: float, center: tuple[float, float], skin: str) -> None:
    """Eyes, mouth and cheeks on a head; `wide`, `high` are half its size."""
    b = c.builder
    x0, y0 = center
    apart, level = rng.uniform(0.34, 0.52) * wide, y0 - rng.uniform(0.0, 0.25) * high
    eye = np.array([rng.uniform(0.13, 0.24) * wide, rng.uniform(0.16, 0.3) * high])
    kind = rng.choice(["big", "big", "dot", "almond", "half"])
    look = rng.uniform(-0.25, 0.25)
    for side, name in ((-1, "left"), (1, "right")):
        at = np.array([x0 + side * apart, level])
        if kind == "dot":
            b.decal(prims, b.part(f"{name} eye", "pupil", FLAT), at, eye * 0.5)
            b.decal(prims, b.part(f"{name} glint", "glint", FLAT), at + eye * (-0.12, 0.18), eye * 0.16)
            continue
        outline = squircle(2.2) if kind == "big" else almond(0.8, 0.8, side * 0.1) if kind == "almond" else polygon(_half())
        white = b.decal(prims, b.part(f"{name} white", "white", FLAT), at, eye, outline)
        iris = eye.min() * rng.uniform(0.6, 0.75)
        gaze = at + (look * eye[0], 0)
        b.decal(prims, b.part(f"{name} iris", "iris", FLAT), gaze, (iris, iris * 1.1), within=white)
        b.decal(prims, b.part(f"{name} pupil", "pupil", FLAT), gaze, (iris * 0.5, iris * 0.55), within=white)
        b.decal(prims, b.part(f"{name} glint", "glint", FLAT), gaze + (-iris * 0.35, iris * 0.4), (iris * 0.27, iris * 0.27), within=white)
    t = np.linspace(-1, 1, 13)
    mouth = level - rng.uniform(0.32, 0.5) * high
    size = rng.uniform(0.12, 0.3) * wide
    if rng.random() < 0.5:
        c.line(prims, np.stack([x0 + t * size, mouth - 0.35 * size * (1 - t * t) * rng.choice([1, 1, -0.6])], 1))
    else:
        hole = b.decal(prims, b.part("mouth", "mouth", FLAT), (x0, mouth), (size, size * 0.7), almond(1.0, 0.25))
        b.decal(prims, b.part("tongue", "tongue", FLAT), (x0, mouth - 0.6 * size), (size * 0.6, size * 0.35), within=hole)
    if rng.random() < 0.6:
        nose = level - 0.25 * high
        c.line(prims, np.stack([x0 + t * 0.07 * wide, nose - 0.05 * wide * (1 - t * t)], 1))
    if rng.random() < 0.5:
        for side in (-1, 1):
            b.decal(
                prims, b.part("cheek", "blush", FLAT, HIGHLIGHT), (x0 + side * apart * 1.25, level - 0.3 * high), (0.14 * wide, 0.08 * wide)
            )
    for side in (-1, 1):
        if rng.random() < 0.7:
            brow = level + eye[1] * 1.45 + rng.uniform(-0.03, 0.05)
            c.line(prims, np.stack([x0 + side * apart + t * 0.18 * wide, brow + 0.05 * wide * (1 - t * t)], 1))


def _half() -> list[tuple[float, float]]:
    turn = np.linspace(np.pi * 1.08, np.pi * 1.92, 12)
    return [(float(np.cos(a)), float(np.sin(a))) for a in turn] + [(1.0, 0.25), (-1.0, 0.25)]


def _hair(c: Cutter, rng: Generator, joint: int, wide: float, high: float, top: float) -> None:
    """A back of hair behind the head, and leaf-shaped clumps before it."""
    b = c.builder
    hair = b.part("hair", "hair", int(rng.choice([SHADED, GLOSSY])))
    back = b.part("hair behind", "hair" if rng.random() < 0.7 else "hair inside")
    long = rng.uniform(0.2, 2.2)
    c.ribbon(
        joint,
        [(0, top), (0, top - high), (0, -long * high * 0.4), (0, -long * high)],
        np.array([0.1, 1.12, rng.uniform(0.9, 1.3), 0.5]) * wide,
        back,
        -2 * LAYER,
        0.06,
    )
    c.blob(joint, (0, top - 0.3 * high), (wide * 1.06, 0.42 * high), hair, 0.9 * LAYER, lambda t: 0.55 + 0.45 * np.clip(t * 4, 0, 1))
    count = int(rng.integers(3, 7))
    for k, x in enumerate(np.linspace(-0.85, 0.85, count)):
        clump = b.joint(joint, (x * wide * 0.75, top - 0.28 * high, 0), (0, 0, rng.uniform(-0.15, 0.15) - x * 0.25), (0, 0, 0.12))
        length = high * rng.uniform(0.3, 0.52) * (1 + 1.2 * x * x)
        lock = b.part(f"clump {k % 2}", "hair")
        prims = c.ribbon(
            clump,
            [(0, 0.25 * high), (0, 0), (rng.uniform(-0.1, 0.1), -length * 0.5), (rng.uniform(-0.25, 0.25), -length)],
            np.array([0.06, 0.2, 0.19, 0.0]) * wide * rng.uniform(1.1, 1.6),
            lock,
            (1.4 + 0.35 * (k % 3)) * LAYER,
            0.15,
        )
        t = np.linspace(0.1, -0.5, 9)
        c.line(prims, np.stack([0.03 * np.sin(5 * t), t * length], 1))
    if rng.random() < 0.4:
        for side in (-1, 1):
            tail = b.joint(joint, (side * wide * 0.95, top - 0.6 * high, 0), (0, 0, side * rng.uniform(0.2, 0.9)), (0, 0, 0.25))
            length = rng.uniform(0.9, 2.2) * high
            c.ribbon(
                tail,
                [(0, 0), (0, -0.3 * length), (side * 0.1, -0.7 * length), (0, -length)],
                np.array([0.08, 0.3, 0.28, 0.0]) * wide,
                hair,
                -LAYER,
                0.3,
            )
            c.blob(tail, (0, -0.05), (0.13 * wide, 0.11 * wide), b.part("hair band", "ribbon"), 1.2 * LAYER)


def _limb(c: Cutter, rng: Generator, parent: int, at, angle: float, lengths, widths, parts, z: float, swing: float, bow: float) -> int:
    """Two bones and the shapes on them; returns the joint at the end."""
    upper = c.builder.joint(parent, (*at, 0), (0, 0, angle), (0, 0, swing))
    lower = c.builder.joint(upper, (0, -lengths[0], 0), (0, 0, bow), (0, 0, swing))
    end = c.builder.joint(lower, (0, -lengths[1], 0), swing=(0, 0, swing * 0.6))
    w0, w1, w2 = widths
    c.ribbon(lower, [(0, 0.5 * w1), (0, 0), (0, -lengths[1] * 0.6), (0, -lengths[1])], [w1 * 0.7, w1, (w1 + w2) / 2, w2], parts[1], z, 0.06)
    c.ribbon(
        upper,
        [(0, 0.6 * w0), (0, 0), (0, -lengths[0] * 0.6), (0, -lengths[0] - 0.3 * w1)],
        [w0 * 0.55, w0, (w0 + w1) / 2, w1 * 0.9],
        parts[0],
        z + 0.4 * LAYER,
        0.06,
    )
    return end


def _child(rng: Generator) -> Puppet:
    """A child or a mascot, seen from the front."""
    b = Builder()
    c = Cutter(b)
    twins = rng.random() < 0.3
    tall, wide = rng.uniform(1.4, 2.6), rng.uniform(0.7, 1.2)
    body = b.joint(-1, (0, 0, 0), swing=(0.03, 0.2, 0.1))
    chest = b.joint(body, (0, 0.3 * tall, 0), swing=(0, 0.1, 0.1))
    head = b.joint(chest, (0, 0.72 * tall, 0), swing=(0.05, 0.35, 0.22))
    b.focus = head
    swaps = []
    skin, top = b.part("face", "skin"), b.part("top", "top")
    skirted = rng.random() < 0.5
    leg = rng.uniform(0.55, 1.0) * tall * 0.75
    for side, name in ((-1, "left"), (1, "right")):
        trouser = b.part(f"{name} trouser", "other trouser" if twins and side > 0 else "skin" if skirted else "bottom")
        sock = b.part(f"{name} sock", "sock" if rng.random() < 0.7 else "skin")
        w = rng.uniform(0.2, 0.28) * wide
        foot = _limb(
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
        c.ribbon(
            foot,
            [(-0.12 * side, 0.1), (0.1 * side, -0.06), (0.42 * side, -0.12)],
            [0.12, 0.2, 0.12],
            b.part(f"{name} shoe", "shoe"),
            LAYER * 0.6,
        )
    torso = c.ribbon(
        body,
        [(0, -0.15 * tall), (0, 0.3 * tall), (0, 0.75 * tall), (0, 0.98 * tall)],
        np.array([0.85, 0.75, 0.8, 0.3]) * wide * rng.uniform(0.85, 1.1),
        top,
        0.0,
        0.05,
        cut=True,
    )
    _trim(c, rng, torso, tall, wide)
    if skirted:
        count, flare = int(rng.integers(4, 9)), rng.uniform(1.0, 1.6)
        skirt = b.part("skirt", "bottom")
        long = leg * rng.uniform(0.45, 0.85)
        hip = b.joint(body, (0, 0.12 * tall, 0), swing=(0, 0, 0.06))
        prims = c.ribbon(
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
            c.line(prims, np.stack([x * wide * (0.85 + (flare - 0.85) * t / -long), t], 1))
    for side, name in ((-1, "left"), (1, "right")):
        sleeve = b.part(f"{name} sleeve", "other sleeve" if twins and side > 0 else "top" if rng.random() < 0.6 else "accent")
        lower = sleeve if rng.random() < 0.5 else b.part(f"{name} arm", "skin")
        w = rng.uniform(0.17, 0.25) * max(wide, 0.8)
        arm = 0.42 * tall * rng.uniform(0.85, 1.15)
        lift = side * rng.uniform(0.3, 1.2)
        hand = _limb(
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
        swaps += [c.last, c.last - 1]
        fist = b.part(f"{name} hand", "skin" if rng.random() < 0.7 else "accent")
        palm = c.blob(hand, (0, -0.12), (w * 0.95, w * 1.1), fist, (2.2 + 0.7 * side) * LAYER)
        for k in (-1, 0, 1):
            t = np.linspace(-w * 1.0, -w * 0.4, 5) - 0.12
            c.line(palm, np.stack([np.full(5, k * w * 0.4), t], 1))
        c.ribbon(
            hand,
            [(0, -0.1), (-side * w * 0.9, -0.16), (-side * w * 1.2, -0.05)],
            [w * 0.3, w * 0.32, w * 0.2],
            fist,
            (2.5 + 0.7 * side) * LAYER,
        )
    big = rng.uniform(0.85, 1.3)
    high = big * rng.uniform(0.85, 1.1)
    chin = rng.uniform(0.0, 0.5)
    mascot = rng.random() < 0.25
    c.ribbon(head, [(0, -0.25), (0, 0.0), (0, 0.2)], [0.25, 0.22, 0.25], b.part("neck", "skin"), -0.4 * LAYER)
    if not mascot:
        ear = b.part("ears", "skin")
        for side in (-1, 1):
            c.blob(head, (side * big * 0.98, high * 0.75), (0.18, 0.24), ear, LAYER * 0.7)
    prims = c.blob(head, (0, high * 0.9), (big, high), skin, 1.5 * LAYER, lambda t: 1 - chin * np.clip(0.5 - t, 0, 1) ** 1.2 * 1.1)
    _face(c, rng, prims, big, high, (0, high * 0.85), "skin")
    hairy = b.joint(head, (0, 0, 1.2 * LAYER), swing=(0, 0, 0.02))
    if mascot:
        _animal_ears(c, rng, head, big, high)
    else:
        _hair(c, rng, hairy, big, high, high * 1.95)
    if rng.random() < 0.3:
        _hat(c, rng, hairy, big, high)
    if rng.random() < 0.25:
        _scarf(c, rng, chest, tall, wide)
    return c.finish(rng.uniform(0, 0.012), swaps)


def _trim(c: Cutter, rng: Generator, torso: list[int], tall: float, wide: float) -> None:
    """What is on the clothes."""
    b = c.builder
    kind = rng.choice(["stripes", "emblem", "buttons", "pocket", "dots", "belly", "overall"])
    if kind == "stripes":
        b.decal(torso, b.part("stripe", "accent"), (0, 0), (50, 0.1), squircle(8), period=(0, rng.uniform(2.6, 4)))
    elif kind == "dots":
        b.decal(torso, b.part("dot", "accent"), (0, 0), (0.1, 0.1), period=(4, 4))
    elif kind == "emblem":
        b.decal(
            torso,
            b.part("emblem", "accent"),
            (0, 0.4 * tall),
            (0.36 * wide, 0.36 * wide),
            [star(5), star(6, 0.3), squircle(2), almond(1, 1)][rng.integers(4)],
        )
    elif kind == "buttons":
        y = np.linspace(-0.1 * tall, 0.8 * tall, 15)
        c.line(torso, np.stack([0 * y, y], 1))
        for k in (0.1, 0.3, 0.5):
            b.decal(torso, b.part("button", "metal", FLAT), (0.13 * wide, k * tall), (0.07, 0.07))
    elif kind == "pocket":
        for side in (-1, 1):
            b.decal(torso, b.part("pocket", "top dark"), (side * 0.4 * wide, 0.15 * tall), (0.2 * wide, 0.18 * wide), squircle(6))
    elif kind == "belly":
        b.decal(torso, b.part("belly", "cloth light"), (0, 0.22 * tall), (0.55 * wide, 0.34 * tall))
    else:
        b.decal(torso, b.part("overall", "bottom"), (0, 0.15 * tall), (0.55 * wide, 0.38 * tall), squircle(7))
        for side in (-1, 1):
            b.decal(torso, b.part("overall", "bottom"), (side * 0.4 * wide, 0.7 * tall), (0.1 * wide, 0.25 * tall), squircle(7))


def _animal_ears(c: Cutter, rng: Generator, head: int, wide: float, high: float) -> None:
    b = c.builder
    kind = rng.choice(["long", "round", "pointed"])
    fur = b.part("ears", "skin")
    length = {"long": rng.uniform(1.0, 1.8), "round": 0.5, "pointed": 0.8}[kind] * high
    for side in (-1, 1):
        ear = b.joint(head, (side * wide * 0.6, high * 1.6, 0), (0, 0, -side * rng.uniform(0.1, 0.6)), (0, 0, 0.25))
        if kind == "round":
            prims = c.blob(ear, (0, 0.1), (0.36 * wide, 0.36 * wide), fur, -0.6 * LAYER)
            b.decal(prims, b.part("inner ear", "blush"), (0, 0.1), (0.2 * wide, 0.2 * wide))
        else:
            end = 0.0 if kind == "pointed" else 0.12
            prims = c.ribbon(
                ear,
                [(0, -0.2), (0, 0.3 * length), (0, 0.7 * length), (0, length)],
                np.array([0.3, 0.32, 0.24, end]) * wide,
                fur,
                -0.6 * LAYER,
                0.25,
            )
            b.decal(
                prims,
                b.part("inner ear", "blush"),
                (0, 0.45 * length),
                (0.15 * wide, 0.33 * length),
                almond(1, 1) if kind == "long" else squircle(2),
            )


def _hat(c: Cutter, rng: Generator, head: int, wide: float, high: float) -> None:
    b = c.builder
    top = b.part("hat", "accent")
    y = high * 1.62
    if rng.random() < 0.5:
        tip = rng.uniform(-0.8, 0.8)
        cone = b.joint(head, (0, y, 0), swing=(0, 0, 0.08))
        prims = c.ribbon(
            cone,
            [(0, 0), (0, 0.4 * high), (0.3 * tip, high), (tip, 1.5 * high)],
            np.array([1.0, 0.7, 0.32, 0.0]) * wide,
            top,
            3 * LAYER,
            0.1,
            cut=True,
        )
        b.decal(prims, b.part("hat band", "ribbon"), (0, 0.13 * high), (50, 0.08 * high), squircle(8))
    else:
        c.blob(head, (0, y + 0.15 * high), (wide * 1.05, 0.6 * high), top, 3 * LAYER, lambda t: np.where(t < 0.4, 0.97, 1.0))
        c.blob(head, (0, y + 0.75 * high), (0.24, 0.24), b.part("pompom", "cloth light"), 3.4 * LAYER)
    c.ribbon(head, [(-1.5 * wide, y), (0, y + 0.08), (1.5 * wide, y)], [0.1, 0.16, 0.1], b.part("hat rim", "ribbon"), 3.8 * LAYER)


def _scarf(c: Cutter, rng: Generator, chest: int, tall: float, wide: float) -> None:
    b = c.builder
    part = b.part("scarf", "ribbon")
    y = 0.68 * tall
    end = b.joint(chest, (rng.choice([-1, 1]) * 0.3 * wide, y, 0), swing=(0, 0, 0.4))
    tail = c.ribbon(end, [(0, 0), (0.05, -0.4), (0, -0.9)], [0.14, 0.16, 0.17], part, 3.0 * LAYER, 0.5, cut=True)
    b.decal(tail, b.part("scarf end", "cloth light"), (0, -0.7), (50, 0.06), squircle(8))
    c.ribbon(chest, [(-0.7 * wide, y + 0.1), (0, y - 0.12), (0.7 * wide, y + 0.1)], [0.12, 0.17, 0.12], part, 3.4 * LAYER)


def _beast(rng: Generator) -> Puppet:
    """Four legs, seen from the side."""
    b = Builder()
    c = Cutter(b)
    long, high = rng.uniform(1.6, 3.0), rng.uniform(0.6, 1.0)
    fur, belly = b.part("fur", "hair"), b.part("belly", "cloth light")
    body = b.joint(-1, (0, 0, 0), swing=(0.02, 0.3, 0.08))
    leg = rng.uniform(0.8, 1.6)
    for pair, z in ((0, -1.5), (1, 1.2)):
        for x in (-0.72, 0.72):
            far = b.part("far legs", "top dark" if rng.random() < 0.3 else "hair") if pair == 0 else b.part(f"leg {x > 0}", "hair")
            paw = _limb(
                c,
                rng,
                body,
                (x * long, -0.35 * high),
                0.0,
                (leg * 0.5, leg * 0.5),
                (0.3, 0.22, 0.18),
                (far, far),
                z * LAYER,
                0.35,
                0.1 * np.sign(x),
            )
            c.blob(paw, (-0.08, -0.08), (0.26, 0.17), b.part(f"paw {pair}{x > 0}", "cloth light"), (z + 0.6) * LAYER)
    tail = b.joint(body, (long * 1.0, 0.2 * high, 0), (0, 0, 1.9), (0, 0, 0.4))
    size = rng.uniform(0.12, 0.35)
    prims = c.ribbon(tail, [(0, 0.2), (0.1, -0.4), (0.3, -0.9), (0.2, -1.5)], np.array([0.5, 0.9, 1.0, 0.0]) * size, fur, -LAYER, 0.6)
    b.decal(prims, b.part("tail tip", "cloth light"), (0.2, -1.45), (50, 0.32), squircle(8))
    trunk = c.ribbon(
        body,
        [(-1.15 * long, 0.1), (-0.5 * long, 0.05), (0.4 * long, 0), (1.12 * long, 0.1)],
        np.array([0.35, 1.0, 0.95, 0.3]) * high,
        fur,
        0.0,
        0.0,
    )
    if rng.random() < 0.6:
        b.decal(trunk, belly, (0, -0.75 * high), (0.8 * long, 0.5 * high))
    if rng.random() < 0.5:
        b.decal(trunk, b.part("spots", "top"), (0, 0.2), (0.2, 0.24), squircle(2.3), period=(3.6, 3.3))
    neck = b.joint(body, (-0.95 * long, 0.4 * high, 0), swing=(0, 0, 0.15))
    rise = rng.uniform(0.2, 1.0)
    c.ribbon(neck, [(0.3, -0.3), (0, 0.3 * rise), (-0.25, rise + 0.3)], [0.5 * high, 0.45 * high, 0.4 * high], fur, 0.5 * LAYER)
    head = b.joint(neck, (-0.3, rise + 0.1, 0), swing=(0, 0.2, 0.25))
    b.focus = head
    _animal_ears(c, rng, head, 0.75, 0.5)
    prims = c.blob(head, (-0.1, 0.35), (0.85, 0.7), fur, 2 * LAYER, lambda t: 0.85 + 0.15 * np.sin(t * 5))
    c.blob(head, (-0.25, 0.02), (0.5, 0.34), belly, 2.6 * LAYER)
    c.blob(head, (-0.3, 0.18), (0.15, 0.1), b.part("nose", "pupil", SHINY), 3.2 * LAYER)
    _face(c, rng, prims, 0.8, 0.6, (-0.15, 0.55), "hair")
    if rng.random() < 0.6:
        collar = b.part("collar", "ribbon")
        c.ribbon(
            neck, [(-0.5 * high - 0.1, 0.5 * rise), (-0.05, 0.4 * rise), (0.45 * high, 0.6 * rise)], [0.1, 0.12, 0.1], collar, 1.4 * LAYER
        )
        c.blob(neck, (-0.1, 0.3 * rise - 0.05), (0.13, 0.13), b.part("bell", "metal", SHINY), 1.9 * LAYER)
    return c.finish(rng.uniform(0, 0.012), [])


def _flyer(rng: Generator) -> Puppet:
    """A fish or a bird, seen from the side."""
    b = Builder()
    c = Cutter(b)
    bird = rng.random() < 0.5
    long, high = rng.uniform(1.4, 2.2), rng.uniform(0.7, 1.2)
    skin, fin = b.part("body", "top"), b.part("fins", "accent")
    body = b.joint(-1, (0, 0, 0), swing=(0.05, 0.4, 0.2))
    b.focus = body
    tail = b.joint(body, (long * 0.85, 0, 0), (0, 0, np.pi / 2), (0, 0, 0.3))
    for lean in (-0.55, 0.55) if not bird else (-0.3, 0.0, 0.3):
        c.ribbon(
            tail,
            [(0, 0.1), (lean * 0.5, -0.5), (lean * 1.2, -1.2)],
            [0.1, 0.3, 0.02 if not bird else 0.16],
            fin,
            -LAYER * (1 + abs(lean)),
            0.4,
        )
    top = b.joint(body, (0, high * 0.8, 0), swing=(0, 0, 0.2))
    if not bird:
        prims = c.ribbon(top, [(-0.5, -0.2), (0.1, 0.35), (0.9, 0.2)], [0.2, 0.3, 0.02], fin, -LAYER, 0.1)
        for x in (-0.1, 0.2, 0.5):
            c.line(prims, np.stack([np.linspace(x, x + 0.15, 5), np.linspace(0.05, 0.5, 5)], 1))
    prims = c.ribbon(
        body, [(-1.0 * long, 0), (-0.6 * long, 0.02), (0.2 * long, 0), (long, 0)], np.array([0.1, 0.85, 0.9, 0.16]) * high, skin, 0.0, 0.08
    )
    if rng.random() < 0.6:
        b.decal(prims, b.part("stripe", "ribbon"), (0.3, 0), (0.14, 50), squircle(8), period=(rng.uniform(4, 7), 0))
    b.decal(prims, b.part("belly", "cloth light"), (-0.2, -0.85 * high), (0.9 * long, 0.55 * high))
    if bird:
        _limb(c, rng, body, (0.1, -0.7 * high), 0, (0.4, 0.4), (0.07, 0.06, 0.06), (b.part("feet", "metal"),) * 2, -LAYER, 0.2, 0.2)
        for k, z in enumerate((-1.6, 1.6)):
            wing = b.joint(body, (-0.1, 0.25 * high, 0), (0, 0, rng.uniform(0.2, 2.2)), (0, 0, 0.7))
            feathers = c.ribbon(
                wing,
                [(0, 0.2), (0.1, -0.4), (0.15, -1.0), (0.1, -1.5)],
                [0.2, 0.5, 0.4, 0.05],
                b.part(f"wing {k}", "accent"),
                z * LAYER,
                0.3,
            )
            for y in (-0.5, -0.8, -1.1):
                t = np.linspace(0, 1, 7)
                c.line(feathers, np.stack([0.1 + 0.35 * t - 0.15, y - 0.25 * t], 1))
        beak = b.joint(body, (-0.85 * long, 0.1, 0))
        c.ribbon(beak, [(0.2, 0), (-0.2, -0.02), (-0.6, -0.1)], [0.26, 0.2, 0.0], b.part("beak", "metal"), 0.7 * LAYER)
    else:
        side = b.joint(body, (0, -0.2 * high, 0), (0, 0, 0.6), (0, 0, 0.5))
        c.ribbon(side, [(0, 0.1), (0.1, -0.4), (0.2, -0.8)], [0.1, 0.27, 0.1], fin, 1.2 * LAYER, 0.4)
        t = np.linspace(-1, 1, 9)
        c.line(prims, np.stack([-0.45 * long + 0.12 * (1 - t * t), 0.5 * high * t], 1))
        c.line(prims, np.stack([-0.95 * long + 0.25 * (t + 1) / 2, -0.1 - 0.08 * (1 - t * t)], 1))
    at = np.array([-0.66 * long, 0.28 * high])
    white = b.decal(prims, b.part("white", "white", FLAT), at, (0.24, 0.26))
    b.decal(prims, b.part("iris", "iris", FLAT), at + (-0.04, 0), (0.15, 0.17), within=white)
    b.decal(prims, b.part("pupil", "pupil", FLAT), at + (-0.04, 0), (0.08, 0.1), within=white)
    b.decal(prims, b.part("glint", "glint", FLAT), at + (-0.08, 0.06), (0.04, 0.05))
    return c.finish(rng.uniform(0, 0.012), [])


def _plant(rng: Generator) -> Puppet:
    """A flower in a pot, with a face perhaps; a cup with a handle beside it."""
    b = Builder()
    c = Cutter(b)
    pot_joint = b.joint(-1, (0, 0, 0), swing=(0.02, 0.3, 0.05))
    stem = b.joint(pot_joint, (0, 0.5, 0), swing=(0, 0, 0.15))
    length = rng.uniform(1.2, 2.6)
    c.ribbon(stem, [(0, -0.2), (0, length * 0.5), (0, length)], [0.09, 0.08, 0.07], b.part("stem", "top"), -LAYER, 0.2)
    for k in range(int(rng.integers(2, 5))):
        side = 1 if k % 2 else -1
        leaf = b.joint(stem, (0, length * (0.25 + 0.15 * k), 0), (0, 0, side * rng.uniform(1.6, 2.3)), (0, 0, 0.25))
        prims = c.ribbon(
            leaf,
            [(0, 0), (0, -0.4), (0.05, -0.8), (0, -1.2)],
            [0.03, 0.25, 0.22, 0.0],
            b.part(f"leaf {k}", "top"),
            (k % 3 - 1.5) * LAYER,
            0.4,
        )
        c.line(prims, np.stack([np.zeros(8), np.linspace(-0.1, -1.0, 8)], 1))
    head = b.joint(stem, (0, length, 0), swing=(0.05, 0.3, 0.2))
    b.focus = head
    count = int(rng.integers(5, 12))
    for k, turn in enumerate(np.linspace(0, 2 * np.pi, count, endpoint=False)):
        petal = b.joint(head, (0, 0, 0), (0, 0, turn), (0, 0, 0.05))
        tip = rng.choice([0.0, 0.2])
        part = b.part(f"petal {k % 2}", "ribbon" if k % 2 else "accent")
        c.ribbon(
            petal,
            [(0, 0.3), (0, 0.8), (0, 1.2), (0, 1.55)],
            [0.15, 0.34, 0.34, tip],
            part,
            (0.5 + 0.5 * (k % 2)) * LAYER,
            0.1,
        )
    prims = c.blob(head, (0, 0), (0.72, 0.72), b.part("heart", "metal"), 2 * LAYER)
    if rng.random() < 0.75:
        _face(c, rng, prims, 0.75, 0.7, (0, 0.1), "metal")
    high = rng.uniform(0.9, 1.5)
    pot = c.ribbon(
        pot_joint,
        [(0, -high), (0, -high * 0.4), (0, 0.2), (0, 0.55)],
        [0.65, 0.8, 0.95, 1.0],
        b.part("pot", "leather"),
        0.6 * LAYER,
        cut=True,
    )
    b.decal(
        pot,
        b.part("pot pattern", "cloth light"),
        (0, -0.35 * high),
        (0.2, 0.2),
        [star(4), squircle(2), star(6, 0.4)][rng.integers(3)],
        period=(2.8, 0),
    )
    c.ribbon(pot_joint, [(-1.15, 0.5), (0, 0.47), (1.15, 0.5)], [0.14, 0.16, 0.14], b.part("pot rim", "leather dark"), 1.3 * LAYER)
    if rng.random() < 0.7:
        side = rng.choice([-1, 1])
        turn = np.linspace(0, 2 * np.pi, 13)
        cup = b.joint(pot_joint, (side * 2.1, -high + 0.45, 0), swing=(0, 0, 0.03))
        ring = np.stack([side * 0.55 + 0.34 * np.cos(turn), 0.38 * np.sin(turn)], 1)
        c.ribbon(cup, ring, np.full(13, 0.09), b.part("handle", "ribbon"), 0.2 * LAYER, closed=True)
        c.ribbon(cup, [(0, -0.45), (0, 0), (0, 0.5)], [0.45, 0.52, 0.56], b.part("cup", "ribbon"), 0.9 * LAYER, cut=True)
        c.blob(cup, (0, 0.5), (0.56, 0.13), b.part("tea", "leather dark", FLAT), 1.6 * LAYER)
    return c.finish(rng.uniform(0, 0.012), [])
