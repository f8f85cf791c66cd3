"""Hair: a cap with a fringe, and strands, tails, buns and spikes. In units of the skull's radius."""

import numpy as np
from numpy.random import Generator

from .builder import FigureBuilder
from .face import HeadMeasures
from .figure import FLAT, GLOSSY, SHADED, SHINY


def add_hair(b: FigureBuilder, rng: Generator, head: HeadMeasures) -> None:
    """Add random hair."""
    part = b.add_part("hair", "hair", int(rng.choice([SHADED, SHINY, GLOSSY])))
    lining = b.add_part("hair inside", "hair inside", FLAT)
    cap, tips = _add_cap(b, rng, head, part, lining)
    _draw_strand_lines(b, rng, cap, tips)
    if rng.random() < 0.65:
        _add_locks(b, rng, head, part)
    back = rng.choice(["none", "bob", "long", "ponytail", "twin", "buns", "spikes", "braids", "strands"])
    if back in ("bob", "long"):
        _add_curtain(b, rng, head, part, lining, long=back == "long")
    elif back == "ponytail":
        _add_tail(b, rng, head, part, (0, rng.uniform(0.2, 0.8), -1.0), (0.0, -1.0, -0.55), rng.uniform(1.5, 3.5))
    elif back == "twin":
        size, height = rng.uniform(1.2, 3.8), rng.uniform(-0.2, 0.7)
        for side in (-1, 1):
            _add_tail(b, rng, head, part, (side * 1.0, height, -0.3), (side * 0.45, -1.0, -0.1), size, side)
    elif back == "buns":
        for side in (-1, 1) if rng.random() < 0.7 else (0,):
            center = (side * 0.78, 0.85, -0.25) if side else (0, 0.95, -0.6)
            bun = b.add_ball(head.joint, center, rng.uniform(0.38, 0.52), b.add_part(f"bun {side}", "hair"))
            turn = np.linspace(0, 4.5, 16)
            b.add_curve(bun, b.find_surface_points(bun, np.stack([0.16 * turn * np.cos(turn), 0.16 * turn * np.sin(turn)], 1)))
    elif back == "spikes":
        _add_spikes(b, rng, head, part)
    elif back == "braids":
        for side in (-1, 1) if rng.random() < 0.7 else (0,):
            _add_braid(b, rng, head, side)
    elif back == "strands":
        for angle in np.linspace(-1.15, 1.15, rng.integers(5, 9)):
            length = rng.uniform(1.0, 2.2)
            start = np.array([np.sin(angle) * 0.95, -0.3, -np.cos(angle) * 0.85])
            _add_strand(b, rng, head, part, start, (np.sin(angle) * 0.35, -1, -np.cos(angle) * 0.2), length, 0.34)
    if rng.random() < 0.3:
        _add_strand(b, rng, head, part, np.array([0.05, 1.02, 0.2]), (rng.uniform(-0.8, 0.8), 0.7, 0.4), rng.uniform(0.4, 0.8), 0.1)


def _add_cap(b: FigureBuilder, rng: Generator, head: HeadMeasures, part: int, lining: int) -> tuple[int, list[tuple[float, float]]]:
    """The hair on the skull; its hem is the hairline. Also the notches of the fringe, where lines go up from."""
    count = int(rng.integers(3, 8))
    reach = rng.uniform(0.95, 1.35)
    tips = np.linspace(-reach, reach, count) + rng.uniform(-0.1, 0.1, count)
    low = rng.uniform(-0.12, 0.14) + rng.uniform(-0.12, 0.1, count) + 0.1 * np.abs(np.linspace(-1, 1, count)) * rng.uniform(-1, 1)
    style = rng.choice(["fringe", "fringe", "parted", "blunt", "swept"])
    if style == "parted":
        part_at = rng.uniform(-0.5, 0.5)
        low = low + 0.55 * np.exp(-(((tips - part_at) / 0.35) ** 2))
    if style == "swept":
        low = low + 0.35 * (0.5 + 0.5 * np.sign(rng.uniform(-1, 1)) * tips / reach)
    side, back = rng.uniform(-0.7, -0.45), rng.uniform(-0.9, -0.65)
    notches = (tips[1:] + tips[:-1]) / 2 + rng.uniform(-0.35, 0.35) * (tips[1:] - tips[:-1])
    heights = np.maximum(low[1:], low[:-1]) + rng.uniform(0.1, 0.42, count - 1)
    if style == "blunt":
        heights = np.maximum(low[1:], low[:-1]) + rng.uniform(0.02, 0.1)
    knots = np.sort(np.concatenate([tips, notches]))
    values = np.empty(len(knots))
    values[::2], values[1::2] = low, np.minimum(heights, 0.62)
    values = np.minimum(values, 0.62)
    sharp = rng.uniform(1.3, 2.6)

    def compute_hem(azimuth: np.ndarray) -> np.ndarray:
        lock = np.searchsorted(knots, azimuth).clip(1, len(knots) - 1)
        left, right = knots[lock - 1], knots[lock]
        share = ((azimuth - left) / np.maximum(right - left, 1e-3)).clip(0, 1)
        rising = lock % 2 == 1  # from a tip up to a notch: the hair is a curve that is steep at the tip
        share = np.where(rising, 1 - (1 - share) ** sharp, share**sharp)
        front = values[lock - 1] + share * (values[lock] - values[lock - 1])
        beyond = ((np.abs(azimuth) - reach) / 0.25).clip(0, 1)
        behind = ((np.abs(azimuth) - reach - 0.3) / 0.8).clip(0, 1)
        rest = side + (back - side) * behind
        return np.where(np.abs(azimuth) < reach, front, values[0] + (rest - values[0]) * beyond**0.7)

    puff = rng.uniform(0.08, 0.2)
    cap = b.add_cap(head.joint, (0, 0.05, -0.04), (1.02 + puff, 1.03 + puff, 1.06 + puff), part, lining, compute_hem)
    return cap, list(zip(notches.tolist(), np.minimum(heights, 0.62).tolist(), strict=True))


