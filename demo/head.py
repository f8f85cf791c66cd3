"""The courier's head. Head space: origin at its center, px, x right, y down; it is turned by moving points on an ellipsoid."""

from functools import partial

import numpy as np

from .curves import (
    FigurePart,
    PenCurve,
    make_direction,
    make_ellipse,
    make_line,
    make_loop,
    make_tube,
    rotate_points,
    sample_spline,
    transform_part,
)
from .pose import CourierPose

LASH = 6.2  # px, the line of the upper lid
LINKS = (42, 48, 54, 58, 58, 54, 50)  # px, along the pony tail
TAIL = np.array([11, 27, 36, 38, 35, 29, 18, 1.5])  # its half width at the ends of the links


class HeadTurn:
    """How far the head has turned: places points of the front view. `angle` radians, to the right of the screen."""

    def __init__(self, pose: CourierPose):
        self.yaw, self.nod = pose.yaw, pose.nod
        self.angle = np.radians(32) * pose.yaw

    def project_points(self, points, depth: float = 62.0, radius=(100.0, 128.0), bump: float = 0.0) -> np.ndarray:
        """Points of the front view on an ellipsoid of that depth, turned."""
        p = np.asarray(points, float)
        z = bump + depth * np.sqrt(np.maximum(0.04, 1 - (p[..., 0] / radius[0]) ** 2 - 0.7 * (p[..., 1] / radius[1]) ** 2))
        x = p[..., 0] * np.cos(self.angle) + z * np.sin(self.angle)
        return np.stack([x, p[..., 1] + 0.2 * z * self.nod], -1)

    def turn_point(self, x: float, y: float, z: float) -> np.ndarray:
        return np.array([x * np.cos(self.angle) + z * np.sin(self.angle), y + 0.2 * z * self.nod])

    def blend(self, front, right) -> np.ndarray:
        """Between an outline seen from the front and the same turned to the right. The front must be its own mirror image."""
        front, right, s = np.asarray(front, float), np.asarray(right, float), self.yaw
        p = front + (right - front) * abs(s)
        return p if s >= 0 else (p * (-1, 1))[::-1]


def build_back(pose: CourierPose) -> list[FigurePart]:
    """What lies behind the neck: pony tail, its ribbon, the hair at the back."""
    t = HeadTurn(pose)
    root = t.turn_point(-62, -111, -66)
    path = [root + make_direction(pose.tail[0]) * -14]
    for i, angle in enumerate(pose.tail):
        path.append((path[-1] if i else root) + make_direction(angle) * LINKS[i])
    left, right = make_tube(path, TAIL)
    strands = (make_line(make_tube(path, TAIL * 0.55)[1][20:120:6], 2.0), make_line(make_tube(path, TAIL * 0.1)[1][45:-12:6], 2.0))
    tail = FigurePart("tail", "hair", (PenCurve(left), PenCurve(right[::-1])), strands)
    edge = PenCurve(make_tube(path, TAIL * 0.3)[0][8:], 2.2)
    beyond = PenCurve(make_tube(path, TAIL * 1.5 + 4)[0][::-1], 0.0)
    parts = [tail, FigurePart("tail shade", "hair shade", (edge, beyond), clip="tail", trace="shade")]
    for name, sign in (("ribbon a", -1.0), ("ribbon b", 1.0)):
        base = root + np.array([2.0, -4.0])
        points = [(0, 0), (sign * 16, -26), (sign * 44, -36), (sign * 52, -14), (sign * 40, 6), (sign * 16, 8)]
        fold = make_line([(sign * 6, -4), (sign * 20, -12), (sign * 30, -14)], 2.2)
        loop_part = FigurePart(name, "ribbon", make_loop(points, (0,), 3.0), (fold,))
        parts.append(transform_part(loop_part, lambda p, base=base: base + rotate_points(p, -18)))
    knot = FigurePart("ribbon knot", "ribbon knot", make_loop(make_ellipse(root + (2, -4), 12, 13), (), 2.8))
    points = np.array([
        (0, -122), (66, -104), (107, -46), (116, 16), (112, 74), (110, 126), (78, 110), (58, 124), (24, 108),
        (-20, 112), (-52, 126), (-76, 110), (-112, 124), (-112, 74), (-116, 16), (-107, -46), (-66, -104),
    ], float)  # fmt: skip
    points[:, 0] -= 20 * pose.yaw * np.clip((points[:, 1] + 60) / 120, 0, 1)
    bob = FigurePart("bob", "hair shade", make_loop(points, (5, 7, 10, 12), 3.4))
    cowlick = np.array([(12, -120), (2, -144), (-20, -158), (10, -160), (31, -144), (36, -118)]) + t.turn_point(0, 0, 20) * (1, 0)
    parts.append(FigurePart("cowlick", "hair", make_loop(cowlick, (0, 2, 5), 3.0, bare=(2,))))
    return [*parts, knot, bob]


