"""How the figure on the reference stands: the joints that were marked on it, kept with the image."""

import bpy
import numpy as np

from ....engine.job import pose

JOINTS = tuple(name for name in pose.BODY if name != "neck")  # in the order they are asked for; the neck lies between the shoulders

Point = tuple[float, float]  # x, y as fractions of the picture's size, from its top left


def of_image(image: bpy.types.Image) -> dict[str, Point]:
    """{joint: place} of what is marked."""
    return {mark.name: (mark.point[0], mark.point[1]) for mark in image.shiage.marks if mark.name in JOINTS}


def set_marks(image: bpy.types.Image, places: dict[str, Point]) -> None:
    """Mark these joints and no others."""
    image.shiage.marks.clear()
    for name in JOINTS:
        if name in places:
            mark = image.shiage.marks.add()
            mark.name, mark.point = name, places[name]


def with_neck(places: dict[str, Point]) -> tuple[Point | None, ...]:
    """The body's joints in the order of a pose."""
    right, left = places.get("shoulder.R"), places.get("shoulder.L")
    neck = ((right[0] + left[0]) / 2, (right[1] + left[1]) / 2) if right and left else None
    return tuple(neck if name == "neck" else places.get(name) for name in pose.BODY)


def as_pose(image: bpy.types.Image) -> pose.Pose | None:
    """The marked joints in pixels of the image, None where nothing is marked."""
    places = of_image(image)
    width, height = image.size
    body = with_neck(places)
    return pose.Pose(tuple(at and (at[0] * width, at[1] * height) for at in body)) if places else None


def set_marks_from_pose(image: bpy.types.Image, seen: pose.Pose, size: tuple[int, int]) -> None:
    """Mark what a pose shows, in pixels of a picture of `size`."""
    joints = zip(pose.BODY, seen.body, strict=True)
    set_marks(image, {name: (at[0] / size[0], at[1] / size[1]) for name, at in joints if at is not None and name in JOINTS})


def over_figure(image: bpy.types.Image, joints: dict[str, np.ndarray]) -> dict[str, Point]:
    """Joints of a figure that stands upright, {name: x to the picture's right, y up}, laid over the figure in an image as large as it: a
    first guess, to be set right by hand."""
    middle, top, bottom = _find_figure(image)
    places = np.array(list(joints.values()))
    low, high = places.min(axis=0), places.max(axis=0)
    tall = 0.88 * (bottom - top)  # from the eyes to the ankles, as of a grown-up
    scale = tall / max(high[1] - low[1], 1e-9)
    across = (places[:, 0] - (low[0] + high[0]) / 2) * scale * image.size[1] / image.size[0] + middle
    down = top + 0.07 * (bottom - top) + (high[1] - places[:, 1]) * scale
    return {name: (float(x), float(y)) for name, x, y in zip(joints, across.clip(0, 1), down.clip(0, 1), strict=True)}


def _find_figure(image: bpy.types.Image) -> tuple[float, float, float]:
    """Where the figure is, as fractions: the column that halves it, its top and its bottom. It is all that is not like the corner."""
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    picture = pixels.reshape(height, width, 4)[::-1]
    figure = np.abs(picture - picture[0, 0]).max(axis=2) > 0.1
    rows, columns = np.nonzero(figure)
    if not len(rows):
        return 0.5, 0.0, 1.0
    return float(np.median(columns) + 0.5) / width, rows[0] / height, (rows[-1] + 1) / height