def _draw_strand_lines(b: FigureBuilder, rng: Generator, cap: int, notches: list[tuple[float, float]]) -> None:
    crown = rng.uniform(-0.4, 0.4)
    for azimuth, height in notches:
        if rng.random() < 0.75:
            top = rng.uniform(height + 0.08, 0.9)
            z = np.linspace(height, top, 14)
            lean = ((z - height) / (1 - height)) ** 1.5
            b.add_curve(cap, b.find_azimuth_points(cap, np.stack([azimuth + (crown - azimuth) * lean * 0.6, z], 1)))
    for _ in range(rng.integers(0, 5)):
        start = rng.uniform(-3, 3)
        z = np.linspace(rng.uniform(0.1, 0.4), rng.uniform(0.5, 0.85), 10)
        b.add_curve(cap, b.find_azimuth_points(cap, np.stack([start + 0.15 * np.sin(2 * z), z], 1)))


def _add_strand(
    b: FigureBuilder, rng: Generator, head: HeadMeasures, part: int, start: np.ndarray, way, length: float, radius: float, pieces: int = 5
) -> None:
    """A curved lock that ends in a point; its far half swings."""
    way = np.asarray(way, float) / np.linalg.norm(way)
    bend = rng.uniform(-0.35, 0.35, 3) * length
    share = np.linspace(0, 1, pieces + 1)[:, None]
    points = way * share * length + bend * share**2 - bend * 0.5 * share**3
    radii = radius * np.minimum(1, 0.75 + 1.6 * share[:, 0]) * (1 - share[:, 0] ** 2.2) + 0.012
    root = b.add_joint(head.joint, start, swing=(0.12, 0.05, 0.12))
    half = pieces // 2
    swing = b.add_joint(root, points[half], swing=(0.2, 0.05, 0.2))
    b.add_tube(root, points[: half + 1], radii[: half + 1], part, 0.55)
    b.add_tube(swing, points[half:] - points[half], radii[half:], part, 0.55)


def _add_locks(b: FigureBuilder, rng: Generator, head: HeadMeasures, part: int) -> None:
    length, radius = rng.uniform(0.8, 2.0), rng.uniform(0.11, 0.2)
    for side in (-1, 1):
        start = np.array([side * 0.93, 0.05, 0.42])
        _add_strand(b, rng, head, part, start, (side * rng.uniform(-0.02, 0.25), -1, 0.12), length * rng.uniform(0.85, 1.1), radius)


def _add_curtain(b: FigureBuilder, rng: Generator, head: HeadMeasures, part: int, lining: int, long: bool) -> None:
    """Hair that falls behind the head and over the shoulders."""
    length = rng.uniform(2.2, 4.5) if long else rng.uniform(1.0, 1.7)
    flare = rng.uniform(0.95, 1.5) if long else rng.uniform(0.95, 1.35)
    opening = rng.uniform(1.25, 1.6)
    count = rng.integers(5, 11)
    depth = rng.uniform(0.03, 0.16)
    turn = rng.uniform(0, 6)

    def compute_hem(azimuth: np.ndarray) -> np.ndarray:
        wave = np.abs(((azimuth * count / (2 * np.pi) + turn) % 1) - 0.5) * 2
        return np.where(np.abs(azimuth) < opening, 3.0, depth * wave**1.5 + 0.05 * ((2 - np.abs(azimuth)) / 2).clip(0, 1))

    fall = b.add_joint(head.joint, (0, 0.0, -0.05), swing=(0.06, 0.05, 0.06))
    middle = 1.08 + 0.3 * (flare - 1.0) + (0.1 if long else 0.12)
    prim = b.add_shell(fall, (0, -length, -0.25 if long else 0), (0, 0.15, 0), (flare, middle, 1.1), part, lining, compute_hem, flat=0.85)
    for _ in range(rng.integers(2, 6)):
        azimuth = rng.uniform(opening + 0.1, 2 * np.pi - opening - 0.1)
        z = np.linspace(rng.uniform(0.1, 0.3), rng.uniform(0.35, 0.7), 12)
        b.add_curve(prim, b.find_azimuth_points(prim, np.stack([azimuth + 0.08 * np.sin(5 * z), z], 1)))


