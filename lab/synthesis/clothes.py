"""Clothes of people, fitted to a `body.BodyMeasures`. Lengths are in radii of the skull."""

import numpy as np
from numpy.random import Generator

from .accessories import add_bag, add_cape, add_scarf, add_tail
from .body import BodyMeasures
from .builder import FigureBuilder
from .figure import FLAT, SHINY
from .outlines import make_almond, make_polygon, make_squircle, make_star

_TWINS = ("left", "right")


def dress_body(b: FigureBuilder, rng: Generator, body: BodyMeasures) -> None:
    """A whole outfit."""
    twins = rng.random() < 0.3  # left and right in different colors
    lower = rng.choice(["trousers", "trousers", "shorts", "skirt", "skirt", "dress", "robe"])
    top = b.add_part("top", "top")
    chest, belly = _add_torso(b, rng, body, top, lower)
    _add_collar(b, rng, body, chest)
    _add_front(b, rng, body, chest, belly)
    for side in (0, 1):
        _add_arm(b, rng, body, side, twins)
    _add_legs(b, rng, body, lower, twins)
    if lower in ("skirt", "dress", "robe"):
        _add_skirt(b, rng, body, lower)
    elif rng.random() < 0.3:
        _add_coat_tail(b, rng, body)
    if rng.random() < 0.16:
        add_cape(b, rng, body)
    if rng.random() < 0.16:
        add_scarf(b, rng, body)
    if rng.random() < 0.16:
        add_bag(b, rng, body)
    if rng.random() < 0.12:
        add_tail(b, rng, body)


def _add_torso(b: FigureBuilder, rng: Generator, body: BodyMeasures, top: int, lower: str) -> tuple[int, int]:
    neck = b.add_part("neck", "skin")
    b.add_cone(body.neck, (0, -0.12, 0), (0, 0.75, 0.05), 0.3 * min(1.2, body.width), 0.27 * min(1.2, body.width), neck)
    h, w = body.torso, body.width
    flat = rng.uniform(0.62, 0.8)
    chest = b.add_cone(body.chest, (0, 0.1 * h, 0), (0, 0.38 * h, 0.02), body.waist * 1.04, w * 0.76, top, flat=flat)
    b.add_cone(body.chest, (-w * 0.72, 0.48 * h, 0), (w * 0.72, 0.48 * h, 0), 0.17 * h, 0.17 * h, top, flat=1.0)
    material = "top" if lower in ("dress", "robe") or rng.random() < 0.35 else "bottom"
    hips = b.add_part("hips", material)
    belly = b.add_cone(body.pelvis, (0, 0.1 * h, 0), (0, 0.42 * h, 0), body.seat * 0.95, body.waist, top, flat=flat)
    b.add_cone(body.pelvis, (0, -0.08 * h, 0), (0, 0.08 * h, 0), body.seat * 0.96, body.seat, hips, flat=flat)
    if rng.random() < 0.55:
        belt = b.add_part("belt", "leather")
        reach = body.seat * 1.07
        b.add_shell(body.pelvis, (0, 0.06 * h, 0), (0, 0.06 * h + 0.16, 0), (reach, reach, reach * 0.97), belt, belt, flat=flat)
        if rng.random() < 0.7:
            b.add_box(body.pelvis, (0, 0.06 * h + 0.08, reach * flat), (0.13, 0.11, 0.05), b.add_part("buckle", "metal", SHINY), 0.2)
    return chest, belly


