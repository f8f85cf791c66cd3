"""Bodies and limbs of cut-out people."""

import numpy as np

from .cutout import CutoutPart, LocalFrame, Tube, draw_curve, draw_line, make_frame, make_tube, point_downward
from .cutout_person import CutoutPerson, Pose


def draw_arm(who: CutoutPerson, pose: Pose, side: str, shoulder: np.ndarray) -> list[CutoutPart]:
    """A hand, and the arm behind it."""
    angle = pose["lean"] * -1 + pose[f"{side}_shoulder"]
    bent = angle + pose[f"{side}_elbow"]
    elbow = shoulder + who.arm * point_downward(angle)
    wrist = elbow + 0.9 * who.arm * point_downward(bent)
    r = who.thick_arm
    limb = make_tube(np.array([shoulder, elbow, wrist]), np.array([1.15 * r, 1.05 * r, r, 0.85 * r, 0.7 * r]))
    out = 1 if side == "left" else -1  # `across` on the outer side
    hand = make_frame(wrist, -(bent + pose[f"{side}_wrist"]), (out * -r / 10, r / 10))
    w = who.width
    bare = who.sleeve + 0.02
    return [
        CutoutPart(
            (
                draw_line(f"{side} hand", hand.map_points(_HAND), w, 0.3),
                draw_line(f"{side} thumb", hand.map_points(_THUMB), w, 0.4),
                draw_line(f"{side} finger 1", hand.map_points(draw_curve([(-3, 24), (-2.2, 17), (-2.5, 13)])), 0.8 * w, 0.6),
                draw_line(f"{side} finger 2", hand.map_points(draw_curve([(2, 25), (2.2, 18), (1.6, 13)])), 0.8 * w, 0.6),
            ),
            (hand.map_points(np.concatenate([_HAND, _THUMB])),),
        ),
        CutoutPart(
            (
                draw_line(f"{side} sleeve outside", limb.trace_side(out, 0.0, who.sleeve, cap=_CAP), w, 0.3),
                draw_line(f"{side} sleeve inside", limb.trace_side(-out, 0.12, who.sleeve), w, 0.3),
                draw_line(f"{side} cuff", limb.trace_ring(who.sleeve, 0.02, rows=21), w, 0.1),
                draw_line(f"{side} arm outside", limb.trace_side(0.86 * out, bare, 0.995, rows=25), w, 0.3),
                draw_line(f"{side} arm inside", limb.trace_side(-0.86 * out, bare, 0.995, rows=25), w, 0.3),
                draw_line(f"{side} fold 1", limb.map_points(np.linspace(0.22, 0.3, 15), np.linspace(out, 0.1 * out, 15)), 0.8 * w, 0.7),
                draw_line(f"{side} fold 2", limb.map_points(np.linspace(0.3, 0.26, 15), np.linspace(-out, -0.2 * out, 15)), 0.8 * w, 0.7),
            ),
            (limb.trace_outline(_CAP),),
        ),
    ]


_CAP = 0.07  # of an arm at the shoulder
_HAND = draw_curve([(-6, -0.5), (-8.5, 8), (-8, 19), (-5, 26), (0, 28), (5, 26), (8, 18), (8, 8), (6, -0.5)])
_THUMB = draw_curve([(8, 7), (13, 9), (14.5, 16), (12, 20), (9, 17), (7.9, 14)])


def draw_leg(who: CutoutPerson, pose: Pose, side: str, hip: np.ndarray) -> list[CutoutPart]:
    """A shoe, and the leg behind it."""
    angle = pose[f"{side}_hip"] - 0.5 * pose["lean"]
    bent = angle + pose[f"{side}_knee"]
    knee = hip + who.leg * point_downward(angle)
    ankle = knee + 0.95 * who.leg * point_downward(bent)
    r = who.thick_leg
    limb = make_tube(np.array([hip, knee, ankle]), np.array([1.12 * r, 1.0 * r, 0.85 * r, 0.8 * r, 0.66 * r]))
    out = 1 if side == "left" else -1
    shoe = make_frame(ankle, -0.6 * bent, (-out * r / 15, r / 15))
    w = who.width
    hem = 0.42 if who.skirt else 0.9
    return [
        CutoutPart(
            (
                draw_line(f"{side} shoe", shoe.map_points(_SHOE), w, 0.2),
                draw_line(f"{side} sole", shoe.map_points(draw_curve([(-9.6, 15), (4, 16.5), (24.6, 15.6)])), w, 0.2),
                draw_line(f"{side} lace 1", shoe.map_points(draw_curve([(4, 2.5), (1, 6), (4, 10), (7.5, 5.3)])), 0.8 * w, 0.5),
                draw_line(f"{side} lace 2", shoe.map_points(draw_curve([(-10, -3), (0, 0.5), (9.4, -3)])), 0.9 * w, 0.2),
            ),
            (shoe.map_points(_SHOE),),
        ),
        CutoutPart(
            (
                draw_line(f"{side} leg outside", limb.trace_side(out, 0.0, hem), w, 0.2),
                draw_line(f"{side} leg inside", limb.trace_side(-out, 0.1, hem), w, 0.2),
                draw_line(f"{side} hem", limb.trace_ring(hem, 0.02, rows=21), w, 0.1),
                draw_line(f"{side} shin outside", limb.trace_side(0.9 * out, hem + 0.01, 0.99, rows=31), w, 0.2),
                draw_line(f"{side} shin inside", limb.trace_side(-0.9 * out, hem + 0.01, 0.99, rows=31), w, 0.2),
                draw_line(
                    f"{side} knee",
                    limb.map_points(0.5 + 0.02 * np.cos(np.linspace(-2, 2, 15)), np.linspace(-0.45, 0.3, 15) * out),
                    0.8 * w,
                    0.7,
                ),
                draw_line(f"{side} crease", limb.map_points(np.linspace(0.2, 0.14, 15), np.linspace(-out, -0.1 * out, 15)), 0.8 * w, 0.7),
            ),
            (limb.trace_outline(),),
        ),
    ]


