"""Assembles cut-out people."""

import numpy as np

from . import cutout_body, cutout_head
from .cutout import CutoutPart, make_frame, make_tube, point_upward
from .cutout_person import CutoutPerson, Pose


def draw_parts(who: CutoutPerson, pose: Pose) -> list[CutoutPart]:
    """All parts of a person in a pose, the foremost first. The lines and their order are always the same."""
    stretch = np.exp(pose["squash"])
    pelvis = np.array([pose["x"], pose["y"]])
    chest = pelvis + 0.5 * who.torso * stretch * point_upward(pose["lean"])
    throat = chest + 0.5 * who.torso * stretch * point_upward(pose["lean"] + pose["bend"])
    wide = 1 / np.sqrt(stretch)
    body = make_tube(
        np.array([pelvis, chest, throat]),
        wide * np.array([1.0 * who.hips, 0.82 * who.hips, 0.86 * who.shoulders, who.shoulders, 0.42 * who.shoulders]),
    )
    turn = pose["lean"] + pose["bend"] + pose["tilt"]
    head = make_frame(throat + (0.98 * who.head) * point_upward(turn - 0.5 * pose["tilt"]), turn, (wide, stretch))
    arms = [
        cutout_body.draw_arm(who, pose, "left", body.map_points(0.78, -0.8)),
        cutout_body.draw_arm(who, pose, "right", body.map_points(0.78, 0.8)),
    ]
    front = [part for number, arm in enumerate(arms) if number != who.behind for part in arm]
    back = [part for number, arm in enumerate(arms) if number == who.behind for part in arm]
    legs = [
        *cutout_body.draw_leg(who, pose, "left", body.map_points(0.02, -0.5)),
        *cutout_body.draw_leg(who, pose, "right", body.map_points(0.02, 0.5)),
    ]
    return [
        *front,
        *cutout_head.draw_head(who, pose, head),
        cutout_body.draw_neck(who, body, head),
        cutout_body.draw_torso(who, pose, body),
        *([cutout_body.draw_skirt(who, pose, body)] if who.skirt else []),
        *legs,
        *back,
        *cutout_head.draw_back_parts(who, pose, body, head),
    ]