def _add_collar(b: FigureBuilder, rng: Generator, body: BodyMeasures, chest: int) -> None:
    h, w = body.torso, body.width
    kind = rng.choice(["round", "v", "sailor", "turtle", "shirt", "bow", "hood"])
    top = 0.33 * h + 0.55 * w
    if kind in ("round", "v", "sailor"):
        shape = make_squircle(2) if kind == "round" else make_polygon([(-1, 1), (1, 1), (0, -1.3)])
        b.add_decal(chest, b.add_part("neck", "skin"), (0, top), (0.38 * w, 0.3 * w), shape)
    if kind == "sailor":
        collar = b.add_part("sailor collar", "accent")
        for side in (-1, 1):
            b.add_cone(body.chest, (side * 0.5 * w, 0.52 * h, 0.1 * w), (side * 0.08, 0.3 * h, 0.7 * w), 0.2 * w, 0.05, collar, flat=0.5)
        b.add_ball(body.chest, (0, 0.5 * h, -0.35 * w), (0.75 * w, 0.3 * h, 0.35 * w), collar)
    if kind == "turtle":
        part = b.add_part("turtleneck", "top")
        b.add_shell(body.neck, (0, -0.12, 0), (0, 0.35, 0.02), (0.5 * w + 0.05, 0.36, 0.37), part, part)
    if kind == "shirt":
        collar = b.add_part("collar", "cloth light")
        for side in (-1, 1):
            b.add_cone(body.chest, (side * 0.12, 0.62 * h, 0.3 * w), (side * 0.36 * w, 0.46 * h, 0.62 * w), 0.12, 0.04, collar, flat=0.4)
    if kind in ("bow", "sailor") or rng.random() < 0.15:
        bow = b.add_part("bow", "ribbon")
        center = np.array([0, 0.34 * h, 0.74 * w])
        for side in (-1, 1):
            b.add_cone(body.chest, center, center + (side * 0.42 * w, 0.06, 0), 0.05, 0.19 * w + 0.03, bow, flat=0.5)
            b.add_cone(body.chest, center, center + (side * 0.2 * w, -0.5 * w, 0), 0.05, 0.1 * w, bow, flat=0.4)
        b.add_ball(body.chest, center + (0, 0, 0.05), 0.1 + 0.04 * w, bow)
    if kind == "hood":
        part = b.add_part("hood", "top")
        turn = np.linspace(0.5, 2 * np.pi - 0.5, 9)
        points = np.stack([np.sin(turn) * 0.62 * w, 0.58 * h + 0.12 * np.cos(turn), 0.1 + np.cos(turn) * 0.5 * w], 1)
        b.add_tube(body.chest, points, [0.16] * len(points), part)
        for side in (-1, 1):
            b.add_curve(chest, b.find_surface_points(chest, np.stack([np.full(6, side * 0.16 * w), np.linspace(0.05 * h, 0.25 * h, 6)], 1)))


def _add_front(b: FigureBuilder, rng: Generator, body: BodyMeasures, chest: int, belly: int) -> None:
    """Patterns, buttons, zips, emblems, pockets."""
    h, w = body.torso, body.width
    kind = rng.choice(["plain", "plain", "stripes", "emblem", "buttons", "zip", "apron", "dots", "tie"])
    if kind in ("stripes", "dots"):
        part = b.add_part("pattern", "accent")
        if kind == "stripes":
            size, gap = rng.uniform(0.08, 0.16), rng.uniform(2.6, 4)
            for prim in (chest, belly):
                b.add_decal(prim, part, (0, 0), (50, size), make_squircle(8), period=(0, gap), side=0)
        else:
            size = rng.uniform(0.08, 0.13)
            for prim in (chest, belly):
                b.add_decal(prim, part, (0, 0), (size, size), period=(4, 4), side=0)
    elif kind == "emblem":
        part = b.add_part("emblem", "accent")
        shape = [
            make_star(5),
            make_star(4, 0.6),
            make_squircle(2),
            make_polygon([(-1, 0.8), (1, 0.8), (0, -1)]),
            make_star(6, 0.3),
            make_almond(1, 1),
        ][rng.integers(6)]
        size = rng.uniform(0.2, 0.36) * w
        b.add_decal(chest, part, (0, 0.16 * h), (size, size), shape)
        if rng.random() < 0.4:
            b.add_decal(chest, b.add_part("emblem heart", "glint"), (0, 0.16 * h), (size * 0.45, size * 0.45), make_squircle(2))
    elif kind in ("buttons", "zip"):
        for prim, low, high in ((chest, 0.0, 0.5 * h), (belly, 0.0, 0.4 * h)):
            z = np.linspace(low, high, 14)
            b.add_curve(prim, b.find_surface_points(prim, np.stack([np.zeros(14), z], 1)))
        if kind == "buttons":
            button = b.add_part("button", "metal", FLAT)
            for prim, heights in ((chest, (0.08, 0.24)), (belly, (0.12, 0.28))):
                for z in heights:
                    b.add_decal(prim, button, (0.09 * w, z * h), (0.06, 0.06))
    elif kind == "apron":
        part = b.add_part("apron", "cloth light")
        b.add_decal(chest, part, (0, 0.08 * h), (0.5 * w, 0.28 * h), make_squircle(6))
        b.add_decal(belly, part, (0, 0.1 * h), (0.62 * w, 0.4 * h), make_squircle(6))
    elif kind == "tie":
        part = b.add_part("tie", "ribbon")
        b.add_decal(chest, part, (0, 0.2 * h), (0.13 * w, 0.3 * h), make_polygon([(-0.5, 1), (0.5, 1), (1, -0.6), (0, -1), (-1, -0.6)]))
    if rng.random() < 0.25:
        part = b.add_part("pocket", "top dark")
        b.add_decal(chest, part, (0.38 * w, 0.2 * h), (0.15 * w, 0.13 * w), make_squircle(8))


