"""Clips that diffusion models learn from: shots of color pictures, and line art beside them or found in them.

A folder of data holds clips, or is one itself. A clip is
* a folder that `lab synth` wrote: lined_NN.png (color_NN.png where there are none), lines_NN.png, meta.json and truth.npz;
* a folder of two or more pictures of any names, in the order of these; line art named lines_<what follows the last _ of a picture's
  name>.png may lie beside them;
* a shot of a video. Cuts are found by PySceneDetect, and the shots' frames are written once, as folders of pictures, to `work`.

`find` lists the clips without reading a picture; `load` and `sketches` read what is asked for, so a model's lesson is

    clip = found[rng.integers(len(found))]
    start = int(rng.integers(len(clip.frames) - 14 + 1))
    colors = clips.over(clips.load(clip.frames[start : start + 14], size))
    lines = clips.binary(clips.sketches(clip.frames[start : start + 14], size))

Pictures are stretched to `size` (width, height): give it the shape that they have.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scenedetect import ContentDetector, VideoOpenFailure, detect, open_video

from engine.job.errors import BadInput

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
VIDEOS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".mpg", ".mpeg")
PAPER = 200  # of 255: what is lighter is no line
LARGEST = 1024  # px; the longer side of frames that are kept of a video


@dataclass(frozen=True)
class TrainingClip:
    """A shot: the pictures in its `folder`, `frames` in their order, and of a toon world `sheets`, the same figures in other poses."""

    folder: Path
    frames: tuple[Path, ...]
    sheets: tuple[Path, ...] = ()


def find_clips(data: Path, work: Path, least: int = 2) -> list[TrainingClip]:
    """The clips of `least` or more frames in a folder, or in a video; shots of videos go to `work`. Raises BadInput when there are none."""
    found = []
    for path in (data, *sorted(data.glob("*"))):
        if path.is_dir():
            found.append(read_folder(path))
        elif path.suffix.lower() in VIDEOS:
            found += split_video(path, work, least)
    found = [clip for clip in found if len(clip.frames) >= least]
    if not found:
        raise BadInput(
            f"There is no clip of {least} or more pictures in {data}: a clip is a folder of pictures lined_NN.png, color_NN.png or of any "
            "names, or a shot of a video."
        )
    return found


def read_folder(folder: Path) -> TrainingClip:
    """The clip that lies in a folder, perhaps without any frames. Raises BadInput when a toon world's meta.json is not understood."""
    named = [sorted(folder.glob(f"{name}_*.png")) for name in ("lined", "color")]
    other = (path for path in folder.glob("*") if path.suffix.lower() in PICTURES and not path.name.startswith(("lines_", "plate")))
    paths = named[0] or named[1] or sorted(other)
    try:
        references = set(json.loads((folder / "meta.json").read_text("utf-8"))["references"])
    except FileNotFoundError:
        return TrainingClip(folder, tuple(paths))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder / 'meta.json'} is not understood ({error}): draw the sample again.") from error
    sheets = [path for path in paths if re.fullmatch(r"(lined|color)_\d+", path.stem) and parse_number(path) in references]
    return TrainingClip(folder, tuple(path for path in paths if path not in sheets), tuple(sheets))


def parse_number(path: Path) -> int:
    """Which drawing of a toon world a picture shows: its row in the arrays of truth.npz."""
    return int(path.stem.rpartition("_")[2])


# --- pictures -----------------------------------------------------------------------------------------------------


def load_pictures(paths: Sequence[Path], size: tuple[int, int]) -> np.ndarray:
    """Pictures at `size` (width, height), uint8 (n, H, W, 4), straight alpha. Raises BadInput for one that can't be read."""
    return np.stack([_open_picture(path, size) for path in paths])


def flatten_pictures(pictures: np.ndarray, paper: np.ndarray | int = 255) -> np.ndarray:
    """Pictures uint8 (..., H, W, 4) over white, or over a color (3,), or a picture: uint8 (..., H, W, 3)."""
    alpha = pictures[..., 3:].astype(np.float32) / 255.0
    return (pictures[..., :3] * alpha + paper * (1.0 - alpha) + 0.5).astype(np.uint8)


