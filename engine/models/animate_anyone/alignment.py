"""Gives a figure's poses the proportions of a drawing: bones keep their directions and take the drawing's lengths.

As in the paper, which rescales the driving skeleton; the published code does not. The figure keeps its height, its feet stay on the
ground and its hips in their place. Coordinates are pixels, y down. A joint that is not visible is nan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...job.pose import Points, Pose

NOSE, NECK = 0, 1
SHOULDERS, HIPS, ANKLES = (2, 5), (8, 11), (10, 13)
LIMBS = ((2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13))  # parent, child; the parent first
HEAD = ((0, 14), (0, 15), (14, 16), (15, 17))
TWINS = {5: 2, 6: 3, 7: 4, 11: 8, 12: 9, 13: 10, 15: 14, 17: 16}  # the same bone of the other side, by its child
WIDEST = 0.95  # this quantile of a bone's length over a shot is taken as its length from the side
MOST = 4.0  # the largest factor by which a bone may become longer or shorter: more means that a mark is in the wrong place


@dataclass(frozen=True)
class PoseAlignment:
    """`scale` pixels of the shot per pixel of the drawing · `ratios` new lengths over old ones, by a bone's child; 'torso', 'shoulders' and
    'hips' are those of the trunk, 'neck' from there to the nose."""

    scale: float
    ratios: dict[int | str, float]

    def align_pose(self, pose: Pose) -> Pose:
        """A pose with the drawing's proportions."""
        old = _to_array(pose.body)
        new = np.full_like(old, np.nan)
        start = _find_middle(old, HIPS) if np.isfinite(_find_middle(old, HIPS)).all() else old[NECK]
        if not np.isfinite(start).all():
            return pose  # neither hips nor neck: there is no anchor
        new[NECK] = old[NECK]
        for pair, width in ((SHOULDERS, "shoulders"), (HIPS, "hips")):
            middle = _find_middle(old, pair)
            center = new[NECK] + self._find_ratio("torso") * (middle - old[NECK]) if pair == HIPS else new[NECK]
            for joint in pair:
                new[joint] = center + self._find_ratio(width) * (old[joint] - middle)
        new[NOSE] = new[NECK] + self._find_ratio("neck") * (old[NOSE] - old[NECK])
        for parent, child in LIMBS + HEAD:
            new[child] = new[parent] + self._find_ratio(TWINS.get(child, child)) * (old[child] - old[parent])
        new = self._place_lonely_joints(old, new)
        shift = start - (_find_middle(new, HIPS) if np.isfinite(_find_middle(new, HIPS)).all() else new[NECK])
        grounds = [np.max(body[list(ANKLES), 1], initial=-np.inf, where=np.isfinite(body[list(ANKLES), 1])) for body in (old, new)]
        if np.isfinite(grounds).all():
            shift[1] = grounds[0] - grounds[1]
        new = new + shift
        hand = self._find_ratio(4)
        parts = {
            "left_hand": _move_points(pose.left_hand, old[7], new[7], hand),
            "right_hand": _move_points(pose.right_hand, old[4], new[4], hand),
            "face": _move_points(pose.face, old[NOSE], new[NOSE], self._find_ratio("face")),
        }
        return replace(pose, body=_to_points(new), **parts)

    def _find_ratio(self, bone: int | str) -> float:
        return self.ratios.get(bone, 1.0)

    def _place_lonely_joints(self, old: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Joints whose parents are not visible keep their place relative to the nearest visible joint."""
        there = np.isfinite(new[:, 0])
        for joint in np.flatnonzero(np.isfinite(old[:, 0]) & ~there):
            if there.any():
                near = np.flatnonzero(there)[np.linalg.norm(old[there] - old[joint], axis=1).argmin()]
                new[joint] = new[near] + old[joint] - old[near]
            else:
                new[joint] = old[joint]
        return new


def place_reference(drawing: Pose, poses: Sequence[Pose], scale: float) -> tuple[float, float]:
    """The place of the drawing's top left corner in the shot, at this scale, when it is where the figure of these poses is on average."""
    here = scale * _to_array(drawing.body)
    apart = [np.nanmean(_to_array(pose.body) - here, axis=0) for pose in poses if np.isfinite(_to_array(pose.body) - here).any()]
    x, y = np.median(np.array(apart), axis=0) if apart else (0.0, 0.0)
    return float(x), float(y)


def fit_alignment(drawing: Pose, poses: Sequence[Pose]) -> PoseAlignment:
    """The alignment of a shot's poses to the proportions of a drawing with the joints `drawing`. Bones that are missing in either keep
    their length.

    A bone's own length is nearly the longest one in the shot. Left and right are treated alike.
    """
    wanted = _measure_bones(np.stack([_to_array(drawing.body)]))
    given = _measure_bones(np.stack([_to_array(pose.body) for pose in poses])) if poses else {}
    known = [bone for bone in ("neck", "torso", 9, 10) if bone in wanted and bone in given]
    if not known:
        known = [bone for bone in wanted if bone in given]
    height = sum(wanted[bone] for bone in known)
    scale = sum(given[bone] for bone in known) / height if height else 1.0
    ratios = {
        bone: float(np.clip(scale * length / given[bone], 1 / MOST, MOST)) for bone, length in wanted.items() if given.get(bone, 0) > 0
    }
    return PoseAlignment(scale, ratios)


def _measure_bones(bodies: np.ndarray) -> dict[int | str, float]:
    """The lengths of the visible bones of bodies (N, 18, 2)."""
    shoulders, hips = _find_middle(bodies, SHOULDERS), _find_middle(bodies, HIPS)
    spans: dict[int | str, list[np.ndarray]] = {
        "torso": [hips - bodies[:, NECK]],
        "shoulders": [bodies[:, 2] - bodies[:, 5]],
        "hips": [bodies[:, 8] - bodies[:, 11]],
        "neck": [bodies[:, NOSE] - np.where(np.isfinite(shoulders), shoulders, bodies[:, NECK])],
    }
    for parent, child in LIMBS + HEAD:
        spans.setdefault(TWINS.get(child, child), []).append(bodies[:, child] - bodies[:, parent])
    spans["face"] = [bodies[:, 14] - bodies[:, 15]]
    found = {}
    for bone, vectors in spans.items():
        lengths = np.linalg.norm(np.concatenate(vectors), axis=1)
        finite = lengths[np.isfinite(lengths)]
        if len(finite) and (length := float(np.quantile(finite, WIDEST if len(bodies) > 1 else 1.0))) > 0:
            found[bone] = length
    return found


def _to_array(points: Points) -> np.ndarray:
    return np.array([point or (np.nan, np.nan) for point in points], np.float64)


def _to_points(array: np.ndarray) -> Points:
    return tuple((float(x), float(y)) if np.isfinite(x) else None for x, y in array)


def _find_middle(bodies: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    """The middle of two joints, or the visible one of them."""
    a, b = bodies[..., pair[0], :], bodies[..., pair[1], :]
    return np.where(np.isfinite(a), np.where(np.isfinite(b), (a + b) / 2.0, a), b)


def _move_points(points: Points, old: np.ndarray, new: np.ndarray, ratio: float) -> Points:
    """Move points along with the joint that they belong to."""
    if not (np.isfinite(old).all() and np.isfinite(new).all()):
        return points
    return tuple(point and tuple((new + ratio * (np.array(point) - old)).tolist()) for point in points)
