"""How the courier stands in each drawing, and how long each drawing is held.

She looks about (1-4), hears something (5), gathers herself and blinks (7), swings around to point at it (8-13), holds (14), and
waves while the camera pans after her look (16-24)."""

from dataclasses import dataclass, fields, replace

import numpy as np

DRAWINGS = 24
HELD, HOLD = 14, 8  # this drawing is held for 8 frames, all others are on twos
PAN = (37, 53, 330.0)  # first and last frame of the camera's move, and how far it goes to the right, px


@dataclass(frozen=True)
class CourierPose:
    """Angles in degrees: 0 hangs down, 90 points to the right of the screen. Arm `a` and leg `a` are on the left of the screen."""

    x: float = 0.0  # hips, px
    y: float = 0.0  # down is positive
    lean: float = 0.0  # of the torso, clockwise
    turn: float = 0.0  # -1..1, of the chest
    yaw: float = 0.0  # -1..1, of the head
    nod: float = 0.0  # -1..1, down is positive
    tilt: float = 0.0  # of the head, clockwise, degrees
    a_upper: float = -14.0
    a_fore: float = -4.0
    a_hand: float = 0.0
    a_open: float = 0.0  # of the hand: 0 relaxed, 1 spread
    a_point: float = 0.0  # 1: the forefinger points
    b_upper: float = 20.0
    b_fore: float = -14.0
    b_hand: float = -4.0
    b_open: float = 0.0
    b_point: float = 0.0
    b_twist: float = 1.0  # of the hand: 1 its back to us, -1 its palm
    eyes: float = 1.0  # 0 closed
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    brows: float = 0.0  # -1..1, raised
    mouth: float = 0.45  # how far open
    smile: float = 0.5
    skirt: float = 0.0  # sway of the hem, px
    bag: float = 0.0  # swing, degrees
    tail: tuple[float, ...] = (-135.0, -84.0, -40.0, -16.0, -6.0, 4.0, 18.0)  # angles of the pony tail's links
    foot_a: float = -46.0  # where the feet stand, px
    foot_b: float = 44.0


KEYS = {
    1: CourierPose(yaw=-0.85, turn=-0.35, tilt=-5, lean=-1.5, gaze_x=-0.5, mouth=0.3, smile=0.3, brows=0.1),
    3: CourierPose(yaw=-0.95, turn=-0.4, tilt=-7, nod=-0.1, lean=-2.5, x=-3, gaze_x=-0.7, mouth=0.25, smile=0.3, brows=0.2, a_upper=-16,
            a_fore=-8),
    5: CourierPose(yaw=-0.8, turn=-0.3, tilt=-4, nod=-0.05, lean=-2, x=-3, y=1, gaze_x=0.8, mouth=0.35, smile=0.2, brows=0.9, a_upper=-18,
            a_fore=-10),
    7: CourierPose(yaw=-0.3, turn=-0.5, tilt=4, nod=0.75, lean=-7, x=-12, y=20, eyes=0.0, gaze_x=0.2, mouth=0.12, smile=0.4, brows=0.35,
            a_upper=-44, a_fore=-16, a_hand=-20, a_open=0.1, b_upper=26, b_fore=-6),
    9: CourierPose(yaw=0.45, turn=0.3, tilt=5, nod=0.4, lean=3, x=4, y=8, eyes=0.75, gaze_x=0.8, mouth=0.5, smile=0.6, brows=0.4,
            a_upper=4, a_fore=64, a_hand=50, a_open=0.2, a_point=0.5, b_upper=30, b_fore=-8),
    11: CourierPose(yaw=0.95, turn=0.7, tilt=-4, nod=-0.35, lean=8, x=15, y=-4, gaze_x=0.8, gaze_y=-0.2, mouth=1.0, smile=0.9, brows=1.0,
             a_upper=66, a_fore=108, a_hand=112, a_point=1, b_upper=34, b_fore=-14),
    13: CourierPose(yaw=0.86, turn=0.6, tilt=-2, nod=-0.2, lean=5.5, x=11, y=1, gaze_x=0.75, gaze_y=-0.1, mouth=0.85, smile=0.85, brows=0.8,
             a_upper=60, a_fore=100, a_hand=104, a_point=1, b_upper=30, b_fore=-12),
    15: CourierPose(yaw=0.85, turn=0.58, tilt=-2, nod=-0.18, lean=5, x=10, y=2, gaze_x=0.75, gaze_y=-0.1, mouth=0.8, smile=0.85, brows=0.75,
             a_upper=59, a_fore=99, a_hand=101, a_point=1, b_upper=31, b_fore=-8),
    17: CourierPose(yaw=0.7, turn=0.35, tilt=3, nod=0.3, lean=0, x=2, y=14, eyes=0.1, gaze_x=0.6, mouth=0.4, smile=0.8, brows=0.6,
             a_upper=22, a_fore=62, a_hand=54, a_open=0.2, a_point=0.2, b_upper=62, b_fore=60, b_hand=40, b_open=0.5, b_twist=0.6),
    19: CourierPose(yaw=0.62, turn=0.2, tilt=-7, nod=-0.25, lean=-3, x=-3, y=-4, gaze_x=0.5, mouth=1.0, smile=1.0, brows=0.9,
             a_upper=-16, a_fore=16, a_hand=10, a_open=0.15, b_upper=128, b_fore=166, b_hand=178, b_open=1, b_twist=-1),
    21: CourierPose(yaw=0.6, turn=0.2, tilt=-4, nod=-0.2, lean=-1, x=0, y=1, gaze_x=0.5, mouth=0.9, smile=1.0, brows=0.8,
             a_upper=-20, a_fore=10, a_hand=4, b_upper=120, b_fore=142, b_hand=130, b_open=1, b_twist=-1),
    23: CourierPose(yaw=0.6, turn=0.2, tilt=-8, nod=-0.25, lean=-3, x=-3, y=-3, gaze_x=0.5, mouth=1.0, smile=1.0, brows=0.9,
             a_upper=-18, a_fore=13, a_hand=6, b_upper=127, b_fore=168, b_hand=184, b_open=1, b_twist=-1),
    24: CourierPose(yaw=0.6, turn=0.2, tilt=-7, nod=-0.22, lean=-2, x=-2, y=-1, gaze_x=0.5, mouth=0.95, smile=1.0, brows=0.85,
             a_upper=-18, a_fore=12, a_hand=5, b_upper=124, b_fore=158, b_hand=162, b_open=1, b_twist=-1),
}  # fmt: skip

