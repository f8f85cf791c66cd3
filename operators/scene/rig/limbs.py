"""Arms and legs of an armature at rest, found by names and by the chain of bones: upper arm, forearm and hand hang on each other.

A name alone misleads: a "Shoulder" is a collarbone here and an upper arm there, a "Leg" a thigh or a shin. So three bones are taken
together, those whose names say most and that continue each other, whatever lies between or beside them.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .names import BoneLabel
from .places import list_limbs

_ALIKE = 0.1  # of a limb: bones no farther from its line are parts or copies of it
_CONTINUES = 0.2  # of a limb: how far a bone may begin beside the line of the one before it
_MOST = 12  # bones that are tried for a joint; control rigs have hundreds with such names
_EVEN = 0.35  # logarithm of the ratio of its halves up to which a limb is as good as any
_COST_OF_SKIPPED = 2.0
_SURE = 2.0  # how much the name of a bone must say for it to count without the rest of its limb
_PROPORTIONS = (0.55, 1.8)  # between the upper and the lower half of a limb, where names don't tell which bones these are


@dataclass(frozen=True)
class RestBones:
    """An armature's bones at rest: `parents` int, -1 for none · `heads`, `tails` float64 (N, 3) in the armature's space."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    heads: np.ndarray
    tails: np.ndarray

    def list_ancestors(self, bone: int) -> list[int]:
        """From the parent upwards."""
        found = []
        while (bone := self.parents[bone]) >= 0:
            found.append(bone)
        return found

    @cached_property
    def above(self) -> tuple[frozenset[int], ...]:
        """The ancestors of each bone."""
        return tuple(frozenset(self.list_ancestors(bone)) for bone in range(len(self.names)))

    def measure_size(self) -> float:
        """The longest side of the box around all joints."""
        return float(np.ptp(self.heads, axis=0).max(initial=0.0))


Limb = tuple[int, int, int]


def find_limbs(rest: RestBones, labels: Sequence[BoneLabel]) -> tuple[dict[str, int], list[str]]:
    """{place: bone} of each limb that the names tell, or of those of its bones whose own name is beyond doubt; and the places of limbs that
    are there more than once."""
    found: dict[str, int] = {}
    doubtful: list[str] = []
    for places in list_limbs():
        limbs = sorted(_rate_limbs(rest, labels, places), key=lambda rated: rated[0], reverse=True)
        if limbs:
            (score, best), *others = limbs
            equals = [limb for other, limb in others if other[0] == score[0] and (other[2] == score[2] or not set(limb) & set(best))]
            if any(not _lies_along(rest, best, limb) for limb in equals):
                doubtful += places
            else:
                found |= dict(zip(places, best, strict=True))
        else:
            found |= _find_lone_bones(labels, places)
    return found, doubtful


def _rate_limbs(
    rest: RestBones, labels: Sequence[BoneLabel], places: tuple[str, str, str]
) -> Iterator[tuple[tuple[float, float, int, int], Limb]]:
    """Each three bones that can be a limb, and what counts for them: how well their names fit, then how even the halves are, how low the
    numbers, how near the trunk."""
    side = places[0][-1]
    joints = [place.split(".")[0] for place in places]
    named = [_list_named(labels, joint, side) for joint in joints]

    def rate(limb: Limb) -> tuple[float, float, int, int]:
        strength = sum(labels[bone].joints.get(joint, 0.0) for bone, joint in zip(limb, joints, strict=True))
        skipped = sum(_is_skipped(rest, labels, limb, bone) for bone in rest.above[limb[1]])
        upper, lower = _measure_halves(rest, limb)
        uneven = round(max(0.0, abs(math.log(max(upper, 1e-12) / max(lower, 1e-12))) - _EVEN), 1)
        numbers, depth = sum(labels[bone].number for bone in limb), sum(len(rest.above[bone]) for bone in limb)
        return round(strength - _COST_OF_SKIPPED * skipped, 3), -uneven, -numbers, -depth

    for root, middle, end in itertools.product(*named):
        limb = (root, middle, end)
        if len(set(limb)) == 3 and _continues(rest, limb):
            yield rate(limb), limb
    for end in range(len(labels)):  # names that tell of one or two: the rest follows in the chain
        middle = rest.parents[end]
        root = rest.parents[middle] if middle >= 0 else -1
        if root < 0:
            continue
        limb = (root, middle, end)
        known = [joint in labels[bone].joints and labels[bone].side == side for bone, joint in zip(limb, joints, strict=True)]
        fits = [tells or (labels[bone].plain and labels[bone].side in ("", side)) for bone, tells in zip(limb, known, strict=True)]
        score = sum(labels[bone].joints[joint] for bone, joint, tells in zip(limb, joints, known, strict=True) if tells)
        if score >= _SURE and not all(known) and all(fits) and has_proportions(rest, limb):
            yield rate(limb), limb


