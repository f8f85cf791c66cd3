"""Bodies and limbs of cut-out people."""

import numpy as np

from .cutout import Frame, Part, Tube, curve, down, frame, line, tube
from .cutout_person import Person, Pose


def arm(who: Person, pose: Pose, side: str, shoulder: np.ndarray) -> list[Part]:
    """A hand, and the arm behind it."""
    angle = pose["lean"] * -1 + pose[f"{side}_shoulder"]
    bent = angle + pose[f"{side}_elbow"]
    elbow = shoulder + who.arm * down(angle)
    wrist = elbow + 0.9 * who.arm * down(bent)
    r = who.thick_arm
    limb = tube(np.array([shoulder, elbow, wrist]), np.array([1.15 * r, 1.05 * r, r, 0.85 * r, 0.7 * r]))
    out = 1 if side == "left" else -1  # `across` on the outer side
    hand = frame(wrist, -(bent + pose[f"{side}_wrist"]), (out * -r / 10, r / 10))
    w = who.width
    bare = who.sleeve + 0.02
    return [
        Part(
            (
                line(f"{side} hand", hand.at(_HAND), w, 0.3),
                line(f"{side} thumb", hand.at(_THUMB), w, 0.4),
                line(f"{side} finger 1", hand.at(curve([(-3, 24), (-2.2, 17), (-2.5, 13)])), 0.8 * w, 0.6),
                line(f"{side} finger 2", hand.at(curve([(2, 25), (2.2, 18), (1.6, 13)])), 0.8 * w, 0.6),
            ),
            (hand.at(np.concatenate([_HAND, _THUMB])),),
        ),
        Part(
            (
                line(f"{side} sleeve outside", limb.side(out, 0.0, who.sleeve, cap=_CAP), w, 0.3),
                line(f"{side} sleeve inside", limb.side(-out, 0.12, who.sleeve), w, 0.3),
                line(f"{side} cuff", limb.ring(who.sleeve, 0.02, rows=21), w, 0.1),
                line(f"{side} arm outside", limb.side(0.86 * out, bare, 0.995, rows=25), w, 0.3),
                line(f"{side} arm inside", limb.side(-0.86 * out, bare, 0.995, rows=25), w, 0.3),
                line(f"{side} fold 1", limb.at(np.linspace(0.22, 0.3, 15), np.linspace(out, 0.1 * out, 15)), 0.8 * w, 0.7),
                line(f"{side} fold 2", limb.at(np.linspace(0.3, 0.26, 15), np.linspace(-out, -0.2 * out, 15)), 0.8 * w, 0.7),
            ),
            (limb.outline(_CAP),),
        ),
    ]


_CAP = 0.07  # of an arm at the shoulder
_HAND = curve([(-6, -0.5), (-8.5, 8), (-8, 19), (-5, 26), (0, 28), (5, 26), (8, 18), (8, 8), (6, -0.5)])
_THUMB = curve([(8, 7), (13, 9), (14.5, 16), (12, 20), (9, 17), (7.9, 14)])


def leg(who: Person, pose: Pose, side: str, hip: np.ndarray) -> list[Part]:
    """A shoe, and the leg behind it."""
    angle = pose[f"{side}_hip"] - 0.5 * pose["lean"]
    bent = angle + pose[f"{side}_knee"]
    knee = hip + who.leg * down(angle)
    ankle = knee + 0.95 * who.leg * down(bent)
    r = who.thick_leg
    limb = tube(np.array([hip, knee, ankle]), np.array([1.12 * r, 1.0 * r, 0.85 * r, 0.8 * r, 0.66 * r]))
    out = 1 if side == "left" else -1
    shoe = frame(ankle, -0.6 * bent, (-out * r / 15, r / 15))
    w = who.width
    hem = 0.42 if who.skirt else 0.9
    return [
        Part(
            (
                line(f"{side} shoe", shoe.at(_SHOE), w, 0.2),
                line(f"{side} sole", shoe.at(curve([(-9.6, 15), (4, 16.5), (24.6, 15.6)])), w, 0.2),
                line(f"{side} lace 1", shoe.at(curve([(4, 2.5), (1, 6), (4, 10), (7.5, 5.3)])), 0.8 * w, 0.5),
                line(f"{side} lace 2", shoe.at(curve([(-10, -3), (0, 0.5), (9.4, -3)])), 0.9 * w, 0.2),
            ),
            (shoe.at(_SHOE),),
        ),
        Part(
            (
                line(f"{side} leg outside", limb.side(out, 0.0, hem), w, 0.2),
                line(f"{side} leg inside", limb.side(-out, 0.1, hem), w, 0.2),
                line(f"{side} hem", limb.ring(hem, 0.02, rows=21), w, 0.1),
                line(f"{side} shin outside", limb.side(0.9 * out, hem + 0.01, 0.99, rows=31), w, 0.2),
                line(f"{side} shin inside", limb.side(-0.9 * out, hem + 0.01, 0.99, rows=31), w, 0.2),
                line(f"{side} knee", limb.at(0.5 + 0.02 * np.cos(np.linspace(-2, 2, 15)), np.linspace(-0.45, 0.3, 15) * out), 0.8 * w, 0.7),
                line(f"{side} crease", limb.at(np.linspace(0.2, 0.14, 15), np.linspace(-out, -0.1 * out, 15)), 0.8 * w, 0.7),
            ),
            (limb.outline(),),
        ),
    ]