def _add_arm(b: FigureBuilder, rng: Generator, body: BodyMeasures, side: int, twins: bool) -> None:
    name = _TWINS[side]
    state = np.random.Generator(np.random.PCG64(int(body.torso * 1e6)))  # the same cut on both sides
    kind = state.choice(["short", "long", "long", "puffy", "bell", "none", "glove"])
    r, n, arm = body.thick_arm, _TWINS[side], body.arm
    shoulder, elbow, wrist = body.shoulders[side], body.elbows[side], body.wrists[side]
    skin = b.add_part(f"{n} arm", "skin")
    material = "accent" if state.random() < 0.3 else "top"
    sleeve = b.add_part(f"{n} sleeve", "other sleeve" if twins and side else material)
    upper, lower = (sleeve, sleeve) if kind in ("long", "bell") else (sleeve, skin) if kind in ("short", "puffy") else (skin, skin)
    loose = 1.18 if upper == sleeve else 1.0
    b.add_cone(shoulder, (0, 0, 0), (0, -arm, 0), r * 1.15 * loose, r * loose, upper)
    if kind == "short":
        b.add_cone(shoulder, (0, 0, 0), (0, -arm * 0.5, 0), r * 1.4, r * 1.45, sleeve)
    if kind == "puffy":
        b.add_ball(shoulder, (0, -0.12 * arm, 0), (r * 2.0, r * 1.9, r * 2.0), sleeve)
    long = arm * 0.9
    if kind == "bell":
        lining = b.add_part(f"{n} sleeve inside", "lining", FLAT)
        b.add_shell(elbow, (0, -arm * 0.88, 0), (0, 0.05, 0), (r * 2.3, r * 1.5, r * 1.15), sleeve, lining)
        b.add_cone(elbow, (0, 0, 0), (0, -long, 0), r * 0.9, r * 0.62, skin)
    else:
        b.add_cone(elbow, (0, 0, 0), (0, -long, 0), r * (1.16 if lower == sleeve else 0.98), r * (1.05 if lower == sleeve else 0.68), lower)
    if lower == sleeve and state.random() < 0.5 and kind == "long":
        cuff = b.add_part(f"{n} cuff", "cloth light")
        b.add_cone(elbow, (0, -long * 0.93, 0), (0, -long * 1.02, 0), r * 1.2, r * 1.18, cuff)
    hand = skin
    if kind == "glove" or state.random() < 0.12:
        hand = b.add_part(f"{n} glove", "other glove" if twins and side else "accent")
        b.add_cone(elbow, (0, -long * 0.55, 0), (0, -long * 1.0, 0), r * 1.1, r * 0.9, hand)
    size = r * rng.uniform(1.05, 1.2)
    b.add_ball(wrist, (0, -size * 0.75, 0), (size * 0.55, size * 0.9, size * 0.95), hand)
    b.add_cone(
        wrist,
        (0, -size * 0.4, size * 0.5),
        (0, -size * 1.05, size * 1.2),
        size * 0.34,
        size * 0.27,
        b.add_part(f"{name} thumb", b.parts[hand].material),
    )
    for k in range(4):
        finger = b.add_part(f"{name} finger {k}", b.parts[hand].material)
        across = (k - 1.5) * size * 0.46
        tip = (size * 0.1, -size * (2.15 - 0.16 * abs(k - 1.3)), across * 0.85)
        b.add_cone(wrist, (0, -size * 1.1, across), tip, size * 0.26, size * 0.2, finger)