def load_sketches(paths: Sequence[Path], size: tuple[int, int]) -> np.ndarray:
    """The line art of frames, uint8 (n, H, W), dark on 255: that which lies beside a frame, else what `lines_in` finds in it."""
    beside = [path.with_name(f"lines_{path.stem.rpartition('_')[2]}.png") for path in paths]
    return np.stack(
        [
            cv2.cvtColor(flatten_pictures(_open_picture(lines, size)), cv2.COLOR_RGB2GRAY)
            if lines.is_file()
            else detect_lines(flatten_pictures(_open_picture(path, size)))
            for path, lines in zip(paths, beside, strict=True)
        ]
    )


def detect_lines(picture: np.ndarray) -> np.ndarray:
    """Lines found in a color picture uint8 (H, W, 3), what is darker than its surroundings: uint8 (H, W), dark on 255."""
    level = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    around = cv2.GaussianBlur(level, (0, 0), 3.0)
    return np.clip(255.0 - 4.0 * np.maximum(around.astype(np.float32) - level, 0.0), 0, 255).astype(np.uint8)


def binarize_gray(gray: np.ndarray) -> np.ndarray:
    """Line art with 0 on lines and 255 on paper, as AniDoc binarises: what is darker than PAPER is a line."""
    return np.where(gray > PAPER, 255, 0).astype(np.uint8)


def build_sheet(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of pictures uint8 (n, H, W, 3) below each other, paper where a row is shorter: uint8 (rows * H, n * W, 3)."""
    width = max(len(row) for row in rows)
    padded = [np.concatenate([row, np.full((width - len(row), *row.shape[1:]), 255, np.uint8)]) for row in rows]
    return np.concatenate([np.concatenate(list(row), axis=1) for row in padded])


def _open_picture(path: Path, size: tuple[int, int]) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGBA").resize(size, Image.Resampling.LANCZOS))
    except (OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"The frame {path} can't be read ({error}): remove it or save it as PNG.") from error


# --- videos -------------------------------------------------------------------------------------------------------


def split_video(video: Path, work: Path, least: int = 2) -> list[TrainingClip]:
    """The shots of `least` or more frames of a video, frames no larger than LARGEST. They are written to `work` once. Raises BadInput."""
    status = video.stat()
    key = hashlib.sha256(f"{video.resolve()} {status.st_size} {status.st_mtime_ns} {least}".encode()).hexdigest()[:8]
    folder = work / f"{video.stem}-{key}"
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        _write_shots(video, part, least)
        try:
            part.rename(folder)
        except OSError:  # another process of the same training was faster
            shutil.rmtree(part)
    return [read_folder(shot) for shot in sorted(folder.iterdir())]


def _write_shots(video: Path, out: Path, least: int) -> None:
    try:
        cuts = detect(str(video), ContentDetector(), start_in_scene=True)
        stream = open_video(str(video))
    except VideoOpenFailure as error:
        raise BadInput(f"The video {video} can't be read: remove it or save it as MP4 (H.264).") from error
    out.mkdir(parents=True, exist_ok=True)
    shot, count = out / "00000", 0
    for index, frame in _read_frames(stream, [end for _, end in cuts]):
        if shot.name != f"{index:05d}":
            _drop_short(shot, count, least)
            shot, count = out / f"{index:05d}", 0
        shot.mkdir(exist_ok=True)
        scale = min(1.0, LARGEST / max(frame.shape[:2]))
        small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1.0 else frame
        Image.fromarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB)).save(shot / f"frame_{count:06d}.png", compress_level=4)
        count += 1
    _drop_short(shot, count, least)


def _read_frames(stream, ends: Sequence) -> Iterator[tuple[int, np.ndarray]]:
    """Every frame, and the number of the shot that it is in. Times are compared, not counts, so that uneven frame rates do no harm."""
    index = 0
    while (frame := stream.read()) is not False:
        while index + 1 < len(ends) and stream.position >= ends[index]:
            index += 1
        yield index, frame


def _drop_short(shot: Path, count: int, least: int) -> None:
    if shot.is_dir() and count < least:
        shutil.rmtree(shot)
