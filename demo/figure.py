"""The courier: her body, and all her parts in order from back to front. Figure space: px, the ground below her at (0, 0), y down."""

from dataclasses import replace

import numpy as np

from . import head
from .curves import Curve, Part, direction, ellipse, frame, line, loop, moved, rotate, spline, tube
from .pose import Pose

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


def parts(pose: Pose) -> list[Part]:
    """All parts of the figure in that pose, from back to front."""
    hip = np.array([pose.x, -HIP + pose.y])

    def torso(p):
        p = np.asarray(p, float)
        q = rotate(p, pose.lean)
        q[..., 0] += 9 * pose.turn * np.clip(-p[..., 1] / 170, 0, 1.1)
        return hip + q

    neck = torso([(0, -NECK)])[0]
    center = neck + rotate([(4 * pose.yaw, -CHIN - 40 + 24)], pose.lean + pose.tilt)[0] + (0, 6 * pose.nod)

    def headed(part: Part) -> Part:
        return moved(part, lambda p: rotate(p, pose.tilt + 0.4 * pose.lean) + center)

    return [
        *(headed(p) for p in head.back(pose)),
        *_leg(pose, hip, -1.0),
        *_leg(pose, hip, 1.0),
        *_skirt(pose, hip),
        *(moved(p, torso) for p in _shirt(pose, center - neck)),
        *_bag(pose, hip, torso),
        *(moved(p, torso) for p in _collar(pose)),
        *(headed(p) for p in head.front(pose)),
        *_arm(pose, torso, 1.0),
        *_arm(pose, torso, -1.0),
    ]


def _leg(pose: Pose, hip: np.ndarray, sign: float) -> list[Part]:
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
    left, right = tube(path, (27, 26, 19.5, 21, 13, 13))
    kneecap = line([knee + (-9, 4), knee + (-1, 8), knee + (7, 5)], 2.0, (0.8, 0.8))
    leg = Part(f"leg {name}", "skin", (Curve(left), Curve(right[::-1])), (kneecap,))
    shadow = [top + (-60, 0), top + (-60, 112 + 9 * sign), top + (0, 113), top + (60, 108 - 9 * sign), top + (60, 0)]
    shade = Part(f"leg {name} shade", "skin shade", loop(shadow, (1, 3), 2.2, bare=(1,)), clip=f"leg {name}", trace="shade")

    begin = knee + shin * (0.22 if sign < 0 else 0.5)
    way = [begin, begin + (ankle - begin) * 0.5, ankle, ankle + bend * 16]
    sides = tube(way, (24.5, 23, 15.5, 15.5) if sign < 0 else (23.5, 19, 15.5, 15.5))
    normal = np.array([bend[1], -bend[0]])
    cuff = spline([sides[1][0], begin - bend * -7, sides[0][0]])
    sock = Part(f"sock {name}", "sock", (Curve(cuff, 3.0), Curve(sides[0]), Curve(sides[1][::-1])))
    bands = []
    for k in range(2 if sign < 0 else 0):
        a, b = (begin + (ankle - begin) * f for f in ((0.22, 0.40), (0.58, 0.76))[k])
        points = [a + normal * 34, a + bend * 7, a - normal * 34, b - normal * 34, b + bend * 7, b + normal * 34]
        bands.append(Part(f"stripe {k}", "stripe", loop(points, (0, 2, 3, 5), 2.6, bare=(1, 3)), clip=f"sock {name}"))
    if sign > 0:
        ridge = line([begin + bend * 17 + normal * 22, begin + bend * 21, begin + bend * 17 - normal * 22], 2.2, (0.1, 0.1))
        sock = replace(sock, details=(ridge,))
    return [leg, shade, sock, *bands, *_boot(ankle, sign, name)]


