"""Poses and cameras: how the drawings of a shot differ."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from engine.job.pose import BODY

from . import primitives
from .figure import ToonFigure, compute_rotations, pose_joints
from .primitives import Primitives


@dataclass(frozen=True)
class ToonCamera:
    """The view of a figure, one row for each drawing.

    turn    (D, 3)  radians the figure is turned about x, y, z
    scale   (D,)    px of a unit
    offset  (D, 2)  px, where the figure's origin is
    mirror  (D,)    1, or -1 for the other way round
    depth   (D,)    px toward the viewer, where the figure's origin is. Flat figures must not come near 0
    """

    turn: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    mirror: np.ndarray
    depth: np.ndarray


def draw_moves(rng: Generator, figure: ToonFigure, count: int) -> np.ndarray:
    """Joint angles of a movement in `count` small steps, (count, J, 3): from one pose to another, and what hangs sways."""
    swing = figure.swing.numpy()
    first, last = rng.normal(0, 0.5, (2, *swing.shape)).clip(-1, 1)
    share = np.linspace(0, rng.uniform(0.35, 1.0), count) if count > 1 else np.zeros(1)
    ease = (3 * share**2 - 2 * share**3)[:, None, None]
    time = np.arange(count)[:, None, None]
    sway = 0.25 * np.sin(time * rng.uniform(0.15, 0.5, swing.shape) + rng.uniform(0, 6.3, swing.shape))
    return ((first + (last - first) * ease + sway) * swing).astype(np.float32)


def compute_matrices(figure: ToonFigure, angles: np.ndarray, camera: ToonCamera, stretch: np.ndarray, local: Tensor | None) -> Tensor:
    """Canonical space of each primitive to the screen, float32 (D, P, 3, 4). `stretch` (D, 3) scales the figure."""
    placed = _place_joints(figure, angles, camera, stretch)[:, figure.joint]
    return (placed @ (figure.local if local is None else local))[:, :, :3]


def project_marks(figure: ToonFigure, angles: np.ndarray, camera: ToonCamera, stretch: np.ndarray) -> Tensor:
    """Where the points of the body are on the screen, float32 (D, 18, 3): x, y and toward the viewer in px, nan for those it has not. In
    mirrored drawings right is left."""
    at = torch.cat([figure.mark_at, torch.ones_like(figure.mark_at[:, :1])], 1)
    found = (_place_joints(figure, angles, camera, stretch)[:, figure.mark] @ at[:, :, None])[:, :, :3, 0]
    found[:, figure.mark < 0] = torch.nan
    found[:, BODY.index("neck")] = found[:, [BODY.index("shoulder.R"), BODY.index("shoulder.L")]].mean(1)
    other = [BODY.index(name[:-1] + {"R": "L", "L": "R"}[name[-1]]) if name[-2] == "." else i for i, name in enumerate(BODY)]
    mirrored = torch.tensor(camera.mirror < 0, device=found.device)
    return torch.where(mirrored[:, None, None], found[:, other], found)


def _place_joints(figure: ToonFigure, angles: np.ndarray, camera: ToonCamera, stretch: np.ndarray) -> Tensor:
    """Each joint's space to the screen, float32 (D, J, 4, 4)."""
    device = figure.local.device
    count = len(angles)
    root = compute_rotations(torch.tensor(camera.turn, dtype=torch.float32, device=device))
    root = root @ torch.diag_embed(torch.cat([torch.tensor(stretch, dtype=torch.float32), torch.ones(count, 1)], 1)).to(device)
    world = pose_joints(figure, torch.tensor(angles, device=device), root)
    scale = torch.tensor(camera.scale, dtype=torch.float32, device=device)
    screen = torch.zeros(count, 4, 4, device=device)
    screen[:, 0, 0] = scale * torch.tensor(camera.mirror, dtype=torch.float32, device=device)
    screen[:, 1, 1] = -scale
    screen[:, 2, 2] = scale
    screen[:, 3, 3] = 1
    screen[:, :2, 3] = torch.tensor(camera.offset, dtype=torch.float32, device=device)
    screen[:, 2, 3] = torch.tensor(camera.depth, dtype=torch.float32, device=device)
    return screen[:, None] @ world


def measure_extent(figure: ToonFigure, matrix: Tensor) -> np.ndarray:
    """The box around each drawing, (D, 4): left, top, right, bottom in px."""
    count, rows = matrix.shape[:2]

    def tile_column(column: Tensor) -> Tensor:
        return column.repeat(count, *([1] * (column.dim() - 1)))

    drawing = torch.arange(count, device=matrix.device).repeat_interleave(rows)
    prims = Primitives(
        tile_column(figure.kind), drawing, matrix.reshape(-1, 3, 4), tile_column(figure.params), tile_column(figure.hem), figure.hems
    )
    low, high = primitives.compute_screen_boxes(prims)
    low, high = low.reshape(count, rows, 2).amin(1), high.reshape(count, rows, 2).amax(1)
    return torch.cat([low, high], 1).cpu().numpy()


def frame_figure(
    rng: Generator, figure: ToonFigure, angles: np.ndarray, stretch: np.ndarray, local: Tensor | None, turn: np.ndarray, size, close: float
) -> ToonCamera:
    """A camera that holds still for all drawings, on the whole figure (close 0) or nearer and nearer to its focus (1)."""
    count = len(angles)
    unit = ToonCamera(turn, np.ones(count), np.zeros((count, 2)), np.ones(count), np.full(count, 100.0))
    box = measure_extent(figure, compute_matrices(figure, angles, unit, stretch, local))
    left, top, right, bottom = (*box[:, :2].min(0), *box[:, 2:].max(0))
    scale = rng.uniform(0.78, 0.95) * min(size[0] / max(right - left, 1e-3), size[1] / max(bottom - top, 1e-3))
    center = np.array([(left + right) / 2, (top + bottom) / 2])
    spare = np.array(size) - scale * np.array([right - left, bottom - top])
    middle = np.array(size) / 2 + rng.uniform(-0.45, 0.45, 2) * spare
    near = min(size) / (5.8 - 2.2 * close) * rng.uniform(0.8, 1.1)  # a bust is five or six units high, a face three or four
    if close > 0 and near > scale:
        world = pose_joints(figure, torch.tensor(angles), compute_rotations(torch.tensor(turn, dtype=torch.float32)))
        focus = (world[:, figure.focus, :2, 3].numpy() * (1, -1)).mean(0)
        scale, middle = near, np.array(size) / 2
        center = focus + (rng.uniform(-0.6, 0.6), rng.uniform(0.2, 1.0) * (1.2 - close))
    return ToonCamera(
        turn, np.full(count, scale), np.tile(middle - scale * center, (count, 1)), np.ones(count), np.full(count, 2.0 * max(size))
    )


def draw_moods(rng: Generator, figure: ToonFigure, count: int) -> np.ndarray:
    """Which moods a figure is in, bool (count, M): each feature keeps its usual one, or leaves it for a few drawings."""
    columns = []
    for number in figure.moods:
        now = np.zeros(count, int)
        while rng.random() < min(0.1 + 0.02 * count, 0.5):  # about once in a shot of twenty drawings
            first, length = int(rng.integers(count)), int(rng.integers(1, 5))
            now[first : first + length] = rng.integers(1, number)
        columns.append(now[:, None] == np.arange(number))
    return np.concatenate(columns, 1) if columns else np.zeros((count, 0), bool)