_SHOE = curve([(-10, -6), (-11.5, 6), (-11, 18), (-8, 21), (6, 22), (22, 21.5), (26, 17), (22, 9), (12, 5), (9.5, 0), (10, -6)])


# --- body -------------------------------------------------------------------------------------------------------------


def neck(who: Person, body: Tube, head: Frame) -> Part:
    w = who.width
    stem = tube(np.array([head.at((0, 0.6 * who.head)), body.at(0.93, 0.0)]), np.full(3, 0.24 * who.shoulders))
    collar = curve([body.at(1.0, -1.05), body.at(0.95, -0.7), body.at(0.86, 0.0), body.at(0.95, 0.7), body.at(1.0, 1.05)])
    return Part(
        (
            line("collar", collar, w, 0.1),
            line("neck left", stem.side(1, 0, 0.94, rows=21), w, 0.2),
            line("neck right", stem.side(-1, 0, 0.94, rows=21), w, 0.2),
            line("throat", stem.at(np.linspace(0.75, 0.9, 9), np.linspace(0.1, -0.3, 9)), 0.7 * w, 0.7),
        ),
        (collar,),
    )


def torso(who: Person, pose: Pose, body: Tube) -> Part:
    w = who.width
    aside = 0.35 * np.sin(0.6 * pose["yaw"])
    lines = [
        line("body left", body.side(-1, 0, 1, rows=65), w, 0.2),
        line("body right", body.side(1, 0, 1, rows=65), w, 0.2),
        line("belt", body.ring(0.13, -0.03), w, 0.1),
        line("body hem", body.ring(0.0, -0.04), w, 0.1),
        line("zip", body.at(np.linspace(0.1, 0.86, 33), aside * np.sin(np.linspace(0.2, np.pi, 33))), 0.9 * w, 0.2),
        line("pocket left", body.at(*_PATCH) if aside > 0 else body.at(_PATCH[0], _PATCH[1] * (1 + aside)), 0.8 * w, 0.1, cyclic=True),
        line("waist fold left", body.at(np.linspace(0.3, 0.36, 15), np.linspace(-1, -0.35, 15)), 0.8 * w, 0.7),
        line("waist fold right", body.at(np.linspace(0.26, 0.33, 15), np.linspace(1, 0.4, 15)), 0.8 * w, 0.7),
        line("chest fold", body.at(np.linspace(0.66, 0.56, 15), np.linspace(0.92, 0.35, 15)), 0.8 * w, 0.7),
    ]
    for number in range(who.buttons):
        turn = np.linspace(0, 2 * np.pi, 13)[:-1]
        center = body.at(0.3 + 0.18 * number, aside + 0.22)
        lines.append(line(f"button {number + 1}", center + 3.2 * np.stack([np.cos(turn), np.sin(turn)], 1), 0.8 * w, cyclic=True))
    return Part(tuple(lines), (body.outline(),))


_PATCH = (np.array([0.52, 0.52, 0.52, 0.58, 0.64, 0.64, 0.64, 0.58]), np.array([-0.62, -0.45, -0.28, -0.28, -0.28, -0.45, -0.62, -0.62]))


def skirt(who: Person, pose: Pose, body: Tube) -> Part:
    w = who.width
    waist = body.at(0.06, 0.0)
    hang = -0.6 * pose["lean"] + 0.35 * pose["sway"]
    end = waist + who.skirt * down(hang)
    cloth = tube(np.array([waist, (waist + end) / 2 - 0.08 * who.skirt * np.array([hang, 0]), end]), who.hips * np.array([1.0, 1.25, 1.62]))
    across = np.linspace(-1, 1, 49)
    hem = cloth.at(0.97 + 0.03 * np.cos(across * 3 * np.pi) - 0.03 * across**2, across)
    pleats = [
        line(f"pleat {k + 1}", cloth.at(np.linspace(0.97, start, 17), np.linspace(x, 0.85 * x, 17)), 0.8 * w, 0.6)
        for k, (x, start) in enumerate(((-0.66, 0.35), (-0.33, 0.5), (0.0, 0.3), (0.33, 0.45), (0.66, 0.35)))
    ]
    sides = [line(f"skirt {name}", cloth.side(x, 0.02, 0.955), w, 0.2) for name, x in (("left", 1), ("right", -1))]
    return Part((*sides, line("skirt hem", hem, w, 0.1), *pleats), (np.concatenate([cloth.side(-1), hem, cloth.side(1)[::-1]]),))