def _boot(ankle: np.ndarray, sign: float, name: str) -> list[Part]:
    def place(p):
        return ankle * (1, 0) + np.asarray(p, float) * (sign, 1)

    shaft = [(-19, -66), (0, -61), (19, -66), (20, -46), (26, -32), (48, -22), (60, -10), (60, -4), (-22, -4), (-24, -16), (-20, -38)]
    boot = Part(f"boot {name}", "boot", loop(place(shaft), (0, 2, 7, 8), 3.4))
    toe = Part(
        f"boot {name} toe",
        "boot shade",
        loop(place([(30, -34), (28, -18), (36, 0), (80, 0), (80, -34)]), (0, 2), 2.8, bare=(1,)),
        clip=f"boot {name}",
    )
    strap = Part(
        f"boot {name} strap",
        "strap",
        loop(place([(-30, -44), (0, -37), (30, -44), (30, -33), (0, -26), (-30, -33)]), (0, 2, 3, 5), 2.6),
        clip=f"boot {name}",
    )
    sole = Part(f"sole {name}", "sole", loop(place([(-25, -9), (20, -7), (62, -9), (64, 2), (58, 5), (-22, 5), (-27, 2)]), (0, 2), 3.2))
    return [boot, toe, strap, sole]


def _skirt(pose: Pose, hip: np.ndarray) -> list[Part]:
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
    outline = rotate(points, pose.lean * 0.3) + hip
    pleats = []
    for i in range(1, 5):
        top = np.array([(-34, -11, 12, 34)[i - 1] + 5 * turn, 6.0])
        end = np.array(hem[i])
        middle = (top + end) / 2 + (0.2 * sway + (top[0] - end[0]) * -0.06, -4)
        pleats.append(line(rotate([end, middle, top], pose.lean * 0.3) + hip, 2.6, (0.1, 0.5)))
    skirt = Part("skirt", "skirt", loop(outline, corners, 3.4, bare=(len(corners) - 1,)), tuple(pleats))
    dark = np.array([(-60, -10), (-66 + 0.3 * sway, 40), (hem[1][0] + 14, 150), (-180, 160), (-180, -10)])
    shade = Part(
        "skirt shade", "skirt shade", loop(rotate(dark, pose.lean * 0.3) + hip, (0, 2), 2.2, bare=(1,)), clip="skirt", trace="shade"
    )
    return [skirt, shade]


def _shirt(pose: Pose, head_at: np.ndarray) -> list[Part]:
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
    folds = (line([(-46, -16), (-34, -26), (-26, -40)], 2.2), line([(46, -18), (36, -32)], 2.2))
    shirt = Part("shirt", "shirt", loop(body, (0, 5, 6, 11), 3.4), folds)
    dark = [(-44 + t, -190), (-34 + t, -90), (-28 + t, -40), (-30 + t, 20), (-90, 20), (-90, -190)]
    shade = Part("shirt shade", "shirt shade", loop(dark, (0, 3), 2.2, bare=(1,)), clip="shirt", trace="shade")
    belt = Part("belt", "belt", loop([(-51, -9), (0, -5), (51, -9), (50, 10), (0, 14), (-50, 10)], (0, 2, 3, 5), 3.2))
    bx = 12 * pose.turn
    buckle = Part("buckle", "buckle", loop([(bx - 15, -11), (bx + 15, -11), (bx + 15, 19), (bx - 15, 19)], (0, 1, 2, 3), 2.8))
    hole = Part("buckle hole", "belt", loop([(bx - 7, -3), (bx + 7, -3), (bx + 7, 11), (bx - 7, 11)], (0, 1, 2, 3), 2.4))
    up = rotate([head_at + (0, 30)], -pose.lean)[0] + (0, -NECK)
    neck = [(up[0] * 0.8 - 20, up[1]), (-21, -196), (-25, -178), (t * 0.5, -138), (25, -178), (21, -196), (up[0] * 0.8 + 20, up[1])]
    throat = Part("neck", "skin", loop(neck, (0, 3, 6), 3.2, bare=(2,)))
    under = [(-60, -300), (-60, -186), (-8, -184), (24, -197), (60, -300)]
    shadow = Part("neck shade", "skin shade", loop(under, (1, 3), 2.2, bare=(1,)), clip="neck", trace="shade")
    return [shirt, shade, belt, buckle, hole, throat, shadow]


