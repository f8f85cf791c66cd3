"""The pose of an armature's figure as the camera sees it: 18 joints of the body, 21 of each hand, 68 points of the face.

All that depends on the armature at rest is worked out once (`figure`); a frame takes the matrices of some forty bones and one projection.
What counts is the evaluated pose: constraints, drivers, overrides and the object's own transform have had their say.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import bpy
import numpy as np

from ....engine.job import pose
from ....engine.job.errors import BadInput
from ..read.camera import Projection
from . import bones, face, places

_STARTS = dict(zip(pose.COUNTS, np.cumsum([0, *pose.COUNTS.values()]).tolist(), strict=False))  # of each part in the row of all points
COUNT = sum(pose.COUNTS.values())
_NECK, _SHOULDERS = pose.BODY.index("neck"), [pose.BODY.index("shoulder.R"), pose.BODY.index("shoulder.L")]

# How far a feature of the head looks away from where the face looks, to the figure's left (degrees), and the cosine that the angle between
# its look and the way to the camera must exceed for it to be seen: eyes and ears hide behind the head, the nose sticks out of it.
_LOOKS = {"nose": (0.0, -0.3), "eye.R": (-20.0, 0.0), "eye.L": (20.0, 0.0), "ear.R": (-55.0, 0.0), "ear.L": (55.0, 0.0)}
_FACE_SEEN = 0.1  # the same for the face, which is seen as a whole or not at all


@dataclass(frozen=True)
class RigFigure:
    """Where the points of a figure sit.

    `holders` the bones, by name, or None for the empty that stands for the head · `held` int (N,) which holder bears each point, -1 for
    none · `places` float64 (N, 3) where, in the holder's space · `head` the holder of the head, -1 for none · `looks` float64 (3, 3) the
    head's directions in its space: to the figure's left, to the crown, out of the face.
    """

    armature: bpy.types.Object
    empty: bpy.types.Object | None
    holders: tuple[str | None, ...]
    held: np.ndarray
    places: np.ndarray
    head: int
    looks: np.ndarray


def read_figure(ob: bpy.types.Object, found: bones.Found) -> RigFigure:
    """Read an armature object at rest. Raises BadInput when its bones make no figure."""
    if obstacle := bones.find_obstacle(found):
        raise BadInput(f"The armature '{ob.name}' can't be read as a figure. {obstacle}.")
    building = _FigureBuilder(ob, found.names)
    for index, name in enumerate(pose.BODY):
        building.on_bone(index, name)
    for part, side in (("left_hand", "L"), ("right_hand", "R")):
        building.on_hand(_STARTS[part], side)
    building.on_head()
    return building.done()


class _FigureBuilder:
    """A figure in the making."""

    def __init__(self, ob: bpy.types.Object, names: Mapping[str, str]) -> None:
        self.ob, self.names = ob, names
        self.holders: list[str | None] = []
        self.held = np.full(COUNT, -1)
        self.places = np.zeros((COUNT, 3))
        self.head, self.looks = -1, np.eye(3)

    def done(self) -> RigFigure:
        return RigFigure(self.ob, self.ob.shiage.bones.face, tuple(self.holders), self.held, self.places, self.head, self.looks)

    def holder(self, bone: str | None) -> int:
        if bone not in self.holders:
            self.holders.append(bone)
        return self.holders.index(bone)

    def rest(self, place: str) -> np.ndarray | None:
        """The rest matrix (4, 4) of a place's bone, in the armature's space."""
        return np.array(self.ob.data.bones[self.names[place]].matrix_local) if place in self.names else None

    def start(self, place: str) -> np.ndarray | None:
        """Where a place's bone begins at rest, in the armature's space."""
        rest = self.rest(place)
        return None if rest is None else rest[:3, 3]

    def on_bone(self, index: int, place: str, tail: bool = False) -> None:
        """Let a point sit where a bone begins or ends, if there is the bone."""
        if place in self.names:
            name = self.names[place]
            self.held[index] = self.holder(name)
            self.places[index] = (0, self.ob.data.bones[name].length, 0) if tail else (0, 0, 0)

    def on_hand(self, start: int, side: str) -> None:
        """The wrist, and of each finger where its three bones begin and where the last one ends."""
        self.on_bone(start, f"wrist.{side}")
        for nth, finger in enumerate(places.FINGERS):
            for number in (1, 2, 3):
                self.on_bone(start + 4 * nth + number, f"{finger}.{number}.{side}")
            self.on_bone(start + 4 * nth + 4, f"{finger}.3.{side}", tail=True)

    def on_head(self) -> None:
        """Nose, eyes and ears where they have bones, else where they lie in a head like this; and the face."""
        empty = self.ob.shiage.bones.face
        if empty is not None:
            size = empty.empty_display_size
            head = face.estimate_head(np.array([0, 0, -size]), 2 * size, face.compute_axes(np.array([1.0, 0, 0]), np.array([0, 0, 1.0])))
            self.head, rest = self.holder(None), np.eye(4)
        elif "head" in self.names:
            rest = self.rest("head")
            assert rest is not None
            head = self._estimate_head(rest)
            self.head = self.holder(self.names["head"])
        else:
            return
        self.looks = head.axes @ np.linalg.inv(rest[:3, :3]).T
        inverse = np.linalg.inv(rest)
        features = {"nose": face.NOSE, "eye.R": (-face.EYES, 0, 0), "eye.L": (face.EYES, 0, 0)}
        features |= {"ear.R": (-face.EAR[0], *face.EAR[1:]), "ear.L": face.EAR}
        for name, place in features.items():
            index = pose.BODY.index(name)
            if self.held[index] < 0 or empty is not None:
                self.held[index], self.places[index] = self.head, _transform_points(inverse, head.place([place]))[0]
        points = head.place(face.TEMPLATE)
        start = _STARTS["face"]
        self.held[start:], self.places[start:] = self.head, _transform_points(inverse, points)
        jaw = self.rest("jaw")
        if jaw is not None and empty is None:
            moved = np.flatnonzero(face.ON_JAW) + start
            self.held[moved] = self.holder(self.names["jaw"])
            self.places[moved] = _transform_points(np.linalg.inv(jaw), points[face.ON_JAW])

    def _estimate_head(self, rest: np.ndarray) -> face.Head:
        """The head at rest, in the armature's space."""
        bone = self.ob.data.bones[self.names["head"]]
        left, up = _measure_stance({name: start for name in places.BODY if (start := self.start(name)) is not None})
        torso = float(np.linalg.norm(up))
        upright = rest[:3, 1] @ up > 0.5 * torso and bone.length > 0.15 * torso  # not so in files of other programs
        head = face.estimate_head(rest[:3, 3], bone.length if upright else 0.4 * torso, face.compute_axes(left, up))
        right, left = self.start("eye.R"), self.start("eye.L")
        jaw = None if "jaw" not in self.names else np.array(self.ob.data.bones[self.names["jaw"]].tail_local)
        return face.fit_head(head, None if right is None or left is None else (right, left), jaw)


