"""Training clips for diffusion models: shots of color pictures, with line art beside them or extracted from them.

A data folder contains clips, or is one itself. A clip is
* a folder written by `lab synth`: lined_NN.png (color_NN.png if there are none), lines_NN.png, meta.json and truth.npz;
* a folder of two or more pictures, ordered by name; line art named lines_<part of a picture's name after the last _>.png may be beside
  them;
* a shot of a video. Cuts are detected by PySceneDetect, and the shots' frames are written once, as folders of pictures, to `work`.

`find_clips` lists the clips without reading pictures. `load_pictures` and `load_sketches` read them, so a model's training example is

    clip = found[rng.integers(len(found))]
    start = int(rng.integers(len(clip.frames) - 14 + 1))
    colors = clips.flatten_pictures(clips.load_pictures(clip.frames[start : start + 14], size))
    lines = clips.binarize_gray(clips.load_sketches(clip.frames[start : start + 14], size))

Pictures are stretched to `size` (width, height): choose a size with their aspect ratio.
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
PAPER = 200  # of 255; lighter pixels are not lines
LARGEST = 1024  # px; the largest longer side of a video's stored frames


@dataclass(frozen=True)
class TrainingClip:
    """A shot: its `folder`, its `frames` in order, and for a toon world `sheets`, the same figures in other poses."""

    folder: Path
    frames: tuple[Path, ...]
    sheets: tuple[Path, ...] = ()


def find_clips(data: Path, work: Path, least: int = 2) -> list[TrainingClip]:
    """Find the clips of at least `least` frames in a folder or a video. Shots of videos go to `work`. Raises BadInput when there are
    none."""
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
    """The clip in a folder, possibly without frames. Raises BadInput when a toon world's meta.json is invalid."""
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
    """The number of a toon world's drawing from the name of its picture: its row in the arrays of truth.npz."""
    return int(path.stem.rpartition("_")[2])


# --- pictures -----------------------------------------------------------------------------------------------------


def load_pictures(paths: Sequence[Path], size: tuple[int, int]) -> np.ndarray:
    """Load pictures at `size` (width, height), uint8 (n, H, W, 4), straight alpha. Raises BadInput for one that can't be read."""
    return np.stack([_open_picture(path, size) for path in paths])


def flatten_pictures(pictures: np.ndarray, paper: np.ndarray | int = 255) -> np.ndarray:
    """Composite pictures uint8 (..., H, W, 4) over white, a color (3,), or a picture: uint8 (..., H, W, 3)."""
    alpha = pictures[..., 3:].astype(np.float32) / 255.0
    return (pictures[..., :3] * alpha + paper * (1.0 - alpha) + 0.5).astype(np.uint8)


def load_sketches(paths: Sequence[Path], size: tuple[int, int]) -> np.ndarray:
    """The line art of frames, uint8 (n, H, W), dark on 255: the file beside a frame, else what `detect_lines` extracts from it."""
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
    """Extract lines from a color picture uint8 (H, W, 3), as pixels darker than their surroundings: uint8 (H, W), dark on 255."""
    level = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    around = cv2.GaussianBlur(level, (0, 0), 3.0)
    return np.clip(255.0 - 4.0 * np.maximum(around.astype(np.float32) - level, 0.0), 0, 255).astype(np.uint8)


def binarize_gray(gray: np.ndarray) -> np.ndarray:
    """Line art with 0 on lines and 255 on paper, binarized as in AniDoc: a pixel darker than PAPER is a line."""
    return np.where(gray > PAPER, 255, 0).astype(np.uint8)


def build_sheet(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Stack rows of pictures uint8 (n, H, W, 3), padding shorter rows with paper: uint8 (rows * H, n * W, 3)."""
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
    """Split a video into shots of at least `least` frames, no larger than LARGEST, which are written to `work` once. Raises BadInput."""
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
    """Every frame with the number of its shot. Times are compared, not counts, so that variable frame rates work."""
    index = 0
    while (frame := stream.read()) is not False:
        while index + 1 < len(ends) and stream.position >= ends[index]:
            index += 1
        yield index, frame


def _drop_short(shot: Path, count: int, least: int) -> None:
    if shot.is_dir() and count < least:
        shutil.rmtree(shot)