def build_front(pose: CourierPose) -> list[FigurePart]:
    """Ears, face, features, hair, from back to front."""
    t = HeadTurn(pose)
    ears = [_build_ear(t, -1.0), _build_ear(t, 1.0)]
    if pose.yaw < 0:
        ears.reverse()
    outline = t.blend(
        [(-60, -100), (-89, -40), (-91, 0), (-86, 36), (-67, 74), (-34, 100), (0, 109), (34, 100), (67, 74), (86, 36), (91, 0),
        (89, -40), (60, -100)],
        [(-64, -100), (-86, -40), (-84, 0), (-76, 38), (-52, 76), (-14, 101), (32, 110), (60, 98), (79, 70), (90, 38), (87, 6),
        (90, -40), (64, -100)],
    )  # fmt: skip
    outline[:, 1] += 7 * pose.nod * np.clip((outline[:, 1] + 20) / 100, 0, 1)
    outline[4:9, 1] += 4 * (pose.mouth - 0.5)
    face = FigurePart("face", "skin", make_loop(outline, (0, 12), 3.4, bare=(1,)))
    side = t.project_points([(-96, -60), (-80, -10), (-74, 30), (-60, 66), (-34, 92), (0, 112)], depth=20)
    rim = PenCurve(sample_spline(side), 2.2)
    outside = PenCurve(np.array([(-40.0, 150), (-140, 120), (-140, -60)]), 0)
    parts = [*ears, face, FigurePart("face shade", "skin shade", (rim, outside), clip="face", trace="shade")]
    for sign, name in ((-1.0, "a"), (1.0, "b")):
        parts += _build_eye(pose, t, sign, name)
    parts += _build_mouth(pose, t)
    nose = t.project_points([(-2, 38), (4, 46), (-3, 49)], bump=16)
    parts.append(FigurePart("nose", None, (), (make_line(nose, 2.6, (0.8, 0.5)),), fine=True))
    parts += _build_hair(pose, t)
    for sign, name in ((-1.0, "a"), (1.0, "b")):
        parts.append(_build_brow(pose, t, sign, name))
    return parts


def _build_ear(t: HeadTurn, sign: float) -> FigurePart:
    x, y = t.turn_point(sign * 91, 22, -12)
    stretch = 1 - 0.35 * sign * t.yaw
    points = [(x + sign * u * stretch, y + v) for u, v in ((-8, -24), (6, -28), (16, -18), (15, 2), (8, 20), (-4, 26), (-14, 10))]
    inner = make_line([(x + sign * u * stretch, y + v) for u, v in ((9, -16), (2, -14), (0, -4), (4, 4))], 2.0)
    return FigurePart(f"ear {'a' if sign < 0 else 'b'}", "skin", make_loop(points, (0,), 3.0), (inner,))


def _build_eye(pose: CourierPose, t: HeadTurn, sign: float, name: str) -> list[FigurePart]:
    lid, cheek = max(pose.eyes, 0.0) ** 0.6, 0.25 * pose.smile * pose.mouth
    upper = np.array([(-23, 8), (-20, -9), (-7, -22), (11, -22), (23, -10), (27, 3)], float)
    lower = np.array([(27, 3), (23, 16), (10, 25 - 8 * cheek), (-7, 25 - 8 * cheek), (-19, 18), (-23, 8)], float)
    closed = np.array([(-23, 12), (-17, 17), (-6, 20), (9, 20), (21, 15), (28, 8)], float)
    upper = closed + (upper - closed) * lid

    def place_points(p):
        return t.project_points(np.asarray(p, float) * (sign, 1) + (sign * 44, 26))

    wing = place_points([upper[-2] + (-2, -2), upper[-2] + (7, 2), upper[-2] + (15, -3)])
    crease = place_points(upper[1:5] + (0, -9 - 2 * lid) + np.array([(2, 2), (0, 0), (0, 0), (-2, 0)]))
    details = (make_line(wing, LASH * 0.8, (0.3, 0.9)), make_line(crease, 2.0, (0.8, 0.8)))
    if lid < 0.3:
        return [FigurePart(f"eye {name}", None, (), (PenCurve(sample_spline(place_points(closed)), LASH, (0.5, 0.3)),), fine=True)]
    white = FigurePart(
        f"eye {name}",
        "eye white",
        (PenCurve(sample_spline(place_points(upper)), LASH, (0.5, 0.2)), PenCurve(sample_spline(place_points(lower)), 2.2, (0.3, 0.3))),
        details,
        fine=True,
    )
    x, y = 8.0 * pose.gaze_x * sign - 1.5, 2 + 6 * pose.gaze_y
    parts = [white]
    for part, fill, center, radius in (
        ("iris", "iris", (x, y), (16.5, 22.5)),
        ("pupil", "pupil", (x, y + 1), (8.5, 12.0)),
        ("glint", "glint", (x + sign * 6.5, y - 10), (6.2, 7.2)),
    ):
        outline = make_loop(place_points(make_ellipse(center, *radius, 40)), (), 2.2)
        parts.append(FigurePart(f"{part} {name}", fill, outline, clip=f"eye {name}", fine=True))
    return parts