_SHOE = draw_curve([(-10, -6), (-11.5, 6), (-11, 18), (-8, 21), (6, 22), (22, 21.5), (26, 17), (22, 9), (12, 5), (9.5, 0), (10, -6)])


# --- body -------------------------------------------------------------------------------------------------------------


def draw_neck(who: CutoutPerson, body: Tube, head: LocalFrame) -> CutoutPart:
    w = who.width
    stem = make_tube(np.array([head.map_points((0, 0.6 * who.head)), body.map_points(0.93, 0.0)]), np.full(3, 0.24 * who.shoulders))
    collar = draw_curve(
        [
            body.map_points(1.0, -1.05),
            body.map_points(0.95, -0.7),
            body.map_points(0.86, 0.0),
            body.map_points(0.95, 0.7),
            body.map_points(1.0, 1.05),
        ]
    )
    return CutoutPart(
        (
            draw_line("collar", collar, w, 0.1),
            draw_line("neck left", stem.trace_side(1, 0, 0.94, rows=21), w, 0.2),
            draw_line("neck right", stem.trace_side(-1, 0, 0.94, rows=21), w, 0.2),
            draw_line("throat", stem.map_points(np.linspace(0.75, 0.9, 9), np.linspace(0.1, -0.3, 9)), 0.7 * w, 0.7),
        ),
        (collar,),
    )


def draw_torso(who: CutoutPerson, pose: Pose, body: Tube) -> CutoutPart:
    w = who.width
    aside = 0.35 * np.sin(0.6 * pose["yaw"])
    lines = [
        draw_line("body left", body.trace_side(-1, 0, 1, rows=65), w, 0.2),
        draw_line("body right", body.trace_side(1, 0, 1, rows=65), w, 0.2),
        draw_line("belt", body.trace_ring(0.13, -0.03), w, 0.1),
        draw_line("body hem", body.trace_ring(0.0, -0.04), w, 0.1),
        draw_line("zip", body.map_points(np.linspace(0.1, 0.86, 33), aside * np.sin(np.linspace(0.2, np.pi, 33))), 0.9 * w, 0.2),
        draw_line(
            "pocket left",
            body.map_points(*_PATCH) if aside > 0 else body.map_points(_PATCH[0], _PATCH[1] * (1 + aside)),
            0.8 * w,
            0.1,
            cyclic=True,
        ),
        draw_line("waist fold left", body.map_points(np.linspace(0.3, 0.36, 15), np.linspace(-1, -0.35, 15)), 0.8 * w, 0.7),
        draw_line("waist fold right", body.map_points(np.linspace(0.26, 0.33, 15), np.linspace(1, 0.4, 15)), 0.8 * w, 0.7),
        draw_line("chest fold", body.map_points(np.linspace(0.66, 0.56, 15), np.linspace(0.92, 0.35, 15)), 0.8 * w, 0.7),
    ]
    for number in range(who.buttons):
        turn = np.linspace(0, 2 * np.pi, 13)[:-1]
        center = body.map_points(0.3 + 0.18 * number, aside + 0.22)
        lines.append(draw_line(f"button {number + 1}", center + 3.2 * np.stack([np.cos(turn), np.sin(turn)], 1), 0.8 * w, cyclic=True))
    return CutoutPart(tuple(lines), (body.trace_outline(),))


_PATCH = (np.array([0.52, 0.52, 0.52, 0.58, 0.64, 0.64, 0.64, 0.58]), np.array([-0.62, -0.45, -0.28, -0.28, -0.28, -0.45, -0.62, -0.62]))


def draw_skirt(who: CutoutPerson, pose: Pose, body: Tube) -> CutoutPart:
    w = who.width
    waist = body.map_points(0.06, 0.0)
    hang = -0.6 * pose["lean"] + 0.35 * pose["sway"]
    end = waist + who.skirt * point_downward(hang)
    cloth = make_tube(
        np.array([waist, (waist + end) / 2 - 0.08 * who.skirt * np.array([hang, 0]), end]), who.hips * np.array([1.0, 1.25, 1.62])
    )
    across = np.linspace(-1, 1, 49)
    hem = cloth.map_points(0.97 + 0.03 * np.cos(across * 3 * np.pi) - 0.03 * across**2, across)
    pleats = [
        draw_line(f"pleat {k + 1}", cloth.map_points(np.linspace(0.97, start, 17), np.linspace(x, 0.85 * x, 17)), 0.8 * w, 0.6)
        for k, (x, start) in enumerate(((-0.66, 0.35), (-0.33, 0.5), (0.0, 0.3), (0.33, 0.45), (0.66, 0.35)))
    ]
    sides = [draw_line(f"skirt {name}", cloth.trace_side(x, 0.02, 0.955), w, 0.2) for name, x in (("left", 1), ("right", -1))]
    return CutoutPart(
        (*sides, draw_line("skirt hem", hem, w, 0.1), *pleats), (np.concatenate([cloth.trace_side(-1), hem, cloth.trace_side(1)[::-1]]),)
    )