def _add_legs(b: FigureBuilder, rng: Generator, body: BodyMeasures, lower: str, twins: bool) -> None:
    r, leg = body.thick_leg, body.leg
    socks = rng.choice(["none", "short", "knee", "tights"])
    boots = rng.random() < 0.35
    flare = rng.uniform(0.9, 1.5)
    striped = rng.random() < 0.2
    toe = rng.uniform(1.5, 2.0)
    for side in (0, 1):
        name = _TWINS[side]
        hip, knee, ankle = body.hips[side], body.knees[side], body.ankles[side]
        skin = b.add_part(f"{name} leg", "skin")
        cloth = b.add_part(f"{name} trouser", "other trouser" if twins and side else "bottom")
        sock = b.add_part(f"{name} sock", "other sock" if twins and side else "sock")
        bare = sock if socks == "tights" else skin
        thigh = cloth if lower in ("trousers", "shorts") else bare
        b.add_cone(
            hip,
            (0, 0, 0),
            (0, -leg, 0),
            r * (1.12 if thigh == cloth else 1.0),
            r * (0.95 if lower == "trousers" else 0.72),
            thigh if lower != "shorts" else bare,
        )
        if lower == "shorts":
            b.add_shell(hip, (0, -leg * 0.55, 0), (0, 0.1, 0), (r * 1.3, r * 1.24, r * 1.1), cloth, b.add_part("lining", "lining", FLAT))
            b.add_ball(hip, (0, 0, 0), r * 1.1, cloth)
        shin = cloth if lower == "trousers" else sock if socks in ("knee", "tights") else bare
        wide = r * (0.94 if shin == cloth else 0.7)
        low = b.add_cone(knee, (0, 0, 0), (0, -leg * 0.9, 0), wide, r * (0.68 * flare if shin == cloth else 0.46), shin)
        if lower == "trousers" and flare > 1.15:
            b.add_shell(knee, (0, -leg * 0.92, 0), (0, 0, 0), (r * flare, r * 0.9, r * 0.95), cloth, b.add_part("lining", "lining", FLAT))
        if socks == "short" and lower != "trousers":
            b.add_cone(knee, (0, -leg * 0.62, 0), (0, -leg * 0.92, 0), r * 0.6, r * 0.52, sock)
        if striped and shin == sock:
            stripe = b.add_part(f"{name} sock stripe", "cloth light")
            b.add_decal(low, stripe, (0, 0), (50, 0.12), make_squircle(8), period=(0, 3.2), side=0)
        shoe = b.add_part(f"{name} shoe", "other shoe" if twins and side else "shoe", SHINY)
        sole = b.add_part(f"{name} sole", "cloth light")
        size = r * 0.75
        if boots:
            b.add_cone(knee, (0, -leg * 0.42, 0), (0, -leg * 0.95, 0), r * 0.86, r * 0.62, shoe)
            b.add_cone(knee, (0, -leg * 0.4, 0), (0, -leg * 0.46, 0), r * 0.9, r * 0.9, b.add_part(f"{name} boot top", "accent"))
        b.add_cone(ankle, (0, -size * 0.1, 0), (0, -size * 0.35, size * toe), size * 0.78, size * 0.66, shoe)
        b.add_cone(ankle, (0, -size * 0.62, -size * 0.1), (0, -size * 0.72, size * toe), size * 0.56, size * 0.56, sole)
        if not boots and rng.random() < 0.5:
            z = np.linspace(-0.5, 0.5, 7) * size
            b.add_curve(low, b.find_surface_points(low, np.stack([z, np.full(7, leg * 0.9)], 1)))


