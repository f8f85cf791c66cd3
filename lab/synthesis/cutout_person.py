"""People and cat people as cut-outs: some ninety lines on a body that leans, on limbs that swing, on a head that turns."""

from dataclasses import dataclass

from numpy.random import Generator

SIZE = 512  # px; the picture is a square
Pose = dict[str, float]

# How far each joint may be from rest in a key, and how far it goes from one key to the next: radians, px, or a share.
_RANGE: dict[str, tuple[float, float, float]] = {  # rest, spread, movement
    "x": (256, 12, 30),
    "y": (328, 6, 14),
    "lean": (0, 0.12, 0.2),
    "bend": (0, 0.1, 0.16),
    "squash": (0, 0.04, 0.09),
    "tilt": (0, 0.1, 0.2),
    "yaw": (0, 0.5, 0.6),
    "nod": (0, 0.08, 0.14),
    "left_shoulder": (-0.4, 0.55, 0.75),
    "right_shoulder": (0.4, 0.55, 0.75),
    "left_elbow": (0.1, 0.7, 0.9),
    "right_elbow": (-0.1, 0.7, 0.9),
    "left_wrist": (0, 0.2, 0.3),
    "right_wrist": (0, 0.2, 0.3),
    "left_hip": (-0.16, 0.12, 0.3),
    "right_hip": (0.16, 0.12, 0.3),
    "left_knee": (0.05, 0.15, 0.4),
    "right_knee": (-0.05, 0.15, 0.4),
    "sway": (0, 0.25, 0.5),
    "tail": (0, 0.3, 0.6),
    "mouth": (0.5, 0.3, 0.5),
    "brow": (0, 2, 3),
}


@dataclass(frozen=True)
class CutoutPerson:
    """The appearance of a person. Lengths in px."""

    head: float
    torso: float
    shoulders: float  # half
    hips: float  # half
    arm: float
    leg: float
    thick_arm: float
    thick_leg: float
    width: float  # of lines
    locks: tuple[float, ...]  # of the fringe: how long each is, as a share of the head
    hair: float  # how far it hangs down at the sides
    skirt: float  # its length, 0 for trousers
    sleeve: float  # where it ends along the arm
    ears: bool  # of a cat; and a tail
    ponytail: bool
    behind: int  # the arm that is behind the body: 0 left, 1 right, 2 none
    buttons: int


def pick_person(rng: Generator) -> CutoutPerson:
    """Draw a random person."""
    skirt = rng.random() < 0.45
    return CutoutPerson(
        head=rng.uniform(52, 63),
        torso=rng.uniform(104, 118),
        shoulders=rng.uniform(37, 46),
        hips=rng.uniform(28, 35),
        arm=rng.uniform(60, 70),
        leg=rng.uniform(66, 76),
        thick_arm=rng.uniform(11, 14.5),
        thick_leg=rng.uniform(15, 19),
        width=rng.uniform(1.8, 2.8),
        locks=tuple(rng.uniform(0.45, 0.85, int(rng.integers(3, 6)))),
        hair=rng.uniform(0.2, 1.0),
        skirt=rng.uniform(46, 74) if skirt else 0.0,
        sleeve=rng.uniform(0.35, 0.85),
        ears=bool(rng.random() < 0.4),
        ponytail=bool(rng.random() < 0.5),
        behind=int(rng.integers(0, 3)),
        buttons=int(rng.integers(0, 4)),
    )


def pick_poses(rng: Generator, vigor: float = 1.0) -> tuple[Pose, Pose]:
    """Draw two random keys of a movement."""
    first, last = {}, {}
    for name, (rest, spread, movement) in _RANGE.items():
        middle = rest + spread * rng.uniform(-1, 1)
        step = vigor * movement * rng.uniform(0.4, 1.2) * rng.choice([-1, 1])
        first[name], last[name] = middle - step / 2, middle + step / 2
    return first, last


def mix_poses(first: Pose, last: Pose, at: float) -> Pose:
    """Interpolate the pose: angles change linearly, so parts swing in arcs about their joints."""
    return {name: (1 - at) * first[name] + at * last[name] for name in first}