def _add_tail(b: FigureBuilder, rng: Generator, head: HeadMeasures, part: int, start, way, length: float, side: int = 0) -> None:
    """A tail of hair: a chain of joints, thick in the middle, forked at its end."""
    band = b.add_part(f"hair band {side}" if rng.random() < 0.3 else "hair band", "ribbon")
    start, way = np.asarray(start, float), np.asarray(way, float) / np.linalg.norm(way)
    out = np.array([side * 0.5, 0.25, -0.6 if not side else -0.15])
    b.add_ball(head.joint, start + 0.08 * out, (0.22, 0.22, 0.22), band)
    if rng.random() < 0.5:
        for flap in (-1, 1):
            tip = start + out * 0.3 + np.array([flap * 0.55, rng.uniform(0.1, 0.4), 0.1])
            b.add_cone(head.joint, start + out * 0.15, tip, 0.06, 0.26, band, flat=0.4)
    pieces = 5
    step = length / pieces
    radius = min(0.42, 0.16 * length) * rng.uniform(0.8, 1.15)
    profile = np.array([0.5, 0.95, 1.0, 0.85, 0.55, 0.05]) * radius
    joint, at = head.joint, start + 0.15 * out
    heading = out / np.linalg.norm(out) * 0.6 + way * 0.4
    for k in range(pieces):
        joint = b.add_joint(joint, at, swing=(0.14, 0.05, 0.14))
        heading = heading * 0.45 + way * 0.55
        at = heading / np.linalg.norm(heading) * step
        b.add_cone(joint, (0, 0, 0), at, profile[k], profile[k + 1], part, flat=0.75)
        if k in (2, 3) and length > 1.6:
            aside = np.array([rng.choice([-1, 1]) * radius * 0.6, 0, 0.1])
            b.add_cone(joint, aside * 0.3, at * rng.uniform(1.1, 1.5) + aside * 1.6, profile[k] * 0.6, 0.015, part, flat=0.6)


def _add_spikes(b: FigureBuilder, rng: Generator, head: HeadMeasures, part: int) -> None:
    size = rng.uniform(0.45, 1.0)
    for _ in range(rng.integers(9, 18)):
        turn, rise = rng.uniform(-np.pi, np.pi), rng.uniform(-0.35, 1.2)
        if np.cos(turn) > 0.35 and rise < 0.5:
            rise += 0.7
        way = np.array([np.sin(turn) * np.cos(rise), np.sin(rise), np.cos(turn) * np.cos(rise) * 0.9])
        droop = np.array([0, rng.uniform(-0.1, 0.35), -0.15])
        b.add_cone(head.joint, way * 0.72, way * (1.05 + size * rng.uniform(0.5, 1)) + droop, 0.42, 0.015, part, flat=0.7)


def _add_braid(b: FigureBuilder, rng: Generator, head: HeadMeasures, side: int) -> None:
    joint, at = head.joint, np.array([side * 0.8, -0.6, -0.2 if side else -0.95])
    count, radius = int(rng.integers(5, 10)), rng.uniform(0.19, 0.26)
    braid = b.add_part(f"braid {side}", "hair")
    for k in range(count):
        joint = b.add_joint(joint, at, swing=(0.08, 0, 0.08))
        at = np.array([side * 0.03, -radius * 1.25, 0.05])
        size = radius * (1 - 0.35 * k / count)
        bead = b.add_ball(joint, (0, 0, 0), (size, size * 0.95, size * 0.8), braid)
        sign = 1 if k % 2 else -1
        b.add_curve(bead, b.find_surface_points(bead, np.stack([np.linspace(-0.6, 0.6, 7) * sign, np.linspace(-0.5, 0.3, 7)], 1)))
    joint = b.add_joint(joint, at, swing=(0.1, 0, 0.1))
    b.add_ball(joint, (0, 0.03, 0), (radius * 0.55, radius * 0.4, radius * 0.55), b.add_part("hair band", "ribbon"))
    b.add_cone(joint, (0, -0.05, 0), (0, -radius * 2.2, 0), radius * 0.35, radius * 0.6, braid)