def _collar(pose: Pose) -> list[Part]:
    t = 6 * pose.turn
    result = []
    for sign, name in ((-1.0, "a"), (1.0, "b")):
        points = np.array([(26, -190), (50, -176), (62, -158), (54, -122), (26, -122), (0, -116), (12, -146)], float) * (sign, 1)
        points[3:, 0] += t
        result.append(Part(f"collar {name}", "collar", loop(points, (0, 2, 3, 5), 3.2)))
        trim = np.array([(70, -152), (62, -134), (47, -134), (20, -133), (2, -128), (-20, -100), (80, -100)], float) * (sign, 1) + (t, 0)
        result.append(Part(f"trim {name}", "trim", loop(trim, (0, 4), 2.4, bare=(1,)), clip=f"collar {name}"))
    for sign, name in ((-1.0, "a"), (1.0, "b")):
        tail = np.array([(2, -112), (14, -92), (30, -58), (18, -60), (10, -50), (-2, -86), (-4, -108)], float) * (sign, 1) + (t, 0)
        wing = np.array([(2, -116), (18, -136), (42, -142), (50, -120), (42, -98), (18, -106)], float) * (sign, 1) + (t, 0)
        fold = line(np.array([(8, -116), (20, -121), (30, -121)]) * (sign, 1) + (t, 0), 2.0)
        result += [Part(f"bow tail {name}", "bow", loop(tail, (0, 2, 4), 2.8)), Part(f"bow {name}", "bow", loop(wing, (0,), 3.0), (fold,))]
    result.append(
        Part(
            "bow knot",
            "bow knot",
            loop([(t - 10, -127), (t + 10, -127), (t + 12, -115), (t + 9, -104), (t - 9, -104), (t - 12, -115)], (), 2.8),
        )
    )
    return result


def _bag(pose: Pose, hip: np.ndarray, torso) -> list[Part]:
    at = hip + (62 + 4 * pose.turn + 0.3 * pose.skirt, 2)
    belt_a, belt_b = torso([(-42, -168)])[0], at + rotate([(18, 0)], pose.bag)[0]
    way = [belt_a, torso([(-14 + 5 * pose.turn, -92)])[0], belt_b]
    left, right = tube(way, (7.5, 7.5, 7.5))
    strap = Part(
        "strap",
        "strap",
        (
            Curve(left, 2.8, (0, 0)),
            Curve(np.array([left[-1], right[-1]]), 0),
            Curve(right[::-1], 2.8, (0, 0)),
            Curve(np.array([right[0], left[0]]), 0),
        ),
    )

    def place(p):
        return rotate(p, pose.bag - 4) + at

    box = [(-30, 2), (10, -2), (66, 2), (70, 40), (68, 78), (60, 84), (14, 86), (-26, 84), (-34, 78), (-34, 40)]
    flap = [(-34, 0), (10, -5), (70, 0), (75, 24), (70, 46), (44, 56), (18, 58), (-8, 56), (-32, 46), (-38, 24)]
    bag = Part("bag", "bag", loop(place(box), (0, 2), 3.4))
    shade = Part("bag flap", "bag flap", loop(place(flap), (0, 2), 3.2))
    clasp = Part("clasp", "clasp", loop(place([(8, 44), (28, 44), (28, 68), (8, 68)]), (0, 1, 2, 3), 2.6))
    return [strap, bag, shade, clasp]


