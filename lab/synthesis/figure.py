"""Figures: a tree of joints, the primitives attached to it, and their decals and lines."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

FLAT, SHADED, SHINY, GLOSSY = range(4)  # tones of a part: one, with shadow, with a spot of light too, with a ring of light
INK, SHADOW, HIGHLIGHT = range(3)  # kinds of line: ink, and trace lines around shadows (blue) and highlights (red)
OUTLINE = 64  # entries of a decal's outline


@dataclass(frozen=True)
class ToonPart:
    """A piece of a figure that is painted with one material."""

    name: str
    material: str
    tones: int = SHADED
    edge: int = INK  # the kind of line around it, if it is a decal


@dataclass(frozen=True)
class ToonFigure:
    """A character, creature or prop. Lengths in units of the figure; x right, y up, z toward the viewer.

    parts    parts[0] is the background
    focus    joint that a close view looks at: a head
    moods    how many moods each of its features has that change: eyes are open or shut. Each drawing is in one mood of each feature;
             moods are numbered through all features
    parent   int64 (J,)          joints, parents first; -1 the root
    rest     float32 (J, 4, 4)   joint to parent, at rest
    swing    float32 (J, 3)      how far a joint turns about x, y, z in a lively pose, radians; what hangs and sways has less
    kind, params, hem, hems      as in primitives.Primitives
    joint    int64 (P,)
    local    float32 (P, 4, 4)   canonical space to the joint's
    part     int64 (P,)          of the outside
    lining   int64 (P,)          of the inside
    chart    float32 (P, 2, 3)   canonical space to the plane that decals are laid out in
    decal_part    int64 (Q,)       later decals lie on top
    decal_matrix  float32 (Q, 2, 3) chart coordinates to the decal's own
    decal_period  float32 (Q, 2)   > 0: repeated at this distance in its own coordinates
    decal_outline float32 (Q, OUTLINE) radius by angle in its own coordinates, from -pi to pi
    decal_within  int64 (Q,)       visible only within that decal; -1 everywhere
    decal_round   bool (Q,)        charted by azimuth and z in place of the chart
    decal_side    float32 (Q,)     1, -1: only where y has this sign; 0 everywhere
    decal_mood    int64 (Q,)       the mood in which it is visible; -1 always
    pairs    int64 (M, 2)        (primitive, decal)
    pair_box float32 (M, 2, 3)   the canonical box in which the decal lies on that primitive
    point    float32 (N, 3)      feature lines (a mouth, a strand of hair): points on primitives in canonical space
    point_owner int64 (N,)       primitive
    point_curve int64 (N,)       number of the line
    point_kind  int64 (N,)       INK, SHADOW or HIGHLIGHT
    point_mood  int64 (N,)       as of decals
    mark     int64 (18,)         the joint of each point of a person's body, in the order of `engine.job.pose.BODY`; -1 for none
    mark_at  float32 (18, 3)     where, in the joint's space
    """

    parts: tuple[ToonPart, ...]
    focus: int
    moods: tuple[int, ...]
    parent: Tensor
    rest: Tensor
    swing: Tensor
    kind: Tensor
    params: Tensor
    hem: Tensor
    hems: Tensor
    joint: Tensor
    local: Tensor
    part: Tensor
    lining: Tensor
    chart: Tensor
    decal_part: Tensor
    decal_matrix: Tensor
    decal_period: Tensor
    decal_outline: Tensor
    decal_within: Tensor
    decal_round: Tensor
    decal_side: Tensor
    decal_mood: Tensor
    pairs: Tensor
    pair_box: Tensor
    point: Tensor
    point_owner: Tensor
    point_curve: Tensor
    point_kind: Tensor
    point_mood: Tensor
    mark: Tensor
    mark_at: Tensor

    def move_to_device(self, device: torch.device | str) -> "ToonFigure":
        """The same figure on another device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in COLUMNS})


COLUMNS = tuple(f.name for f in fields(ToonFigure) if f.name not in ("parts", "focus", "moods"))


# Which table the numbers in a column count rows of, so that figures can be joined.
_REFERS = {
    "parent": "parent",
    "joint": "parent",
    "mark": "parent",
    "hem": "hems",
    "part": "parts",
    "lining": "parts",
    "decal_part": "parts",
    "decal_within": "decal_part",
    "decal_mood": "moods",
    "point_mood": "moods",
    "point_owner": "kind",
    "point_curve": "point_curve",
}


def join_figures(figures: list[ToonFigure]) -> tuple[ToonFigure, list[slice]]:
    """Merge several figures into one. Also returns the joints of each. They share the background."""
    if len(figures) == 1:
        return figures[0], [slice(0, len(figures[0].parent))]
    offset: dict[str, int] = dict.fromkeys(("parent", "hems", "parts", "decal_part", "kind", "point_curve", "moods"), 0)
    columns: dict[str, list[Tensor]] = {name: [] for name in COLUMNS}
    parts, joints = [figures[0].parts[0]], []
    for figure in figures:
        for name, column in columns.items():
            value = getattr(figure, name)
            if name == "pairs":
                value = value + torch.tensor([offset["kind"], offset["decal_part"]], device=value.device)
            elif name in _REFERS:
                floor = 1 if _REFERS[name] == "parts" else 0  # part 0 and joint -1 stay what they are
                value = torch.where(value >= floor, value + offset[_REFERS[name]], value)
            column.append(value)
        joints.append(slice(offset["parent"], offset["parent"] + len(figure.parent)))
        parts += figure.parts[1:]
        offset["parent"] += len(figure.parent)
        offset["hems"] += len(figure.hems)
        offset["parts"] += len(figure.parts) - 1
        offset["decal_part"] += len(figure.decal_part)
        offset["kind"] += len(figure.kind)
        offset["point_curve"] += int(figure.point_curve.max()) + 1 if len(figure.point_curve) else 0
        offset["moods"] += sum(figure.moods)
    moods = tuple(count for figure in figures for count in figure.moods)
    tables = {name: torch.cat(column) for name, column in columns.items()}
    return ToonFigure(parts=tuple(parts), focus=figures[0].focus, moods=moods, **tables), joints


def pose_joints(figure: ToonFigure, turn: Tensor, root: Tensor) -> Tensor:
    """Forward kinematics: angles `turn` (D, J, 3) about x, y, z and root motions (D, 4, 4) -> joint to world (D, J, 4, 4)."""
    own = figure.rest @ compute_rotations(turn)
    world: list[Tensor] = []
    for joint, parent in enumerate(figure.parent.tolist()):
        world.append((root if parent < 0 else world[parent]) @ own[:, joint])
    return torch.stack(world, 1)


def compute_rotations(turn: Tensor) -> Tensor:
    """Rotation matrices (..., 4, 4) from angles (..., 3) about x, then y, then z."""
    cx, cy, cz = turn.cos().unbind(-1)
    sx, sy, sz = turn.sin().unbind(-1)
    zero, one = torch.zeros_like(cx), torch.ones_like(cx)
    rows = [
        [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz, zero],
        [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz, zero],
        [-sy, sx * cy, cx * cy, zero],
        [zero, zero, zero, one],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
