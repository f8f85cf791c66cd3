"""The courier: her body, and all her parts in order from back to front. Figure space: px, the ground below her at (0, 0), y down."""

from dataclasses import replace

import numpy as np

from . import head
from .curves import (
    FigurePart,
    PenCurve,
    make_direction,
    make_ellipse,
    make_limb_frame,
    make_line,
    make_loop,
    make_tube,
    rotate_points,
    sample_spline,
    transform_part,
)
from .pose import CourierPose

HIP, NECK, CHIN = 425.0, 180.0, 106.0  # px: the belt above the ground, the neck above the belt, the chin below the head's center
THIGH, SHIN = 176.0, 176.0
UPPER, FORE = 92.0, 84.0

# Hands point along +x, the thumb is at -y: wrist, thumb, four fingers with a valley between, heel.
_OPEN = [
    (0, -11), (12, -17), (22, -31), (29, -36), (32, -29), (30, -16), (46, -18), (60, -24), (65, -19), (61, -14), (50, -8), (65, -8),
    (72, -4), (66, 1), (50, 2), (64, 5), (69, 10), (62, 13), (46, 11), (54, 17), (56, 22), (50, 23), (34, 19), (12, 15), (0, 11),
]  # fmt: skip
_RELAXED = [
    (0, -11), (11, -15), (22, -20), (31, -19), (34, -14), (33, -11), (42, -14), (52, -12), (57, -8), (57, -6), (55, -5), (59, -3),
    (61, 1), (59, 4), (56, 4), (58, 6), (58, 10), (54, 12), (51, 11), (51, 14), (48, 17), (42, 18), (30, 17), (12, 14), (0, 11),
]  # fmt: skip
_POINT = [
    (0, -11), (11, -15), (20, -20), (30, -20), (36, -15), (34, -10), (48, -15), (68, -15), (73, -11), (68, -6), (48, -5), (51, -2),
    (53, 1), (50, 4), (46, 5), (49, 7), (49, 11), (46, 13), (42, 12), (43, 15), (41, 18), (36, 19), (28, 18), (12, 14), (0, 11),
]  # fmt: skip
_VALLEYS = (10, 14, 18)


def build_figure(pose: CourierPose) -> list[FigurePart]:
    """All parts of the figure in that pose, from back to front."""
    hip = np.array([pose.x, -HIP + pose.y])

    def place_torso(p):
        p = np.asarray(p, float)
        q = rotate_points(p, pose.lean)
        q[..., 0] += 9 * pose.turn * np.clip(-p[..., 1] / 170, 0, 1.1)
        return hip + q

    neck = place_torso([(0, -NECK)])[0]
    center = neck + rotate_points([(4 * pose.yaw, -CHIN - 40 + 24)], pose.lean + pose.tilt)[0] + (0, 6 * pose.nod)

    def place_head(part: FigurePart) -> FigurePart:
        return transform_part(part, lambda p: rotate_points(p, pose.tilt + 0.4 * pose.lean) + center)

    return [
        *(place_head(p) for p in head.build_back(pose)),
        *_build_leg(pose, hip, -1.0),
        *_build_leg(pose, hip, 1.0),
        *_build_skirt(pose, hip),
        *(transform_part(p, place_torso) for p in _build_shirt(pose, center - neck)),
        *_build_bag(pose, hip, place_torso),
        *(transform_part(p, place_torso) for p in _build_collar(pose)),
        *(place_head(p) for p in head.build_front(pose)),
        *_build_arm(pose, place_torso, 1.0),
        *_build_arm(pose, place_torso, -1.0),
    ]


