"""Poses of a figure: the places of its joints in a picture. Standard library only.

A pose file is JSON: {"body": 18 joints, "left_hand": 21, "right_hand": 21, "face": 68, "size": [width, height]}, each joint [x, y] in
pixels from the picture's top left, or null when it is not visible. A hand or face may be null as a whole. `size` is that of the picture;
in a job it is the job's. Left and right are the figure's own. The body has OpenPose's (COCO) order, the face that of iBUG.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import BadInput

BODY = (
    "nose", "neck", "shoulder.R", "elbow.R", "wrist.R", "shoulder.L", "elbow.L", "wrist.L", "hip.R", "knee.R", "ankle.R", "hip.L",
    "knee.L", "ankle.L", "eye.R", "eye.L", "ear.R", "ear.L",
)  # fmt: skip
COUNTS = {"body": 18, "left_hand": 21, "right_hand": 21, "face": 68}

Point = tuple[float, float]
Points = tuple[Point | None, ...]


@dataclass(frozen=True)
class Pose:
    """Joints in pixels, None if not visible. A hand or face that is not visible at all is empty."""

    body: Points
    left_hand: Points = ()
    right_hand: Points = ()
    face: Points = ()

    def map_points(self, change: Callable[[Point], Point]) -> "Pose":
        """The pose with `change` applied to every visible joint."""
        parts = {name: tuple(point and change(point) for point in getattr(self, name)) for name in COUNTS}
        return replace(self, **parts)

    @property
    def seen(self) -> list[Point]:
        """All visible joints."""
        return [point for name in COUNTS for point in getattr(self, name) if point is not None]

    def json(self) -> dict[str, list | None]:
        """The content of a pose file, rounded to a hundredth of a pixel."""
        parts = {name: [point and [round(at, 2) for at in point] for point in getattr(self, name)] for name in COUNTS}
        return {name: points or None for name, points in parts.items()}


def read_pose(path: Path) -> tuple[Pose, tuple[int, int] | None]:
    """Read a pose and the size of its picture, if the file has it. Raises BadInput."""
    try:
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"The pose {path} can't be read ({error.strerror}): choose another file.") from error
    except ValueError as error:
        raise BadInput(f"The pose {path} is not valid JSON ({error}): make it again.") from error
    try:
        return parse_pose(raw), _parse_size(raw)
    except (TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"The pose {path} is not understood: {error}.") from error


def parse_pose(raw: Mapping) -> Pose:
    """Parse the JSON of a pose file. Raises TypeError, ValueError, AttributeError, saying what is wrong."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("body"), list):
        raise ValueError("it has no list of 18 joints under 'body'")
    parts = {}
    for name, count in COUNTS.items():
        points = raw.get(name) or []
        if not isinstance(points, list) or (points and len(points) != count):
            raise ValueError(f"'{name}' has {len(points)} points instead of {count}")
        parts[name] = tuple(_parse_joint(point, name) for point in points)
    return Pose(**parts)


def _parse_joint(raw: object, name: str) -> Point | None:
    if raw is None:
        return None
    if not (isinstance(raw, list) and len(raw) == 2 and all(type(at) in (int, float) and math.isfinite(at) for at in raw)):
        raise ValueError(f"'{name}' holds {raw!r} where two numbers or null belong")
    return float(raw[0]), float(raw[1])


def _parse_size(raw: Mapping) -> tuple[int, int] | None:
    size = raw.get("size")
    if size is None:
        return None
    if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)):
        raise ValueError(f"'size' is {size!r} instead of a width and a height")
    return size[0], size[1]
