"""The scene's camera as numbers: from the world to pixels."""

from dataclasses import dataclass

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d

from ....engine.job.errors import BadInput


@dataclass(frozen=True)
class Projection:
    """World to pixels of a picture of `size`, origin top left, y down.

    `clip` float64 (4, 4), world to clip space · `scale` float, pixels per world unit at w = 1 · `origin`, `axis` float64 (3,), where
    the camera stands and the unit direction in which it looks.
    """

    size: tuple[int, int]
    clip: np.ndarray
    scale: float
    origin: np.ndarray
    axis: np.ndarray

    def depth(self, point) -> float:
        """Distance of a point along the camera's axis, in world units."""
        return float((np.asarray(point) - self.origin) @ self.axis)

    def toward(self, point: np.ndarray) -> np.ndarray:
        """The unit direction from a point (3,) to the camera."""
        if self.clip[3, :3].any():  # a perspective lens
            way = self.origin - point
            return way / (np.linalg.norm(way) or 1.0)
        return -self.axis

    def project(self, points: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (N, 3) of a space that `matrix` (4, 4) takes to the world -> pixels float32 (N, 2), w float32 (N,), and whether each
        lies before the camera (bool (N,)); pixels of points that don't are meaningless but finite."""
        # Column by column: far quicker than a product of a long and a small matrix, which waits for threads.
        px, py, pz = np.ascontiguousarray(points.T)
        x, y, z, w = (row[0] * px + row[1] * py + row[2] * pz + row[3] for row in (self.clip @ matrix).astype(np.float32))
        seen = (w > 1e-6) & (z >= -w)
        safe = w if seen.all() else np.where(seen, w, np.float32(1.0))
        half = np.float32(0.5 * self.size[0]), np.float32(0.5 * self.size[1])
        pixels = np.stack([x / safe * half[0] + half[0], half[1] - y / safe * half[1]], axis=1)
        return pixels, safe, seen


def of_scene(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph, size: tuple[int, int]) -> Projection:
    """The projection of the scene's camera at the depsgraph's frame. Raises BadInput when there is no camera."""
    if scene.camera is None or scene.camera.type != "CAMERA":
        raise BadInput(f"The scene '{scene.name}' has no camera at frame {scene.frame_current}: add one and make it the active camera.")
    seen = scene.camera.evaluated_get(depsgraph)
    lens = _read_lens(scene, seen, depsgraph, size)
    world = seen.matrix_world.normalized()  # Blender does not let the camera's scale count
    return Projection(
        size=size,
        clip=np.array(lens @ world.inverted()),
        scale=lens[1][1] * size[1] / 2,
        origin=np.array(world.translation),
        axis=-np.array(world.col[2].xyz),
    )


def compute_corners(
    scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph, size: tuple[int, int], depth: float
) -> list[tuple[float, float, float]]:
    """Where the picture's corners lie in the camera's space, at a depth: counterclockwise from the bottom left."""
    lens = _read_lens(scene, scene.camera.evaluated_get(depsgraph), depsgraph, size)
    spread, shift_column = (depth, 2) if lens[3][3] == 0 else (1.0, 3)  # perspective, or orthographic
    sign = 1 if lens[3][3] == 0 else -1

    def place_corner(axis: int, side: int) -> float:
        return spread * (side + sign * lens[axis][shift_column]) / lens[axis][axis]

    return [(place_corner(0, x), place_corner(1, y), -depth) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]


def frame_in_region(scene: bpy.types.Scene, region, view) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of the picture in a viewport's region that looks through the camera, in pixels."""
    world = scene.camera.matrix_world.normalized()
    corners = [location_3d_to_region_2d(region, view, world @ corner) for corner in scene.camera.data.view_frame(scene=scene)]
    across, up = [corner.x for corner in corners], [corner.y for corner in corners]
    return min(across), max(across), min(up), max(up)


def _read_lens(scene, seen: bpy.types.Object, depsgraph: bpy.types.Depsgraph, size: tuple[int, int]):
    render = scene.render
    return seen.calc_matrix_camera(depsgraph, x=size[0], y=size[1], scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y)