def _build_brow(pose: CourierPose, t: HeadTurn, sign: float, name: str) -> FigurePart:
    up = -8 * pose.brows
    points = np.array([(-21, -4), (-6, -9), (10, -9), (27, 2), (10, -2), (-6, -1), (-20, 4)], float)
    points[:, 1] += points[:, 0] * 0.12 * pose.brows
    return FigurePart(
        f"brow {name}", "brow", make_loop(t.project_points(points * (sign, 1) + (sign * 44, -12 + up)), (3, 6), 2.0), fine=True
    )


def _build_mouth(pose: CourierPose, t: HeadTurn) -> list[FigurePart]:
    wide, high = 15 + 10 * pose.smile, 4 + 27 * pose.mouth
    lift = 7 * pose.smile
    upper = [(-wide, 70 - lift), (-wide * 0.5, 72), (0, 73), (wide * 0.5, 72), (wide, 70 - lift)]
    lower = [(wide, 70 - lift), (wide * 0.72, 70 + high * 0.7), (0, 71 + high), (-wide * 0.72, 70 + high * 0.7), (-wide, 70 - lift)]
    mouth = FigurePart(
        "mouth",
        "mouth",
        (
            PenCurve(sample_spline(t.project_points(upper, bump=6)), 3.2),
            PenCurve(sample_spline(t.project_points(lower, bump=6)), 2.6, (0.4, 0.4)),
        ),
        fine=True,
    )
    tongue = make_loop(t.project_points(make_ellipse((0, 74 + high * 1.02), wide * 0.62, high * 0.5), bump=6), (), 2.0)
    return [mouth, FigurePart("tongue", "tongue", tongue, clip="mouth", fine=True)]


def _build_hair(pose: CourierPose, t: HeadTurn) -> list[FigurePart]:
    on = partial(t.project_points, depth=78.0, radius=(106.0, 136.0))  # the hair lies some way off the skull
    left, right = _find_lock_edge(t, -1.0), _find_lock_edge(t, 1.0)
    dome = [
        (left, 4),
        (-54 + 0.5 * left, -44),
        (-84, -98),
        (-44, -122),
        (0, -130),
        (44, -122),
        (84, -98),
        (54 + 0.5 * right, -44),
        (right, 4),
    ]
    fringe = on([
        (98, 14), (84, -18), (66, -44), (58, -20), (34, -4), (30, -30), (22, -52), (8, -18),
        (-22, 4), (-26, -22), (-32, -44), (-46, -14), (-72, 10), (-76, -16), (-86, -30), (-98, 16),
    ])  # fmt: skip
    crown_points = [*dome, *fringe]
    corners = (0, 8, 9, 11, 13, 15, 17, 19, 21, 23, 24)  # the dome is one pull, then tip, valley, tip
    whorl = t.turn_point(26, -122, 26)
    strands = []
    for valley, bend in ((2, 10.0), (6, 4.0), (10, -8.0), (14, -12.0)):
        end = fringe[valley]
        way = whorl + (end - whorl) * 0.36
        strands.append(make_line([end, (end + way) / 2 + (bend, -6), way], 2.6, (0.1, 0.9)))
    crown = FigurePart("crown", "hair", make_loop(crown_points, corners, 3.2, bare=(1, 10), widths={0: 3.8}), tuple(strands))
    band = on([
        (-90, -62), (-50, -84), (0, -92), (50, -84), (90, -60), (70, -58), (56, -68), (40, -62), (22, -72),
        (4, -64), (-16, -74), (-34, -62), (-52, -66), (-72, -52),
    ])  # fmt: skip
    light = FigurePart("crown light", "hair light", make_loop(band, (0, 4), 2.2), clip="crown", trace="light")
    locks = [_build_lock(t, -1.0), _build_lock(t, 1.0)]
    if pose.yaw > 0:
        locks.reverse()
    locks = [p for pair in locks for p in pair]
    clip = FigurePart("clip", "bow", make_loop(on([(56, -58), (84, -40), (80, -32), (52, -50)]), (0, 1, 2, 3), 2.4))
    return [*locks, crown, light, clip]


def _find_lock_edge(t: HeadTurn, sign: float) -> float:
    return float(t.turn_point(sign * 97, 0, 14)[0] + sign * 12.5 - 0.9 * t.yaw)


def _build_lock(t: HeadTurn, sign: float) -> list[FigurePart]:
    """The long strand beside the cheek. It goes on from the dome's edge."""
    name = "a" if sign < 0 else "b"
    x, _ = t.turn_point(sign * 97, 0, 14)
    sway = -7 * t.yaw
    points = [(-2, -50), (12, -10), (14, 40), (9, 84), (-4, 126), (-9, 92), (-15, 50), (-14, 0), (-18, -50)]
    placed = [(x + sign * u + sway * np.clip((v + 20) / 130, 0, 1), v) for u, v in points]
    lock = FigurePart(f"lock {name}", "hair", make_loop(placed, (0, 4, 8), 3.2))
    inner = [(x + sign * u + sway * np.clip((v + 20) / 130, 0, 1), v) for u, v in ((20, 58), (-4, 66), (-24, 56), (-20, 140), (20, 140))]
    return [
        lock,
        FigurePart(f"lock {name} shade", "hair shade", make_loop(inner, (0, 2), 2.2, bare=(1,)), clip=f"lock {name}", trace="shade"),
    ]