def _build_leg(pose: CourierPose, hip: np.ndarray, sign: float) -> list[FigurePart]:
    name = "a" if sign < 0 else "b"
    top = hip + (sign * 30 + 4 * pose.turn, 30)
    ankle = np.array([pose.foot_a if sign < 0 else pose.foot_b, -46.0])
    reach = ankle - top
    length = min(np.hypot(*reach), THIGH + SHIN - 0.5)
    across = np.sqrt(max(THIGH**2 - (length / 2) ** 2, 0))
    knee = (top + ankle) / 2 + np.array([reach[1], -reach[0]]) / np.hypot(*reach) * across * sign * 0.45
    shin = ankle - knee
    bend = shin / np.hypot(*shin)
    path = [top, (top + knee) / 2, knee, knee + shin * 0.38, ankle, ankle + bend * 14]
    left, right = make_tube(path, (27, 26, 19.5, 21, 13, 13))
    kneecap = make_line([knee + (-9, 4), knee + (-1, 8), knee + (7, 5)], 2.0, (0.8, 0.8))
    leg = FigurePart(f"leg {name}", "skin", (PenCurve(left), PenCurve(right[::-1])), (kneecap,))
    shadow = [top + (-60, 0), top + (-60, 112 + 9 * sign), top + (0, 113), top + (60, 108 - 9 * sign), top + (60, 0)]
    shade = FigurePart(f"leg {name} shade", "skin shade", make_loop(shadow, (1, 3), 2.2, bare=(1,)), clip=f"leg {name}", trace="shade")

    begin = knee + shin * (0.22 if sign < 0 else 0.5)
    way = [begin, begin + (ankle - begin) * 0.5, ankle, ankle + bend * 16]
    sides = make_tube(way, (24.5, 23, 15.5, 15.5) if sign < 0 else (23.5, 19, 15.5, 15.5))
    normal = np.array([bend[1], -bend[0]])
    cuff = sample_spline([sides[1][0], begin - bend * -7, sides[0][0]])
    sock = FigurePart(f"sock {name}", "sock", (PenCurve(cuff, 3.0), PenCurve(sides[0]), PenCurve(sides[1][::-1])))
    bands = []
    for k in range(2 if sign < 0 else 0):
        a, b = (begin + (ankle - begin) * f for f in ((0.22, 0.40), (0.58, 0.76))[k])
        points = [a + normal * 34, a + bend * 7, a - normal * 34, b - normal * 34, b + bend * 7, b + normal * 34]
        bands.append(FigurePart(f"stripe {k}", "stripe", make_loop(points, (0, 2, 3, 5), 2.6, bare=(1, 3)), clip=f"sock {name}"))
    if sign > 0:
        ridge = make_line([begin + bend * 17 + normal * 22, begin + bend * 21, begin + bend * 17 - normal * 22], 2.2, (0.1, 0.1))
        sock = replace(sock, details=(ridge,))
    return [leg, shade, sock, *bands, *_build_boot(ankle, sign, name)]


def _build_boot(ankle: np.ndarray, sign: float, name: str) -> list[FigurePart]:
    def place_points(p):
        return ankle * (1, 0) + np.asarray(p, float) * (sign, 1)

    shaft = [(-19, -66), (0, -61), (19, -66), (20, -46), (26, -32), (48, -22), (60, -10), (60, -4), (-22, -4), (-24, -16), (-20, -38)]
    boot = FigurePart(f"boot {name}", "boot", make_loop(place_points(shaft), (0, 2, 7, 8), 3.4))
    toe = FigurePart(
        f"boot {name} toe",
        "boot shade",
        make_loop(place_points([(30, -34), (28, -18), (36, 0), (80, 0), (80, -34)]), (0, 2), 2.8, bare=(1,)),
        clip=f"boot {name}",
    )
    strap = FigurePart(
        f"boot {name} strap",
        "strap",
        make_loop(place_points([(-30, -44), (0, -37), (30, -44), (30, -33), (0, -26), (-30, -33)]), (0, 2, 3, 5), 2.6),
        clip=f"boot {name}",
    )
    sole = FigurePart(
        f"sole {name}", "sole", make_loop(place_points([(-25, -9), (20, -7), (62, -9), (64, 2), (58, 5), (-22, 5), (-27, 2)]), (0, 2), 3.2)
    )
    return [boot, toe, strap, sole]


