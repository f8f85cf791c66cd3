"""A figure in an armature whose names tell nothing: two arms, two legs and a head are recognized by what they are like.

Only a figure that can't be anything else is one: two pairs of limbs, mirrored, one of which goes against the way from the hips to the
shoulders. What has four legs, a tail, wings, six limbs, or nothing that tells front from back, is left to the animator.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .limbs import Limb, RestBones, has_proportions
from .names import BoneLabel
from .places import ARM, BODY, LEG, LIMBS

_NEAR = 0.02  # of the figure: how exactly the sides mirror each other
_LONGER = 1.25  # the halves of a limb, compared with all else in its chain
_LEAST_LIMB = 0.15  # of the figure
_AGAINST = -0.85  # cosine of the angle between the trunk and the legs that a figure which stands upright does not exceed
_ONE_OF_TWO = 1.2  # how much longer than the neck the head is, where both could be either


def is_on_all_fours(rest: RestBones, found: Mapping[str, int]) -> bool:
    """Whether the body is an animal's, whatever its bones are called: arms and legs go the same way, the trunk across."""
    if not all(place in found for place in BODY):
        return False
    at = {joint: np.mean([rest.heads[found[f"{joint}.{side}"]] for side in "RL"], axis=0) for joint in LIMBS}
    trunk, arms, legs = at["shoulder"] - at["hip"], at["wrist"] - at["shoulder"], at["ankle"] - at["hip"]
    return abs(_cosine(trunk, legs)) < 0.5 and _cosine(arms, legs) > 0.5


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12)


def _stands(shoulders: np.ndarray, hips: np.ndarray, ankles: np.ndarray) -> bool:
    """Whether the legs go the other way than the trunk."""
    return _cosine(shoulders - hips, ankles - hips) < _AGAINST


def find_body(rest: RestBones, labels: Sequence[BoneLabel]) -> dict[str, int]:
    """{place: bone} of arms and legs by their shape alone; empty unless it is beyond doubt."""
    if any(label.creature for label in labels):
        return {}
    mirrored = _find_mirrored(rest)
    children = _list_children(rest)
    limbs = []
    for bone in mirrored:
        if rest.parents[bone] not in mirrored and rest.heads[mirrored[bone]][0] < rest.heads[bone][0]:
            limb = _read_chain(rest, children, bone)
            if limb is not None and all(joint in mirrored for joint in limb):
                limbs.append(limb)
    if len(limbs) != 2:
        return {}
    places = [[rest.heads[joint] for joint in limb] for limb in limbs]
    middle = [
        [(at + rest.heads[mirrored[joint]]) / 2 for at, joint in zip(row, limb, strict=True)]
        for row, limb in zip(places, limbs, strict=True)
    ]
    upright = [nth for nth in (0, 1) if _stands(middle[1 - nth][0], middle[nth][0], middle[nth][2])]
    if len(upright) != 1:
        return {}
    legs, arms = limbs[upright[0]], limbs[1 - upright[0]]
    up = middle[1 - upright[0]][0] - middle[upright[0]][0]
    if _has_tail(rest, children, mirrored, (arms, legs), middle[upright[0]][0], up):
        return {}
    side = _find_side(rest, labels, mirrored, arms, legs, up)
    other = {"L": "R", "R": "L", "": ""}[side]
    if not side:
        return {}
    return {
        f"{joint}.{at}": bone if at == side else mirrored[bone]
        for names, limb in ((ARM, arms), (LEG, legs))
        for joint, bone in zip(names, limb, strict=True)
        for at in (side, other)
    }


def _list_children(rest: RestBones) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in rest.names]
    for bone, parent in enumerate(rest.parents):
        if parent >= 0:
            children[parent].append(bone)
    return children


def _find_mirrored(rest: RestBones) -> dict[int, int]:
    """{bone: the bone on the other side}, across x; without those of the middle and those that could be more than one."""
    near = _NEAR * rest.measure_size()
    middle = (rest.heads[:, 0].min() + rest.heads[:, 0].max()) / 2 if len(rest.names) else 0.0
    flipped = rest.heads * (-1, 1, 1) + (2 * middle, 0, 0)
    found = {}
    for bone, at in enumerate(flipped):
        if abs(at[0] - middle) > near:
            others = np.flatnonzero(np.abs(rest.heads - at).max(axis=1) < near)
            if len(others) == 1:
                found[bone] = int(others[0])
    return {bone: other for bone, other in found.items() if found.get(other) == bone}