def _is_skipped(rest: RestBones, labels: Sequence[BoneLabel], limb: Limb, bone: int) -> bool:
    """Whether a bone whose name tells nothing lies in a limb where the upper half should: its root is a collarbone then."""
    root, middle, end = limb
    return root in rest.above[bone] and labels[bone].plain and has_proportions(rest, (bone, middle, end))


def _list_named(labels: Sequence[BoneLabel], joint: str, side: str) -> list[int]:
    """The bones whose names fit a joint best."""
    bones = [bone for bone, label in enumerate(labels) if label.side == side and joint in label.joints]
    return sorted(bones, key=lambda bone: -labels[bone].joints[joint])[:_MOST]


def _find_lone_bones(labels: Sequence[BoneLabel], places: tuple[str, str, str]) -> Iterator[tuple[str, int]]:
    """Of a limb that is not whole, the bones that alone are called so."""
    for place in places:
        joint, _, side = place.partition(".")
        strengths = {bone: label.joints.get(joint, 0.0) for bone, label in enumerate(labels) if label.side == side}
        best = max(strengths.values(), default=0.0)
        equals = [bone for bone, strength in strengths.items() if strength == best]
        if best >= _SURE and len(equals) == 1:
            yield place, equals[0]


def _measure_halves(rest: RestBones, limb: Limb) -> tuple[float, float]:
    """How long the upper and the lower half of a limb are."""
    at = rest.heads[list(limb)]
    return float(np.linalg.norm(at[1] - at[0])), float(np.linalg.norm(at[2] - at[1]))


def has_proportions(rest: RestBones, limb: Limb) -> bool:
    """Whether the two halves of a limb are about as long as each other."""
    upper, lower = _measure_halves(rest, limb)
    return lower > 0 and _PROPORTIONS[0] < upper / lower < _PROPORTIONS[1]


def _continues(rest: RestBones, limb: Limb) -> bool:
    """Whether each bone hangs on the one before it, or begins where that one leads to."""
    length = sum(_measure_halves(rest, limb))
    for before, bone in itertools.pairwise(limb):
        if before in rest.above[bone]:
            continue
        if bone in rest.above[before]:
            return False
        along = rest.tails[before] - rest.heads[before]
        way = rest.heads[bone] - rest.heads[before]
        beside = way - along * (way @ along) / max(along @ along, 1e-12)
        leads = way @ along > 0 and float(np.linalg.norm(beside)) < _CONTINUES * length
        if not leads:
            return False
    return length > 0


def _lies_along(rest: RestBones, limb: Limb, other: Limb) -> bool:
    """Whether all joints of another limb lie on the line of a limb."""
    line = [rest.heads[bone] for bone in limb] + [rest.tails[limb[-1]]]
    length = sum(_measure_halves(rest, limb))
    return all(
        min(_measure_distance(rest.heads[bone], a, b) for a, b in itertools.pairwise(line)) < _ALIKE * length
        for bone in other
        if bone not in limb
    )


def _measure_distance(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Of a point from a line between two others."""
    along = end - start
    share = np.clip((point - start) @ along / max(along @ along, 1e-12), 0, 1)
    return float(np.linalg.norm(point - start - share * along))
