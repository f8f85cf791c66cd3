"""Heads of cut-out people, which turn, their hair, and what hangs behind them."""

from dataclasses import dataclass

import numpy as np

from .cutout import CutoutLine, CutoutPart, LocalFrame, Tube, draw_curve, draw_line, make_tube, point_downward
from .cutout_person import CutoutPerson, Pose


@dataclass(frozen=True)
class _HeadBall:
    """A point on the head, given by angles to the right and up from the middle of the face."""

    place: LocalFrame
    radius: float
    yaw: float
    nod: float

    def draw_line(self, name: str, right, up, width: float, taper: float = 0.2, cyclic: bool = False) -> CutoutLine:
        right, up = np.asarray(right, float) + self.yaw, np.asarray(up, float) + self.nod
        x, y, z = np.sin(right) * np.cos(up), np.sin(up), np.cos(right) * np.cos(up)
        points = self.place.map_points(self.radius * np.stack([x, -1.06 * y], 1))
        return draw_line(name, points, width, taper, z - 0.12, cyclic)


def draw_head(who: CutoutPerson, pose: Pose, place: LocalFrame) -> list[CutoutPart]:
    """The fringe, what the face shows, the hair's cap around it."""
    w, r = who.width, who.head
    ball = _HeadBall(place, r, pose["yaw"], pose["nod"])
    shift = 0.32 * r * np.sin(pose["yaw"])
    drop = -0.4 * r * np.sin(pose["nod"])
    jaw = place.map_points(
        draw_curve(
            [
                (-0.97 * r, -0.1 * r),
                (-0.95 * r + 0.2 * shift, 0.4 * r + 0.5 * drop),
                (-0.5 * r + 0.6 * shift, 0.92 * r + drop),
                (shift, 1.12 * r + drop),
                (0.5 * r + 0.6 * shift, 0.92 * r + drop),
                (0.95 * r + 0.2 * shift, 0.4 * r + 0.5 * drop),
                (0.97 * r, -0.1 * r),
            ]
        )
    )
    crown = place.map_points(
        draw_curve(
            [
                (-1.02 * r, 0.0),
                (-1.12 * r, -0.62 * r),
                (-0.6 * r, -1.2 * r),
                (0, -1.22 * r),
                (0.6 * r, -1.2 * r),
                (1.12 * r, -0.62 * r),
                (1.02 * r, 0.0),
            ]
        )
    )
    face = [*_draw_eye(ball, "left", -1, pose, w), *_draw_eye(ball, "right", 1, pose, w), *_draw_mouth(ball, pose, w)]
    face.append(ball.draw_line("nose", [0.0, 0.05, 0.02, -0.03], [-0.12, -0.2, -0.26, -0.26], 0.8 * w, 0.5))
    for name, side in (("left", -1), ("right", 1)):
        for k in (0, 1):
            x = side * (0.62 + 0.1 * k)
            face.append(
                ball.draw_line(f"blush {name} {k + 1}", np.linspace(x - 0.03, x + 0.03, 7), np.linspace(-0.42, -0.3, 7), 0.6 * w, 0.6)
            )
    locks, cover = _draw_fringe(who, pose, ball)
    sides = [_draw_side_hair(who, pose, place, name, x) for name, x in (("left", -1), ("right", 1))]
    return [
        CutoutPart(tuple(locks), (cover,)),
        *sides,
        CutoutPart(
            (
                *face,
                draw_line("jaw", jaw, w, 0.2),
                draw_line("crown left", crown[: len(crown) // 2 + 1], w, 0.2),
                draw_line("crown right", crown[len(crown) // 2 :], w, 0.2),
            ),
            (np.concatenate([jaw, crown[::-1]]),),
        ),
    ]


def _draw_eye(ball: _HeadBall, name: str, side: int, pose: Pose, w: float) -> list[CutoutLine]:
    turn = np.linspace(0, 2 * np.pi, 25)[:-1]
    u = np.linspace(-1, 1, 17)
    center, up = side * 0.42, -0.08
    return [
        ball.draw_line(f"{name} lid", center + 0.21 * u, up + 0.17 * (1 - u**2) + 0.02, 1.5 * w, 0.5),
        ball.draw_line(f"{name} lower lid", center + 0.14 * u, up - 0.18 + 0.03 * u**2, 0.8 * w, 0.6),
        ball.draw_line(f"{name} iris", center + 0.11 * np.cos(turn), up + 0.155 * np.sin(turn), 0.9 * w, cyclic=True),
        ball.draw_line(f"{name} pupil", center + 0.04 * np.cos(turn), up + 0.07 * np.sin(turn), 1.2 * w, cyclic=True),
        ball.draw_line(
            f"{name} brow",
            center + 0.2 * u,
            up + 0.34 + pose["brow"] / 60 + 0.05 * (1 - u**2) - side * 0.02 * u * pose["brow"],
            1.2 * w,
            0.5,
        ),
    ]


def _draw_mouth(ball: _HeadBall, pose: Pose, w: float) -> list[CutoutLine]:
    u = np.linspace(-1, 1, 21)
    open_ = max(pose["mouth"], 0.05)
    return [
        ball.draw_line("mouth", 0.17 * u, -0.5 + 0.03 * u**2, w, 0.4),
        ball.draw_line("lower lip", 0.17 * u, -0.5 + 0.03 * u**2 - 0.2 * open_ * (1 - u**2), w, 0.4),
        ball.draw_line("chin", 0.05 * np.linspace(-1, 1, 9), -0.78 - 0.05 * open_ + 0.01 * np.linspace(-1, 1, 9) ** 2, 0.6 * w, 0.6),
    ]


def _draw_fringe(who: CutoutPerson, pose: Pose, ball: _HeadBall) -> tuple[list[CutoutLine], np.ndarray]:
    """Locks over the forehead: two lines each, that meet at the tip and at the next lock."""
    lines, rim = [], []
    edges = np.linspace(-1.15, 1.15, len(who.locks) + 1)
    for k, (a, b, length) in enumerate(zip(edges, edges[1:], who.locks, strict=False)):
        tip = (0.35 * a + 0.65 * b + 0.25 * pose["sway"] * 0.3, 0.62 - 0.62 * length)
        left = draw_curve([(a, 0.5 if k else 0.1), (a + 0.02, 0.5 * (tip[1] + 0.4)), tip])
        right = draw_curve([tip, (b - 0.02, 0.5 * (tip[1] + 0.62)), (b, 0.5 if k < len(who.locks) - 1 else 0.1)])
        lines += [
            ball.draw_line(f"lock {k + 1} {name}", side[:, 0], side[:, 1], who.width, 0.3)
            for name, side in (("left", left), ("right", right))
        ]
        lines.append(
            ball.draw_line(
                f"strand {k + 1}", np.linspace(0.5 * (a + b), 0.5 * (a + b) + 0.05, 15), np.linspace(0.98, 0.62, 15), 0.7 * who.width, 0.7
            )
        )
        rim += [line.points for line in lines[-3:-1]]
    top = ball.draw_line("", np.linspace(1.15, -1.15, 9), np.full(9, 1.1), 1.0).points
    return lines, np.concatenate([*rim, top])


def _draw_side_hair(who: CutoutPerson, pose: Pose, place: LocalFrame, name: str, side: int) -> CutoutPart:
    """The hair beside the face, a lock that swings."""
    r = who.head
    root = np.array([side * 1.0 * r, -0.5 * r])
    swing = 0.5 * pose["sway"] - 0.4 * pose["tilt"]
    length = (0.55 + 0.8 * who.hair) * r
    tip = root + length * point_downward(swing - side * 0.12)
    lock = make_tube(
        place.map_points([root, root + 0.5 * length * point_downward(0.4 * swing), tip]), r * np.array([0.13, 0.19, 0.15, 0.0])
    )
    lines = (
        draw_line(f"{name} hair outside", lock.trace_side(-side, 0.0, 1.0, rows=33, cap=0.12), who.width, 0.2),
        draw_line(f"{name} hair inside", lock.trace_side(side, 0.1, 1.0, rows=33), who.width, 0.2),
        draw_line(f"{name} hair strand", lock.trace_side(0.1 * side, 0.3, 0.85, rows=21), 0.7 * who.width, 0.7),
    )
    return CutoutPart(lines, (lock.trace_outline(0.12),))


def draw_back_parts(who: CutoutPerson, pose: Pose, body: Tube, head: LocalFrame) -> list[CutoutPart]:
    """The parts behind everything else: ears, ponytail, hair on the back, tail."""
    w, r = who.width, who.head
    found = []
    if who.ears:
        for name, side in (("left", -1), ("right", 1)):
            x = side * 0.66 * r + 0.12 * r * np.sin(pose["yaw"])
            tip = (x + side * 0.22 * r + 0.1 * r * pose["sway"], -1.72 * r)
            outer = head.map_points(draw_curve([(x + side * 0.3 * r, -0.5 * r), (x + side * 0.42 * r, -1.25 * r), tip]))
            inner = head.map_points(draw_curve([tip, (x - side * 0.2 * r, -1.4 * r), (x - side * 0.36 * r, -1.0 * r)]))
            mark = head.map_points(draw_curve([(x + side * 0.1 * r, -1.05 * r), (tip[0] - side * 0.05 * r, -1.5 * r)]))
            lines = (
                draw_line(f"{name} ear outside", outer, w, 0.2),
                draw_line(f"{name} ear inside", inner, w, 0.2),
                draw_line(f"{name} ear mark", mark, 0.7 * w, 0.7),
            )
            found.append(CutoutPart(lines, (np.concatenate([outer, inner]),)))
    if who.ponytail:
        side = -1.0 if who.behind == 0 else 1.0
        swing = side * 0.55 + 0.8 * pose["sway"]
        root = head.map_points((side * 0.3 * r, -0.8 * r))
        middle = root + 0.85 * r * (point_downward(swing + side * 0.9) + np.array([0, -0.25]))
        tip = middle + 1.2 * r * point_downward(swing - side * 0.25)
        found.append(
            _draw_tapered_part("ponytail", make_tube(np.array([root, middle, tip]), r * np.array([0.1, 0.27, 0.36, 0.26, 0.0])), w)
        )
    swing = 0.35 * pose["sway"]
    root, end = (
        head.map_points((0, 0.1 * r)),
        head.map_points((0, 0.2 * r)) + (0.8 + 0.7 * who.hair) * r * point_downward(swing - 0.5 * pose["lean"]),
    )
    back = make_tube(np.array([root, (root + end) / 2, end]), r * np.array([0.95, 0.98, 0.9, 0.78]))
    ragged = back.map_points(np.array([0.97, 1.04, 0.93, 1.05, 0.95, 1.06, 0.93, 1.04, 0.97]), np.linspace(-1, 1, 9))
    sides = [draw_line(f"mane {name}", back.trace_side(x, 0.05, 0.97), w, 0.2) for name, x in (("left", 1), ("right", -1))]
    found.append(CutoutPart((*sides, draw_line("mane end", draw_curve(ragged, 1), w, 0.1)), (back.trace_outline(),)))
    if who.ears:
        angle = 0.9 + 0.5 * pose["tail"]
        root = body.map_points(0.04, 0.3)
        bends = [
            root,
            root + 55 * point_downward(angle),
            root + 55 * point_downward(angle) + 50 * point_downward(angle + 1.0 + pose["tail"]),
        ]
        bends.append(bends[-1] + 40 * point_downward(angle + 1.7 + 1.8 * pose["tail"]))
        found.append(_draw_tapered_part("tail", make_tube(np.array(bends), np.array([9.0, 9, 10, 10, 0]), 0.5), w))
    return found


def _draw_tapered_part(name: str, shape: Tube, w: float) -> CutoutPart:
    lines = (
        draw_line(f"{name} left", shape.trace_side(1, 0.0, 1.0), w, 0.2),
        draw_line(f"{name} right", shape.trace_side(-1, 0.0, 1.0), w, 0.2),
        draw_line(f"{name} strand 1", shape.trace_side(0.3, 0.45, 0.85, rows=25), 0.7 * w, 0.7),
        draw_line(f"{name} strand 2", shape.trace_side(-0.25, 0.35, 0.8, rows=25), 0.7 * w, 0.7),
    )
    return CutoutPart(lines, (shape.trace_outline(),))