def _read_chain(rest: RestBones, children: Sequence[Sequence[int]], bone: int) -> Limb | None:
    """The limb in the longest chain of bones from one on: two halves that are longer than all else in it, and what follows."""

    def measure(at: int) -> float:
        return float(np.linalg.norm(rest.tails[at] - rest.heads[at]))

    def reach(at: int) -> float:
        return max(
            (float(np.linalg.norm(rest.heads[child] - rest.heads[at])) + reach(child) for child in children[at]), default=measure(at)
        )

    chain = [bone]
    while children[chain[-1]]:
        at = chain[-1]
        chain.append(max(children[at], key=lambda child: float(np.linalg.norm(rest.heads[child] - rest.heads[at])) + reach(child)))
    lengths = [float(np.linalg.norm(rest.heads[b] - rest.heads[a])) for a, b in zip(chain, chain[1:], strict=False)] + [measure(chain[-1])]
    for start in range(len(chain) - 2):
        halves, others = lengths[start : start + 2], lengths[:start] + lengths[start + 2 :]
        limb = chain[start], chain[start + 1], chain[start + 2]
        if min(halves) > _LONGER * max(others) and has_proportions(rest, limb) and sum(halves) > _LEAST_LIMB * rest.measure_size():
            return limb
    return None


def _has_tail(rest: RestBones, children, mirrored: Mapping[int, int], limbs, hips: np.ndarray, up: np.ndarray) -> bool:
    """Whether two or more bones of the middle follow each other away from the trunk, below the shoulders."""
    trunk = {above for limb in limbs for above in rest.list_ancestors(limb[0])}
    for bone, parent in enumerate(rest.parents):
        if (
            parent in trunk
            and bone not in trunk
            and bone not in mirrored
            and children[bone]
            and (rest.heads[bone] - hips) @ up < 0.7 * up @ up
        ):
            return True
    return False


def _find_side(rest: RestBones, labels: Sequence[BoneLabel], mirrored: Mapping[int, int], arms: Limb, legs: Limb, up: np.ndarray) -> str:
    """The side of limbs at greater x: as the names say, else by where the feet point. '' when that is not clear."""
    sides = {labels[bone].side for bone in (*arms, *legs)} - {""}
    others = {labels[mirrored[bone]].side for bone in (*arms, *legs)} - {""}
    if sides or others:
        return (
            next(iter(sides or {"L": "R", "R": "L"}[next(iter(others))]))
            if len(sides) <= 1 and len(others) <= 1 and sides != others
            else ""
        )
    across = rest.heads[legs[2]] - rest.heads[mirrored[legs[2]]]
    up = up / np.linalg.norm(up)
    feet = sum(rest.tails[bone] - rest.heads[bone] for bone in (legs[2], mirrored[legs[2]]))
    forward = feet - up * (feet @ up)
    left = np.cross(up, forward)
    clear = np.linalg.norm(forward) > 0.3 * np.linalg.norm(feet) and abs(left @ across) > 0.5 * np.linalg.norm(left) * np.linalg.norm(
        across
    )
    return "" if not clear else "L" if left @ across > 0 else "R"


def find_head(rest: RestBones, labels: Sequence[BoneLabel], found: Mapping[str, int]) -> int | None:
    """The bone of the head: named so, or the one in the middle above the shoulders that is longest. None when that is not clear."""
    named = [(label.joints["head"], -label.number, bone) for bone, label in enumerate(labels) if "head" in label.joints and not label.side]
    if named:
        best = max(named)
        equals = [bone for strength, _number, bone in named if strength == best[0]]
        alike = all(np.linalg.norm(rest.heads[bone] - rest.heads[best[2]]) < 0.05 * rest.measure_size() for bone in equals)
        upper = [bone for bone in equals if not set(rest.list_ancestors(bone)) & set(equals)]
        return upper[0] if len(upper) == 1 else best[2] if alike else None
    if not all(f"{joint}.{side}" in found for joint in ("shoulder", "hip") for side in "RL"):
        return None
    shoulders, hips = (np.mean([rest.heads[found[f"{joint}.{side}"]] for side in "RL"], axis=0) for joint in ("shoulder", "hip"))
    up, near = shoulders - hips, 2 * _NEAR * rest.measure_size()
    right, left = (rest.list_ancestors(found[f"shoulder.{side}"]) for side in "RL")
    chest = next((bone for bone in right if bone in left), None)
    if chest is None:
        return None
    children = _list_children(rest)

    def list_upward(bone: int) -> list[int]:
        """What follows a bone in the middle, above the shoulders and on upwards."""
        return [
            child
            for child in children[bone]
            if child not in (*right, *left)
            and abs(rest.heads[child][0] - shoulders[0]) < near
            and (rest.heads[child] - shoulders) @ up > -0.15 * up @ up
            and (rest.tails[child] - rest.heads[child]) @ up > 0
            and not labels[child].other
        ]

    chain: list[int] = []
    following = list_upward(chest)
    while len(following) == 1:
        chain += following
        following = list_upward(chain[-1])
    if not chain:
        return None
    ends = [rest.heads[bone] for bone in chain[1:]] + [rest.tails[chain[-1]]]
    lengths = [float(np.linalg.norm(end - rest.heads[bone])) for bone, end in zip(chain, ends, strict=True)]
    longest = int(np.argmax(lengths))
    before = max(lengths[:longest], default=0.0)
    return chain[longest] if lengths[longest] > _ONE_OF_TWO * before else None