SHEET = CourierPose(
    yaw=0.14, tilt=3, a_upper=-42, a_fore=-34, a_hand=-30, a_open=0.8, b_upper=42, b_fore=34, b_hand=30, b_open=0.8,
    mouth=0.7, smile=0.9, brows=0.3, tail=(-126, -82, -48, -34, -26, -16, -2), foot_a=-58, foot_b=58,
)  # fmt: skip


def list_exposures() -> list[tuple[int, int]]:
    """(first frame, frames held) of each drawing; the shot begins at frame 1."""
    result, frame = [], 1
    for drawing in range(1, DRAWINGS + 1):
        held = HOLD if drawing == HELD else 2
        result.append((frame, held))
        frame += held
    return result


def list_poses() -> list[CourierPose]:
    """The pose of each drawing: keys eased into one another, hair, hem and bag dragging behind."""
    names = [f.name for f in fields(CourierPose) if f.type in (float, "float")]
    knots = np.array(sorted(KEYS), float)
    at = np.arange(1, DRAWINGS + 1, dtype=float)
    values = {n: _ease_values(knots, np.array([getattr(KEYS[int(k)], n) for k in knots]), at) for n in names}
    return _drag_behind([replace(CourierPose(), **{n: float(values[n][i]) for n in names}) for i in range(DRAWINGS)])


def _ease_values(knots, values, at):
    """Monotone cubic through the keys: it comes to rest at every extreme and never overshoots."""
    step = np.diff(knots)
    rise = np.diff(values) / step
    slope = np.zeros(len(knots))
    same = rise[:-1] * rise[1:] > 0
    slope[1:-1][same] = 2 * rise[:-1][same] * rise[1:][same] / (rise[:-1] + rise[1:])[same]
    i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(step) - 1)
    h = step[i]
    t = (at - knots[i]) / h
    a, b = values[i], values[i + 1]
    return a + (b - a) * (3 * t**2 - 2 * t**3) + h * (slope[i] * (t - 2 * t**2 + t**3) + slope[i + 1] * (t**3 - t**2))


def _drag_behind(poses: list[CourierPose]) -> list[CourierPose]:
    """Overlapping action: damped springs pulled by the head and the hips."""
    rest = np.array(CourierPose().tail)
    swing, speed = np.zeros(len(rest)), np.zeros(len(rest))
    hem = hem_speed = bag = bag_speed = 0.0
    head = [62 * p.yaw - 2.2 * p.tilt + 0.9 * p.x for p in poses]
    body = [p.x + 1.3 * p.lean + 9 * p.turn for p in poses]
    stiff, drag = np.linspace(0.75, 0.28, len(rest)), np.linspace(0.75, 0.5, len(rest))
    result = []
    for i, p in enumerate(poses):
        pull = -(head[i] - head[max(i - 1, 0)]) * np.linspace(0.12, 0.62, len(rest))
        lift = (p.y - poses[max(i - 1, 0)].y) * np.linspace(0.2, 0.8, len(rest))
        for _ in range(4):
            speed += (pull + 0.5 * lift - stiff * swing) / 4
            speed *= 1 - drag / 4
            swing = swing + speed / 4
        shove = body[i] - body[max(i - 1, 0)]
        for _ in range(4):
            hem_speed = (hem_speed - (0.65 * shove + 0.45 * hem) / 4) * 0.87
            hem += hem_speed / 4
            bag_speed = (bag_speed - (0.5 * shove + 0.5 * bag) / 4) * 0.88
            bag += bag_speed / 4
        side = 16 * p.yaw
        tail = rest + side * np.linspace(-1, 0.2, len(rest)) + np.clip(swing, -60, 60)
        result.append(replace(p, tail=tuple(float(v) for v in tail), skirt=float(hem), bag=float(bag)))
    return result