def _transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def at_rest(figure: RigFigure) -> dict[str, np.ndarray]:
    """The body's joints of a figure at rest from its front: {joint: x to the picture's right, which is the figure's left, and y up}."""
    held = {name: figure.held[index] for index, name in enumerate(pose.BODY) if figure.held[index] >= 0}
    points = {}
    for name, holder in held.items():
        bone = figure.holders[holder]
        if bone is not None:
            rest = np.array(figure.armature.data.bones[bone].matrix_local)
            points[name] = _transform_points(rest, figure.places[pose.BODY.index(name)][None])[0]

    left, up = _measure_stance(points)
    across, upwards, _out = face.compute_axes(left, up)
    return {name: np.array([at @ across, at @ upwards]) for name, at in points.items()}


def _measure_stance(points: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """How a figure stands at rest, by its joints: the ways to its left, of any length, and up from the hips to the shoulders."""

    def find_middle(*limbs: str) -> np.ndarray | None:
        found = [at for name, at in points.items() if name.split(".")[0] in limbs]
        return np.mean(found, axis=0) if found else None

    pairs = [(points[f"{limb}.R"], points[f"{limb}.L"]) for limb in places.LIMBS if f"{limb}.R" in points and f"{limb}.L" in points]
    left = next((left - right for right, left in pairs if np.linalg.norm(left - right) > 0), np.array([1.0, 0.0, 0.0]))
    upper, lower = find_middle("shoulder"), find_middle("hip")
    return left, np.array([0.0, 0.0, 1.0]) if upper is None or lower is None else upper - lower


# --- a frame ----------------------------------------------------------------------------------------------------------


def read_pose(figure: RigFigure, depsgraph: bpy.types.Depsgraph, projection: Projection) -> pose.Pose:
    """The pose at the depsgraph's frame, in pixels of the picture. What lies behind the camera or outside the picture, or that the head
    hides, is None. Raises BadInput when the armature is not evaluated."""
    matrices = _read_matrices(figure, depsgraph)
    used = figure.held >= 0
    points = np.zeros((COUNT, 3))
    turned = matrices[figure.held[used]]
    points[used] = np.einsum("nij,nj->ni", turned[:, :3, :3], figure.places[used]) + turned[:, :3, 3]
    pixels, _w, before = projection.project(points, np.eye(4))
    shown = used & before & _find_visible(figure, matrices, points, projection)
    pixels[_NECK], shown[_NECK] = pixels[_SHOULDERS].mean(axis=0), shown[_SHOULDERS].all()
    shown &= (pixels >= 0).all(axis=1) & (pixels < projection.size).all(axis=1)
    if np.linalg.det(matrices[0][:3, :3]) < 0:  # seen in a mirror: what is its left hand looks like a right hand
        pixels, shown = pixels[_SWAPPED], shown[_SWAPPED]
    parts = {name: _slice_part(pixels, shown, start, pose.COUNTS[name]) for name, start in _STARTS.items()}
    return pose.Pose(**parts)


def _slice_part(pixels: np.ndarray, shown: np.ndarray, start: int, count: int) -> pose.Points:
    rows = slice(start, start + count)
    points = tuple((x, y) if ok else None for (x, y), ok in zip(pixels[rows].tolist(), shown[rows].tolist(), strict=True))
    return points if any(points) or start == 0 else ()


def _read_matrices(figure: RigFigure, depsgraph: bpy.types.Depsgraph) -> np.ndarray:
    """Each holder's space to the world, float64 (H, 4, 4)."""
    ob = _get_evaluated(figure.armature, depsgraph)
    world, posed = np.array(ob.matrix_world), ob.pose.bones
    matrices = [world @ np.array(posed[name].matrix) for name in figure.holders if name is not None]
    if figure.empty is not None:
        matrices.insert(figure.holders.index(None), np.array(_get_evaluated(figure.empty, depsgraph).matrix_world))
    return np.array(matrices)


def _get_evaluated(ob: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> bpy.types.Object:
    found = ob.evaluated_get(depsgraph)
    if not found.is_evaluated:
        raise BadInput(f"'{ob.name}' is not in the scene '{depsgraph.scene.name}', or disabled in its viewports: enable it there.")
    return found


def _find_visible(figure: RigFigure, matrices: np.ndarray, points: np.ndarray, projection: Projection) -> np.ndarray:
    """Whether each point is not hidden by the head, bool (N,)."""
    facing = np.ones(COUNT, bool)
    if figure.head < 0:
        return facing
    left, _up, out = (axis / np.linalg.norm(axis) for axis in figure.looks @ matrices[figure.head][:3, :3].T)
    start = _STARTS["face"]
    way = projection.toward(points[start:].mean(axis=0))
    for name, (degrees, least) in _LOOKS.items():
        turn = np.radians(degrees)
        facing[pose.BODY.index(name)] = (np.cos(turn) * out + np.sin(turn) * left) @ way > least
    facing[start:] = out @ way > _FACE_SEEN
    return facing


def _find_mirrored() -> np.ndarray:
    """For each point of a mirrored figure, the point of the figure that lies there."""
    other = {"R": "L", "L": "R"}
    body = [pose.BODY.index(f"{name[:-1]}{other[name[-1]]}" if name[-2:-1] == "." else name) for name in pose.BODY]
    left, right = (np.arange(21) + _STARTS[name] for name in ("left_hand", "right_hand"))
    return np.concatenate([body, right, left, face.SWAPPED + _STARTS["face"]])


_SWAPPED = _find_mirrored()
