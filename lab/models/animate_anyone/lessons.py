"""Training examples for Animate Anyone: a reference, and frames of the same figure with their poses.

Toon worlds have the joints of their figures, and their references are other poses of the figure. Any other clip needs a folder `poses` with
a JSON file (`engine.job.pose`) or a drawn picture for each frame, of the same name. Another frame of it is the reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from engine.job.errors import BadInput
from engine.job.pose import Pose, read_pose
from engine.models.animate_anyone import figure, pose_image

from ...diffusion import clips
from ...diffusion.clips import TrainingClip

APART = 30  # frames between the reference and the example, if there are so many
SPARSE = 4  # the largest step between frames of an example
CROP = 0.9  # the smallest crop, as a fraction of a picture's sides
SCENE = 0.3  # fraction of the examples that have a painted background, if there is one


@dataclass(frozen=True)
class PoseExample:
    """`frames` and `poses` uint8 (F, H, W, 3), with the same crop · `reference` uint8 (H, W, 3) with that crop, `whole` without crop."""

    frames: np.ndarray
    poses: np.ndarray
    reference: np.ndarray
    whole: np.ndarray


def select_posed(found: Sequence[TrainingClip]) -> list[TrainingClip]:
    """The clips that have poses: toon worlds must show one person. Raises BadInput when there are none."""
    kept = [clip for clip in found if _has_poses(clip)]
    if not kept:
        raise BadInput(
            "No clip has poses: draw toon worlds anew with `lab synth`, or put a folder 'poses', a file for each frame, into each clip."
        )
    return kept


def read_example(clip: TrainingClip, size: tuple[int, int], frames: int, rng: np.random.Generator) -> PoseExample:
    """A random run of `frames` frames of a clip at `size` (width, height), or all that it has. Raises BadInput."""
    count = min(frames, len(clip.frames))
    step = int(rng.integers(1, max(1, min(SPARSE, (len(clip.frames) - 1) // max(count - 1, 1))) + 1))
    start = int(rng.integers(0, len(clip.frames) - (count - 1) * step))
    numbers = [start + step * place for place in range(count)]
    reference = _pick_reference(clip, numbers, rng)
    ground = _pick_ground(clip, rng)
    box = _draw_crop(rng)

    def show_part(paths: Sequence[Path], part: tuple[float, float, float, float]) -> np.ndarray:
        pictures = [_open_picture(path) for path in paths]
        return np.stack([_resize_part(clips.flatten_pictures(picture, ground(picture.shape[1::-1])), size, part) for picture in pictures])

    poses = _draw_poses(clip, [clip.frames[number] for number in numbers])
    return PoseExample(
        show_part([clip.frames[number] for number in numbers], box),
        np.stack([_resize_part(picture, size, box) for picture in poses]),
        show_part([reference], box)[0],
        show_part([reference], (0.0, 0.0, 1.0, 1.0))[0],
    )


def _has_poses(clip: TrainingClip) -> bool:
    if (clip.folder / "poses").is_dir():
        return True
    bodies = _read_bodies(clip)
    return bodies is not None and bodies.shape[1] == 1 and bool(np.isfinite(bodies[..., 0]).any(axis=(1, 2)).all())


def _read_bodies(clip: TrainingClip) -> np.ndarray | None:
    """The joints float32 (D, characters, 18, 2) of a toon world; None for another clip."""
    try:
        with np.load(clip.folder / "truth.npz", allow_pickle=False) as truth:
            return truth["bodies"] if "bodies" in truth.files else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadInput(f"{clip.folder / 'truth.npz'} is damaged ({error}): draw the sample again.") from error


def _draw_poses(clip: TrainingClip, paths: Sequence[Path]) -> list[np.ndarray]:
    """The poses of frames as pictures, uint8 (h, w, 3), of the frames' shape."""
    bodies = _read_bodies(clip)
    drawn = []
    for path in paths:
        with Image.open(path) as frame:
            size = frame.size
        if bodies is not None:
            joints = tuple(None if np.isnan(x) else (float(x), float(y)) for x, y in bodies[clips.parse_number(path), 0])
            drawn.append(pose_image.draw_training_pose(Pose(joints), size))
            continue
        file = clip.folder / "poses" / f"{path.stem}.json"
        if file.is_file():
            pose, own = read_pose(file)
            width, height = own or size
            scaled = pose.map_points(lambda at: (at[0] * size[0] / width, at[1] * size[1] / height))  # noqa: B023  # called at once
            drawn.append(pose_image.draw_training_pose(scaled, size))
        else:
            drawn.append(clips.flatten_pictures(_open_picture(file.with_suffix(".png")), 0))
    return drawn


def _pick_reference(clip: TrainingClip, numbers: Sequence[int], rng: np.random.Generator) -> Path:
    """A sheet, or a frame far from those of the example, if there is one."""
    if clip.sheets:
        return clip.sheets[rng.integers(len(clip.sheets))]
    others = [n for n in range(len(clip.frames)) if min(abs(n - shown) for shown in numbers) >= APART]
    others = others or [n for n in range(len(clip.frames)) if n not in numbers] or list(range(len(clip.frames)))
    return clip.frames[others[rng.integers(len(others))]]


def _pick_ground(clip: TrainingClip, rng: np.random.Generator):
    """A function of the size that returns the background for transparent pictures: an even color, or the clip's background."""
    plate = clip.folder / "plate.png"
    if plate.is_file() and rng.random() < SCENE:
        picture = clips.flatten_pictures(_open_picture(plate))
        return lambda size: np.asarray(Image.fromarray(picture).resize(size))
    color = np.array(figure.GROUNDS[rng.integers(len(figure.GROUNDS))])
    return lambda size: color


def _draw_crop(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A random crop: left, top, right, bottom as fractions of the sides."""
    wide, high = rng.uniform(CROP, 1.0, 2)
    left, top = rng.uniform(0.0, 1.0 - wide), rng.uniform(0.0, 1.0 - high)
    return left, top, left + wide, top + high


def _resize_part(picture: np.ndarray, size: tuple[int, int], part: tuple[float, float, float, float]) -> np.ndarray:
    """Crop a picture uint8 (h, w, 3) and resize it to `size`."""
    height, width = picture.shape[:2]
    box = (part[0] * width, part[1] * height, part[2] * width, part[3] * height)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS, box))


def _open_picture(path: Path) -> np.ndarray:
    """Open a picture, uint8 (H, W, 4). Raises BadInput."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGBA"))
    except (OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"The picture {path} can't be read ({error}): remove its clip or save it as PNG.") from error