def _arm(pose: Pose, torso, sign: float) -> list[Part]:
    name = "a" if sign < 0 else "b"
    upper, fore, hand, spread, point = (getattr(pose, f"{name}_{k}") for k in ("upper", "fore", "hand", "open", "point"))
    shoulder = torso([(sign * 58 - 3 * pose.turn, -152)])[0]
    rise = max(0.0, np.cos(np.radians(180 - abs(upper)))) if abs(upper) > 90 else 0.0
    shoulder = shoulder + (0, -12 * rise)
    elbow = shoulder + direction(upper) * UPPER
    wrist = elbow + direction(fore) * FORE
    path = [shoulder, shoulder + direction(upper) * UPPER * 0.55, elbow, elbow + direction(fore) * FORE * 0.35, wrist]
    left, right = tube(path, (17, 16, 13.5, 14, 10.5))
    thumb = -1.0 if sign < 0 else float(np.copysign(max(abs(pose.b_twist), 0.5), pose.b_twist))  # edge-on it is half as broad
    shape = np.asarray(_RELAXED, float) + spread * (np.subtract(_OPEN, _RELAXED)) + point * (1 - spread) * np.subtract(_POINT, _RELAXED)
    place = frame(wrist, hand, thumb)
    outline = place(shape)
    lines = tuple(line(place([shape[v], shape[v] - (9, -0.5), shape[v] - (17 - 6 * spread, -1)]), 2.0, (0.05, 0.9)) for v in _VALLEYS)
    first, second = (left, right) if np.hypot(*(left[-1] - outline[0])) < np.hypot(*(right[-1] - outline[0])) else (right, left)
    fingers = spline([first[-1], *outline[1:-1], second[-1]])
    glove = name == "b"
    if glove:
        arm = [Part("arm b", "skin", (Curve(first), Curve(np.array([first[-1], second[-1]]), 0), Curve(second[::-1])))]
        arm.append(Part("glove", "glove", (Curve(fingers, 3.0, (0.2, 0.2)), Curve(np.array([second[-1], first[-1]]), 0)), lines))
        back = frame(wrist, fore)
        cuff = back([(-22, -16), (-25, 0), (-22, 16), (4, 14), (2, 0), (4, -14)])
        arm.append(Part("glove cuff", "glove cuff", loop(cuff, (0, 2, 3, 5), 3.0)))
    else:
        arm = [Part("arm a", "skin", (Curve(first), Curve(fingers, 3.0, (0.3, 0.3)), Curve(second[::-1])), lines)]
        back = frame(wrist, fore)
        arm.append(
            Part(
                "wristband",
                "wristband",
                loop(back([(-22, -14), (-25, 0), (-22, 14), (-8, 13.5), (-11, 0), (-8, -13.5)]), (0, 2, 3, 5), 2.8),
            )
        )
    along = frame(shoulder, upper)
    puff = along([(-15, -20), (-20, 0), (-15, 20), (10, 29), (34, 29), (48, 20), (51, 0), (48, -20), (34, -29), (10, -29)])
    sleeve = Part(
        f"sleeve {name}",
        "shirt",
        loop(puff, (0, 5, 7), 3.4),
        (line(along([(46, 8), (34, 11), (24, 10)]), 2.0), line(along([(47, -6), (36, -8)]), 2.0)),
    )
    edge = along([(45, -22), (49, 0), (45, 22), (57, 21), (61, 0), (57, -21)])
    cuff_part = Part(f"cuff {name}", "collar", loop(edge, (0, 2, 3, 5), 3.0))
    dark = (
        along([(-30, -8), (10, -12), (52, -8), (60, -60), (-30, -60)])
        if sign < 0
        else along([(-30, -16), (10, -21), (52, -15), (60, -60), (-30, -60)])
    )
    shade = Part(f"sleeve {name} shade", "shirt shade", loop(dark, (0, 2), 2.2, bare=(1,)), clip=f"sleeve {name}", trace="shade")
    return [*arm, sleeve, shade, cuff_part]


def construction(pose: Pose) -> list[np.ndarray]:
    """Rough lines, as an animator leaves them under the clean ones: a ball for the head, boxes for chest and hips, sticks for limbs."""
    hip = np.array([pose.x, -HIP + pose.y])
    neck = hip + rotate([(9 * pose.turn, -NECK)], pose.lean)[0]
    center = neck + (4 * pose.yaw, -CHIN - 16)
    result = [spline(ellipse(center, 96, 108), closed=True), spline(ellipse((hip + neck) / 2, 66, 88), closed=True)]
    for name, sign in (("a", -1), ("b", 1)):
        shoulder = neck + (sign * 58, 28)
        elbow = shoulder + direction(getattr(pose, f"{name}_upper")) * UPPER
        result.append(spline([shoulder, elbow, elbow + direction(getattr(pose, f"{name}_fore")) * (FORE + 50)]))
        result.append(spline([hip + (sign * 30, 30), np.array([getattr(pose, f"foot_{name}"), -10.0])]))
    return result