def _build_skirt(pose: CourierPose, hip: np.ndarray) -> list[FigurePart]:
    sway, turn = pose.skirt, pose.turn
    ends = np.array([-106, -66, -24, 22, 66, 106.0])
    hem = [
        (x + sway * (1 + 0.1 * i) + 5 * turn, 116 + (5 if i in (0, 5) else 14) - abs(x) * 0.08 - 0.25 * sway * np.sign(x))
        for i, x in enumerate(ends)
    ]
    points = [(-46.0, 0.0), (-72 + 0.35 * sway, 52)]
    corners = [0]
    for i, p in enumerate(hem):
        corners.append(len(points))
        points.append(p)
        if i < len(hem) - 1:
            q = hem[i + 1]
            points.append(((p[0] + q[0]) / 2, (p[1] + q[1]) / 2 + 7))
    points += [(72 + 0.35 * sway, 52), (46, 0)]
    corners.append(len(points) - 1)
    outline = rotate_points(points, pose.lean * 0.3) + hip
    pleats = []
    for i in range(1, 5):
        top = np.array([(-34, -11, 12, 34)[i - 1] + 5 * turn, 6.0])
        end = np.array(hem[i])
        middle = (top + end) / 2 + (0.2 * sway + (top[0] - end[0]) * -0.06, -4)
        pleats.append(make_line(rotate_points([end, middle, top], pose.lean * 0.3) + hip, 2.6, (0.1, 0.5)))
    skirt = FigurePart("skirt", "skirt", make_loop(outline, corners, 3.4, bare=(len(corners) - 1,)), tuple(pleats))
    dark = np.array([(-60, -10), (-66 + 0.3 * sway, 40), (hem[1][0] + 14, 150), (-180, 160), (-180, -10)])
    shade = FigurePart(
        "skirt shade",
        "skirt shade",
        make_loop(rotate_points(dark, pose.lean * 0.3) + hip, (0, 2), 2.2, bare=(1,)),
        clip="skirt",
        trace="shade",
    )
    return [skirt, shade]


def _build_shirt(pose: CourierPose, head_at: np.ndarray) -> list[FigurePart]:
    t = 6 * pose.turn
    body = [
        (-30, -180),
        (-60, -168),
        (-62, -130),
        (-56, -80),
        (-47, -30),
        (-48, 4),
        (48, 4),
        (47, -30),
        (56, -80),
        (62, -130),
        (60, -168),
        (30, -180),
    ]
    folds = (make_line([(-46, -16), (-34, -26), (-26, -40)], 2.2), make_line([(46, -18), (36, -32)], 2.2))
    shirt = FigurePart("shirt", "shirt", make_loop(body, (0, 5, 6, 11), 3.4), folds)
    dark = [(-44 + t, -190), (-34 + t, -90), (-28 + t, -40), (-30 + t, 20), (-90, 20), (-90, -190)]
    shade = FigurePart("shirt shade", "shirt shade", make_loop(dark, (0, 3), 2.2, bare=(1,)), clip="shirt", trace="shade")
    belt = FigurePart("belt", "belt", make_loop([(-51, -9), (0, -5), (51, -9), (50, 10), (0, 14), (-50, 10)], (0, 2, 3, 5), 3.2))
    bx = 12 * pose.turn
    buckle = FigurePart("buckle", "buckle", make_loop([(bx - 15, -11), (bx + 15, -11), (bx + 15, 19), (bx - 15, 19)], (0, 1, 2, 3), 2.8))
    hole = FigurePart("buckle hole", "belt", make_loop([(bx - 7, -3), (bx + 7, -3), (bx + 7, 11), (bx - 7, 11)], (0, 1, 2, 3), 2.4))
    up = rotate_points([head_at + (0, 30)], -pose.lean)[0] + (0, -NECK)
    neck = [(up[0] * 0.8 - 20, up[1]), (-21, -196), (-25, -178), (t * 0.5, -138), (25, -178), (21, -196), (up[0] * 0.8 + 20, up[1])]
    throat = FigurePart("neck", "skin", make_loop(neck, (0, 3, 6), 3.2, bare=(2,)))
    under = [(-60, -300), (-60, -186), (-8, -184), (24, -197), (60, -300)]
    shadow = FigurePart("neck shade", "skin shade", make_loop(under, (1, 3), 2.2, bare=(1,)), clip="neck", trace="shade")
    return [shirt, shade, belt, buckle, hole, throat, shadow]


