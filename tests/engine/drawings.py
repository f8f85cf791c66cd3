"""Drawings of known truth, made of strokes."""

import numpy as np

from engine.drawing.sketch.strokes import Strokes

BLACK, RED, BLUE, BROWN = (0, 0, 0, 255), (230, 20, 20, 255), (30, 60, 240, 255), (110, 60, 30, 255)


def stroke(points, width=3.0, color=BLACK, cyclic=False) -> Strokes:
    points = np.asarray(points, np.float32).reshape(-1, 2)
    widths = np.broadcast_to(np.asarray(width, np.float32), len(points)).copy()
    colors = np.broadcast_to(np.asarray(color, np.uint8), (len(points), 4)).copy()
    return Strokes(points, widths, colors, np.array([0, len(points)], np.int32), np.array([cyclic]))


def drawing(*parts: Strokes) -> Strokes:
    if not parts:
        return Strokes(
            np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros((0, 4), np.uint8), np.zeros(1, np.int32), np.zeros(0, bool)
        )
    starts = np.cumsum([0] + [len(p.points) for p in parts])
    offsets = np.concatenate([[0]] + [p.offsets[1:] + s for p, s in zip(parts, starts, strict=False)])
    return Strokes(
        np.concatenate([p.points for p in parts]),
        np.concatenate([p.widths for p in parts]),
        np.concatenate([p.colors for p in parts]),
        offsets.astype(np.int32),
        np.concatenate([p.cyclic for p in parts]),
    )


def line(start, end, gap=0.0, at=0.5, width=3.0, color=BLACK) -> Strokes:
    """A straight line, with `gap` px of blank paper in it at the fraction `at`."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    if not gap:
        return stroke(np.linspace(start, end, 12), width, color)
    half = (gap + width) / 2 / np.hypot(*(end - start))  # the round tips reach into the gap
    first = np.linspace(start, start + (at - half) * (end - start), 8)
    second = np.linspace(start + (at + half) * (end - start), end, 8)
    return drawing(stroke(first, width, color), stroke(second, width, color))


def circle(center, radius, gap=0.0, at=0.0, width=3.0, color=BLACK) -> Strokes:
    """A circle, with `gap` px of blank paper at the angle `at` (radians)."""
    if not gap:
        angle = np.linspace(0, 2 * np.pi, 97)[:-1]
    else:
        half = np.arcsin(min((gap + width) / 2 / radius, 1.0))
        angle = np.linspace(at + half, at + 2 * np.pi - half, 96)
    points = np.asarray(center) + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    return stroke(points, width, color, cyclic=not gap)


def box(left, top, right, bottom, gap=0.0, width=3.0, color=BLACK) -> Strokes:
    """A rectangle of four lines that meet at the corners, each with a gap in the middle."""
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return drawing(*(line(a, b, gap, 0.5, width, color) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)))


def figure(gap=0.0, width=3.0, x=0.0, y=0.0) -> tuple[Strokes, dict[str, tuple[int, int]]]:
    """A bust, cut by the lower edge of a picture of 400 x 300 px: the strokes and a point in each part.

    Head and hair share a line, an arm crosses the body, the shade on the face ends in a trace line, the eye has a highlight.
    """
    head = circle((200, 100), 60, gap, 2.2, width)
    fringe = line((142, 85), (258, 85), gap, 0.3, width)
    body = [line((150, 310), (160, 180), gap, 0.5, width), line((250, 310), (240, 180), gap, 0.6, width)]
    shoulder = line((160, 180), (240, 180), gap, 0.25, width)
    arm = [line((120, 215), (290, 225), gap, 0.7, width), line((120, 245), (290, 255), gap, 0.35, width)]
    hands = [line((120, 215), (120, 245), 0, 0.5, width), line((290, 225), (290, 255), 0, 0.5, width)]
    shade = line((200, 85), (200, 159), 0, 0.5, 1.0, RED)
    eye = circle((175, 110), 12, 0, 0, 2.0)
    highlight = circle((172, 107), 3.5, 0, 0, 1.0)
    parts = drawing(head, fringe, *body, shoulder, *arm, *hands, shade, eye, highlight)
    moved = Strokes(parts.points + np.array([x, y], np.float32), parts.widths, parts.colors, parts.offsets, parts.cyclic)
    inside = {
        "background": (20, 20),
        "hair": (200, 60),
        "face": (160, 130),
        "shade": (230, 120),
        "eye": (180, 114),
        "highlight": (172, 107),
        "chest": (200, 200),
        "belly": (200, 280),
        "hand": (135, 232),
        "sleeve": (200, 235),
        "elbow": (270, 240),
    }
    return moved, {name: (round(px + x), round(py + y)) for name, (px, py) in inside.items()}
