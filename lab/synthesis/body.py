"""The body measures for clothes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BodyMeasures:
    """Joints and measures that clothes are cut to. Limbs by side: 0 the picture's left, 1 its right."""

    pelvis: int
    chest: int
    neck: int
    shoulders: tuple[int, ...]
    elbows: tuple[int, ...]
    wrists: tuple[int, ...]
    hips: tuple[int, ...]
    knees: tuple[int, ...]
    ankles: tuple[int, ...]
    torso: float  # from pelvis to neck
    width: float  # half the shoulders
    waist: float  # radius
    seat: float  # radius of the hips
    arm: float  # length of an upper arm, and of a forearm
    leg: float  # length of a thigh, and of a shin
    thick_arm: float  # radius
    thick_leg: float