def _build_collar(pose: CourierPose) -> list[FigurePart]:
    t = 6 * pose.turn
    result = []
    for sign, name in ((-1.0, "a"), (1.0, "b")):
        points = np.array([(26, -190), (50, -176), (62, -158), (54, -122), (26, -122), (0, -116), (12, -146)], float) * (sign, 1)
        points[3:, 0] += t
        result.append(FigurePart(f"collar {name}", "collar", make_loop(points, (0, 2, 3, 5), 3.2)))
        trim = np.array([(70, -152), (62, -134), (47, -134), (20, -133), (2, -128), (-20, -100), (80, -100)], float) * (sign, 1) + (t, 0)
        result.append(FigurePart(f"trim {name}", "trim", make_loop(trim, (0, 4), 2.4, bare=(1,)), clip=f"collar {name}"))
    for sign, name in ((-1.0, "a"), (1.0, "b")):
        tail = np.array([(2, -112), (14, -92), (30, -58), (18, -60), (10, -50), (-2, -86), (-4, -108)], float) * (sign, 1) + (t, 0)
        wing = np.array([(2, -116), (18, -136), (42, -142), (50, -120), (42, -98), (18, -106)], float) * (sign, 1) + (t, 0)
        fold = make_line(np.array([(8, -116), (20, -121), (30, -121)]) * (sign, 1) + (t, 0), 2.0)
        result += [
            FigurePart(f"bow tail {name}", "bow", make_loop(tail, (0, 2, 4), 2.8)),
            FigurePart(f"bow {name}", "bow", make_loop(wing, (0,), 3.0), (fold,)),
        ]
    result.append(
        FigurePart(
            "bow knot",
            "bow knot",
            make_loop([(t - 10, -127), (t + 10, -127), (t + 12, -115), (t + 9, -104), (t - 9, -104), (t - 12, -115)], (), 2.8),
        )
    )
    return result


def _build_bag(pose: CourierPose, hip: np.ndarray, torso) -> list[FigurePart]:
    at = hip + (62 + 4 * pose.turn + 0.3 * pose.skirt, 2)
    belt_a, belt_b = torso([(-42, -168)])[0], at + rotate_points([(18, 0)], pose.bag)[0]
    way = [belt_a, torso([(-14 + 5 * pose.turn, -92)])[0], belt_b]
    left, right = make_tube(way, (7.5, 7.5, 7.5))
    strap = FigurePart(
        "strap",
        "strap",
        (
            PenCurve(left, 2.8, (0, 0)),
            PenCurve(np.array([left[-1], right[-1]]), 0),
            PenCurve(right[::-1], 2.8, (0, 0)),
            PenCurve(np.array([right[0], left[0]]), 0),
        ),
    )

    def place_points(p):
        return rotate_points(p, pose.bag - 4) + at

    box = [(-30, 2), (10, -2), (66, 2), (70, 40), (68, 78), (60, 84), (14, 86), (-26, 84), (-34, 78), (-34, 40)]
    flap = [(-34, 0), (10, -5), (70, 0), (75, 24), (70, 46), (44, 56), (18, 58), (-8, 56), (-32, 46), (-38, 24)]
    bag = FigurePart("bag", "bag", make_loop(place_points(box), (0, 2), 3.4))
    shade = FigurePart("bag flap", "bag flap", make_loop(place_points(flap), (0, 2), 3.2))
    clasp = FigurePart("clasp", "clasp", make_loop(place_points([(8, 44), (28, 44), (28, 68), (8, 68)]), (0, 1, 2, 3), 2.6))
    return [strap, bag, shade, clasp]


