"""People: bodies, from toddlers with big heads to tall figures. One unit is the radius of the skull."""

import numpy as np
from numpy.random import Generator

from . import accessories, clothes
from .body import BodyMeasures
from .builder import FigureBuilder
from .face import add_ears, add_face, add_glasses, add_head
from .figure import ToonFigure
from .hair import add_hair


def build_person(rng: Generator) -> ToonFigure:
    """Build a random person."""
    b = FigureBuilder()
    cartoon = float(rng.beta(0.7, 1.2))
    body, skull = _build_skeleton(b, rng)
    top = add_head(b, rng, skull, cartoon)
    add_face(b, rng, top, cartoon)
    add_ears(b, rng, top)
    if rng.random() < 0.95:
        add_hair(b, rng, top)
    if rng.random() < 0.13:
        add_glasses(b, rng, top)
    clothes.dress_body(b, rng, body)
    accessories.add_hat(b, rng, top)
    b.focus = skull
    return b.build_figure()


def _build_skeleton(b: FigureBuilder, rng: Generator) -> tuple[BodyMeasures, int]:
    heads = rng.choice([rng.uniform(2.4, 3.2), rng.uniform(3.4, 4.6), rng.uniform(4.8, 6.4)], p=[0.3, 0.3, 0.4])
    rest = heads * 2.0 - 2.0  # below the head
    stocky = rng.uniform(0.75, 1.35)
    leg = rest * rng.uniform(0.25, 0.29)
    torso = rest - 2 * leg
    torso = max(torso * 0.88, 1.2)
    width = float(np.clip(rng.uniform(0.5, 0.64) * torso * stocky**0.6, 0.55, 1.7))
    waist = width * rng.uniform(0.55, 0.85)
    seat = width * rng.uniform(0.68, 0.95)
    arm = (torso * 0.5 + leg * 0.42) * rng.uniform(0.84, 0.98)
    thick_arm = np.clip(0.115 * torso * stocky, 0.13, 0.42)
    thick_leg = np.clip(0.16 * torso * stocky, 0.2, 0.55)

    pelvis = b.add_joint(-1, (0, 0, 0), swing=(0.08, 0.25, 0.1))
    chest = b.add_joint(pelvis, (0, 0.4 * torso, 0), swing=(0.14, 0.25, 0.12))
    neck = b.add_joint(chest, (0, 0.6 * torso, 0), swing=(0.12, 0.2, 0.1))
    skull = b.add_joint(neck, (0, rng.uniform(0.95, 1.15), 0.08), swing=(0.22, 0.5, 0.2))
    shoulders, elbows, wrists, hips, knees, ankles = [], [], [], [], [], []
    for side in (-1, 1):
        # Arms hang at rest and rise to the side; elbows and knees bend one way only.
        out = rng.uniform(0.25, 0.5)
        shoulder = b.add_joint(chest, (side * width * 0.92, 0.5 * torso, 0), (-0.1, 0, side * out), (0.8, 0.4, 0.65))
        elbow = b.add_joint(shoulder, (0, -arm, 0), (-0.75, 0, 0), (0.75, 0.5, 0.2))
        wrist = b.add_joint(elbow, (0, -arm * 0.92, 0), (0, 0, 0), (0.4, 0.3, 0.4))
        hip = b.add_joint(pelvis, (side * seat * 0.52, -0.1 * torso, 0), (-0.1, 0, side * 0.1), (0.42, 0.2, 0.16))
        knee = b.add_joint(hip, (0, -leg, 0), (0.3, 0, 0), (0.34, 0, 0))
        ankle = b.add_joint(knee, (0, -leg * 0.95, 0), (-0.15, 0, 0), (0.25, 0.2, 0.1))
        for name, joint in zip(
            ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"), (shoulder, elbow, wrist, hip, knee, ankle), strict=True
        ):
            b.mark_joint(f"{name}.{'R' if side < 0 else 'L'}", joint)  # the picture's left is the person's right
        for column, joint in zip((shoulders, elbows, wrists, hips, knees, ankles), (shoulder, elbow, wrist, hip, knee, ankle), strict=True):
            column.append(joint)
    arms, legs = (tuple(shoulders), tuple(elbows), tuple(wrists)), (tuple(hips), tuple(knees), tuple(ankles))
    return BodyMeasures(pelvis, chest, neck, *arms, *legs, torso, width, waist, seat, arm, leg, thick_arm, thick_leg), skull