def _add_skirt(b: FigureBuilder, rng: Generator, body: BodyMeasures, lower: str) -> None:
    long = {"skirt": rng.uniform(0.55, 1.0), "dress": rng.uniform(0.8, 1.5), "robe": rng.uniform(1.5, 1.9)}[lower]
    length = long * body.leg + 0.15 * body.torso
    part = b.add_part("skirt", "top" if lower != "skirt" else "bottom")
    lining = b.add_part("lining", "lining", FLAT)
    flare = body.seat * rng.uniform(1.35, 2.0) + 0.12 * length
    pleats, depth = int(rng.integers(6, 16)), rng.uniform(0.0, 0.07)
    zigzag = rng.random() < 0.4

    def compute_hem(azimuth: np.ndarray) -> np.ndarray:
        wave = np.abs(((azimuth * pleats / (2 * np.pi)) % 1) - 0.5) * 2
        return depth * (wave if zigzag else 0.5 + 0.5 * np.cos(azimuth * pleats))

    swing = b.add_joint(body.pelvis, (0, 0.12 * body.torso, 0), swing=(0.1, 0.05, 0.1))
    bell = rng.uniform(0.5, 0.85)
    middle = body.seat + (flare - body.seat) * bell
    prim = b.add_shell(swing, (0, -length, 0), (0, 0.04, 0), (flare, middle, body.seat * 0.93), part, lining, compute_hem, flat=0.85)
    if rng.random() < 0.7:
        for k in range(pleats):
            azimuth = (k + 0.5) / pleats * 2 * np.pi + (np.pi / pleats if zigzag else 0)
            z = np.linspace(0.02 + depth, rng.uniform(0.3, 0.85), 12)
            b.add_curve(prim, b.find_azimuth_points(prim, np.stack([np.full(12, azimuth), z], 1)))
    if rng.random() < 0.4:
        band = b.add_part("skirt band", "accent")
        b.add_decal(prim, band, (0, rng.uniform(0.1, 0.2)), (50, rng.uniform(0.03, 0.07)), make_squircle(8), around=True)
    elif rng.random() < 0.3:
        check = b.add_part("skirt check", "top dark" if lower != "skirt" else "accent")
        b.add_decal(prim, check, (0, 0), (0.14, 50), make_squircle(8), around=True, period=(0.5 / 0.14, 0))
    if lower == "robe" or rng.random() < 0.15:
        sash = b.add_part("sash", "ribbon")
        reach = body.seat * 1.1
        b.add_shell(
            body.pelvis, (0, 0.08 * body.torso, 0), (0, 0.3 * body.torso, 0), (reach, reach * 0.98, reach * 0.93), sash, sash, flat=0.85
        )


def _add_coat_tail(b: FigureBuilder, rng: Generator, body: BodyMeasures) -> None:
    """The open lower half of a coat."""
    part, lining = b.add_part("coat", "top"), b.add_part("coat inside", "lining", FLAT)
    opening, length = rng.uniform(0.25, 0.7), rng.uniform(0.5, 1.5) * body.leg
    reach = body.seat * 1.12
    b.add_shell(
        b.add_joint(body.pelvis, (0, 0.2 * body.torso, 0), swing=(0.1, 0.03, 0.08)),
        (0, -length - 0.2 * body.torso, 0),
        (0, 0, 0),
        (reach * rng.uniform(1.2, 1.6), reach * 1.08, reach * 0.95),
        part,
        lining,
        lambda azimuth: np.where(np.abs(azimuth) < opening, 3.0, 0.0),
        flat=0.85,
    )
