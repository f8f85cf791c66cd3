"""Cut-out people put together."""

import numpy as np

from . import cutout_body, cutout_head
from .cutout import Part, frame, tube, up
from .cutout_person import Person, Pose


def parts(who: Person, pose: Pose) -> list[Part]:
    """All parts of a person in a pose, the foremost first; always the same lines in the same order."""
    stretch = np.exp(pose["squash"])
    pelvis = np.array([pose["x"], pose["y"]])
    chest = pelvis + 0.5 * who.torso * stretch * up(pose["lean"])
    throat = chest + 0.5 * who.torso * stretch * up(pose["lean"] + pose["bend"])
    wide = 1 / np.sqrt(stretch)
    body = tube(
        np.array([pelvis, chest, throat]),
        wide * np.array([1.0 * who.hips, 0.82 * who.hips, 0.86 * who.shoulders, who.shoulders, 0.42 * who.shoulders]),
    )
    turn = pose["lean"] + pose["bend"] + pose["tilt"]
    head = frame(throat + (0.98 * who.head) * up(turn - 0.5 * pose["tilt"]), turn, (wide, stretch))
    arms = [cutout_body.arm(who, pose, "left", body.at(0.78, -0.8)), cutout_body.arm(who, pose, "right", body.at(0.78, 0.8))]
    front = [part for number, arm in enumerate(arms) if number != who.behind for part in arm]
    back = [part for number, arm in enumerate(arms) if number == who.behind for part in arm]
    legs = [*cutout_body.leg(who, pose, "left", body.at(0.02, -0.5)), *cutout_body.leg(who, pose, "right", body.at(0.02, 0.5))]
    return [
        *front,
        *cutout_head.head(who, pose, head),
        cutout_body.neck(who, body, head),
        cutout_body.torso(who, pose, body),
        *([cutout_body.skirt(who, pose, body)] if who.skirt else []),
        *legs,
        *back,
        *cutout_head.behind(who, pose, body, head),
    ]