def _build_arm(pose: CourierPose, torso, sign: float) -> list[FigurePart]:
    name = "a" if sign < 0 else "b"
    upper, fore, hand, spread, point = (getattr(pose, f"{name}_{k}") for k in ("upper", "fore", "hand", "open", "point"))
    shoulder = torso([(sign * 58 - 3 * pose.turn, -152)])[0]
    rise = max(0.0, np.cos(np.radians(180 - abs(upper)))) if abs(upper) > 90 else 0.0
    shoulder = shoulder + (0, -12 * rise)
    elbow = shoulder + make_direction(upper) * UPPER
    wrist = elbow + make_direction(fore) * FORE
    path = [shoulder, shoulder + make_direction(upper) * UPPER * 0.55, elbow, elbow + make_direction(fore) * FORE * 0.35, wrist]
    left, right = make_tube(path, (17, 16, 13.5, 14, 10.5))
    thumb = -1.0 if sign < 0 else float(np.copysign(max(abs(pose.b_twist), 0.5), pose.b_twist))  # edge-on it is half as broad
    shape = np.asarray(_RELAXED, float) + spread * (np.subtract(_OPEN, _RELAXED)) + point * (1 - spread) * np.subtract(_POINT, _RELAXED)
    place = make_limb_frame(wrist, hand, thumb)
    outline = place(shape)
    lines = tuple(make_line(place([shape[v], shape[v] - (9, -0.5), shape[v] - (17 - 6 * spread, -1)]), 2.0, (0.05, 0.9)) for v in _VALLEYS)
    first, second = (left, right) if np.hypot(*(left[-1] - outline[0])) < np.hypot(*(right[-1] - outline[0])) else (right, left)
    fingers = sample_spline([first[-1], *outline[1:-1], second[-1]])
    glove = name == "b"
    if glove:
        arm = [FigurePart("arm b", "skin", (PenCurve(first), PenCurve(np.array([first[-1], second[-1]]), 0), PenCurve(second[::-1])))]
        arm.append(
            FigurePart("glove", "glove", (PenCurve(fingers, 3.0, (0.2, 0.2)), PenCurve(np.array([second[-1], first[-1]]), 0)), lines)
        )
        back = make_limb_frame(wrist, fore)
        cuff = back([(-22, -16), (-25, 0), (-22, 16), (4, 14), (2, 0), (4, -14)])
        arm.append(FigurePart("glove cuff", "glove cuff", make_loop(cuff, (0, 2, 3, 5), 3.0)))
    else:
        arm = [FigurePart("arm a", "skin", (PenCurve(first), PenCurve(fingers, 3.0, (0.3, 0.3)), PenCurve(second[::-1])), lines)]
        back = make_limb_frame(wrist, fore)
        arm.append(
            FigurePart(
                "wristband",
                "wristband",
                make_loop(back([(-22, -14), (-25, 0), (-22, 14), (-8, 13.5), (-11, 0), (-8, -13.5)]), (0, 2, 3, 5), 2.8),
            )
        )
    along = make_limb_frame(shoulder, upper)
    puff = along([(-15, -20), (-20, 0), (-15, 20), (10, 29), (34, 29), (48, 20), (51, 0), (48, -20), (34, -29), (10, -29)])
    sleeve = FigurePart(
        f"sleeve {name}",
        "shirt",
        make_loop(puff, (0, 5, 7), 3.4),
        (make_line(along([(46, 8), (34, 11), (24, 10)]), 2.0), make_line(along([(47, -6), (36, -8)]), 2.0)),
    )
    edge = along([(45, -22), (49, 0), (45, 22), (57, 21), (61, 0), (57, -21)])
    cuff_part = FigurePart(f"cuff {name}", "collar", make_loop(edge, (0, 2, 3, 5), 3.0))
    dark = (
        along([(-30, -8), (10, -12), (52, -8), (60, -60), (-30, -60)])
        if sign < 0
        else along([(-30, -16), (10, -21), (52, -15), (60, -60), (-30, -60)])
    )
    shade = FigurePart(f"sleeve {name} shade", "shirt shade", make_loop(dark, (0, 2), 2.2, bare=(1,)), clip=f"sleeve {name}", trace="shade")
    return [*arm, sleeve, shade, cuff_part]


def draw_construction(pose: CourierPose) -> list[np.ndarray]:
    """Rough lines, as an animator leaves them under the clean ones: a ball for the head, boxes for chest and hips, sticks for limbs."""
    hip = np.array([pose.x, -HIP + pose.y])
    neck = hip + rotate_points([(9 * pose.turn, -NECK)], pose.lean)[0]
    center = neck + (4 * pose.yaw, -CHIN - 16)
    result = [sample_spline(make_ellipse(center, 96, 108), closed=True), sample_spline(make_ellipse((hip + neck) / 2, 66, 88), closed=True)]
    for name, sign in (("a", -1), ("b", 1)):
        shoulder = neck + (sign * 58, 28)
        elbow = shoulder + make_direction(getattr(pose, f"{name}_upper")) * UPPER
        result.append(sample_spline([shoulder, elbow, elbow + make_direction(getattr(pose, f"{name}_fore")) * (FORE + 50)]))
        result.append(sample_spline([hip + (sign * 30, 30), np.array([getattr(pose, f"foot_{name}"), -10.0])]))
    return result
