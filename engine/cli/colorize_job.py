"""Builds a job folder for the shell from a folder of sketches and references. Also helpers for the other jobs."""

import functools
import io
import os
import re
import shutil
import warnings
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageOps

from ..job import FOLDERS, JOB_FILE, MAX_SIDE, Drawing, Exposure, Hint, Job, check_owner, format_frame_name
from ..job.builder import JobBuilder, name_file
from ..job.errors import BadInput, JobFailed
from ..job.files import compute_digest, compute_file_sha256

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".tga")

Size = tuple[int, int]


def build_colorize_job(
    sketches: Path,
    references: Sequence[Path],
    out: Path,
    model: str,
    device: str = "auto",
    size: Size | None = None,
    options: Mapping[str, object] | None = None,
    hints: Sequence[Hint] = (),
) -> Job:
    """Build the job folder `out`, which colors every picture in `sketches`. Frame i is the i-th in the natural order of names.

    `size` in px is that of the frames, by default the sketches' own. A sketch of another aspect ratio is fitted into it whole and padded
    with paper. Equal sketches are one drawing. Raises BadInput, JobFailed. `out` is not changed before the input has been checked.
    """
    paths = list_sketch_files(sketches)
    size = find_common_size(paths, size)
    for path in references:
        read_picture_size(path, "reference")
    check_output_folder(out, [sketches, *references])
    ids = [compute_digest(compute_file_sha256(path), list(size), 0)[:16] for path in paths]
    sources = dict(zip(ids[::-1], paths[::-1], strict=True))  # the first of equal sketches
    drawings = {key: Drawing(key, 0, "raster", name_file("raster", key, sources[key].suffix.lower()), sources[key].name) for key in ids}
    builder = JobBuilder("colorize", model, size)
    builder.add_cel("sketches", references)
    for key, drawing in drawings.items():
        builder.add_drawing(drawing, functools.partial(fit_sketch, sources[key], size))
    title = sketches.resolve().name
    return builder.write_job(out, build_exposures(ids), title=title, device=device, options=options, hints=hints)


def link_held_frames(job: Job, folder: Path) -> None:
    """Give every frame of a held drawing a file of its own, in addition to the one that the job has made. Raises JobFailed."""
    first = {}
    for exposure in job.frames:
        made = folder / "frames" / first.setdefault(exposure.drawings, format_frame_name(exposure.frame))
        for frame in range(exposure.frame, exposure.frame + exposure.exposure):
            target = folder / "frames" / format_frame_name(frame)
            if target != made and made.exists():
                _link_frame(made, target)


def _link_frame(made: Path, target: Path) -> None:
    try:
        target.unlink(missing_ok=True)
        os.link(made, target)
    except OSError:  # a disk without links
        try:
            shutil.copyfile(made, target)
        except OSError as error:
            raise JobFailed(f"Could not write {target} ({error.strerror}): free some space or choose another output folder.") from error


def list_sketch_files(folder: Path, what: str = "sketches", more: Sequence[str] = ()) -> list[Path]:
    """List the pictures of a folder, and files with the suffixes `more`, in the natural order of their names: a2 before a10. Raises
    BadInput when there are none."""
    suffixes = (*more, *SUFFIXES)
    if not folder.is_dir():
        raise BadInput(f"There is no folder of {what} at {folder}.")
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")]
    except OSError as error:
        raise BadInput(f"The folder of {what} {folder} can't be read ({error.strerror}).") from error
    if not found:
        raise BadInput(f"There is no picture in {folder}: {what} are {', '.join(suffixes)} files.")
    return sorted(found, key=lambda path: (_make_sort_key(path.name), path.name))


def _make_sort_key(name: str) -> list[tuple[int, str]]:
    """A sort key with the values of the numbers in a name: alternating text and numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name.casefold()) if part]


def read_picture_size(path: Path, what: str = "sketch") -> Size:
    """The size of a picture. Raises BadInput when it can't be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if max(image.size) > MAX_SIDE:
                    raise BadInput(f"The {what} {path} is {image.width}x{image.height} px: make it {MAX_SIDE} px at most.")
                size = ImageOps.exif_transpose(image).size
    except FileNotFoundError as error:
        raise BadInput(f"The {what} {path} does not exist: choose another picture.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput(f"The {what} {path} can't be read as a picture ({error}): save it as PNG.") from error
    return size


def find_common_size(paths: Sequence[Path], wanted: Size | None) -> Size:
    sizes = [read_picture_size(path) for path in paths]
    for path, size in zip(paths, sizes, strict=True):
        if wanted is None and size != sizes[0]:
            raise BadInput(
                f"The sketches differ in size, {paths[0].name} is {sizes[0][0]}x{sizes[0][1]} and {path.name} {size[0]}x{size[1]} px: "
                "give --size WxH to fit all into one."
            )
    width, height = wanted or sizes[0]
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise BadInput(f"Frames of {width}x{height} px can't be made: each side must lie between 1 and {MAX_SIDE}.")
    return width, height


def fit_sketch(path: Path, size: Size) -> bytes:
    """The content of a sketch's file, padded with paper if its aspect ratio differs from that of `size`, to which the model scales it."""
    with Image.open(path) as image:
        turned = ImageOps.exif_transpose(image)
        width, height = turned.size
        wide, high = max(width, round(height * size[0] / size[1])), max(height, round(width * size[1] / size[0]))
        if max(wide / width, high / height) < 1.01:
            return path.read_bytes()
        clear = turned.has_transparency_data
        picture = turned.convert("RGBA" if clear else "RGB")
        canvas = Image.new(picture.mode, (wide, high), (0, 0, 0, 0) if clear else picture.getpixel((0, 0)))
        canvas.paste(picture, ((wide - width) // 2, (high - height) // 2))
    data = io.BytesIO()
    canvas.save(data, "PNG")
    return data.getvalue()


def build_exposures(ids: Sequence[str]) -> tuple[Exposure, ...]:
    """One exposure for each run of equal drawings. Frames start at 0."""
    frames, frame = [], 0
    for key, run in groupby(ids):
        length = len(list(run))
        frames.append(Exposure(frame, length, (key,)))
        frame += length
    return tuple(frames)


def check_output_folder(out: Path, given: Sequence[Path]) -> None:
    """Raise BadInput unless `out` is empty or a job folder, in which old files are removed, and no input file is inside it."""
    check_owner(out)
    if not (out / JOB_FILE).is_file():
        for name in FOLDERS:
            if (out / name).is_dir() and any((out / name).iterdir()):
                raise BadInput(f"{out} has a folder '{name}' that is not Shiage's: choose an empty or a new output folder.")
    inside = [(out / name).resolve() for name in FOLDERS]
    for path in given:
        if any(path.resolve().is_relative_to(folder) for folder in inside):
            raise BadInput(f"{path} lies among what is written to {out}: copy it elsewhere, or choose another output folder.")
