"""Builds a job folder for the shell: keys of a shot -> the drawings between them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..job import Drawing, Exposure, Job, timing
from ..job.builder import JobBuilder, name_file
from ..job.errors import BadInput
from ..job.files import compute_digest, compute_file_sha256
from .colorize_job import Size, check_output_folder, read_picture_size

MAX_BETWEEN = 999


def compute_places(count: int, keys: Sequence[int], easing: str, chart: str) -> dict[int, float]:
    """The places of the drawings between keys: {number: place}. `keys` are their numbers, from 0 to `count` + 1. An easing applies from
    each key to the next. Raises BadInput for a timing chart that does not have one place for each drawing between two keys."""
    if not chart:
        return {
            number: timing.ease_place((number - before) / (after - before), easing)
            for before, after in zip(keys, keys[1:], strict=False)
            for number in range(before + 1, after)
        }
    given = timing.parse_timing_chart(chart)
    if len(keys) > 2 or len(given) != count:
        raise BadInput(
            f"The timing chart has {len(given)} places for {count} drawings between {len(keys)} keys: give one for each, of two keys."
        )
    return dict(enumerate(given, 1))


def build_inbetween_job(
    keys: Mapping[int, Path],
    count: int,
    references: Sequence[Path],
    out: Path,
    model: str,
    device: str = "auto",
    options: Mapping[str, object] | None = None,
    sketches: Mapping[int, Path] | None = None,
    easing: str = "linear",
    chart: str = "",
) -> Job:
    """Build the job folder `out`, which makes the drawings between keys: frame 0 is the first key, frame `count` + 1 the last.

    `keys` by their numbers, including these two. With `references` they are line art, without any they are painted pictures. `sketches`
    are line art that drawings between follow. Raises BadInput, JobFailed. `out` is not changed before the input has been checked.
    """
    sketches = sketches or {}
    if not 1 <= count <= MAX_BETWEEN:
        raise BadInput(f"There can be 1 to {MAX_BETWEEN} drawings between two keys, not {count}.")
    for number in [*keys, *sketches]:
        if not 0 <= number <= count + 1 or (number in sketches and number in keys):
            raise BadInput(f"There is no drawing {number} to be made: give sketches for those from 1 to {count} that are no keys.")
    numbers = sorted(keys)
    at = compute_places(count, numbers, easing, chart)
    size = _find_common_size([keys[number] for number in numbers] + list(sketches.values()))
    for path in references:
        read_picture_size(path, "reference")
    check_output_folder(out, [*keys.values(), *sketches.values(), *references])
    ids = {number: compute_digest(compute_file_sha256(path), list(size), 0)[:16] for number, path in [*keys.items(), *sketches.items()]}
    builder = JobBuilder("inbetween", model, size)
    cel = builder.add_cel("keys", references)
    for number, path in [*sketches.items(), *keys.items()]:  # a key that is a sketch too is a key
        if number in keys and not references:
            builder.add_painted_key(ids[number], cel, path)
        else:
            file = name_file("raster", ids[number], path.suffix.lower())
            builder.add_drawing(Drawing(ids[number], cel, "raster", file, path.name), path.read_bytes)
    shown = dict(ids)
    for number, place in at.items():
        new = compute_digest([ids[n] for n in numbers], count, number, place, ids.get(number))[:16]
        builder.add_drawing(Drawing(new, cel, "between", name_file("between", new, ".npz"), at=place, guide=ids.get(number)))
        shown[number] = new
    frames = [Exposure(number, 1, (shown[number],)) for number in range(count + 2)]
    return builder.write_job(out, frames, title=keys[numbers[0]].stem, device=device, options=options)


def _find_common_size(paths: Sequence[Path]) -> Size:
    sizes = [read_picture_size(path, "key") for path in paths]
    for path, size in zip(paths, sizes, strict=True):
        if size != sizes[0]:
            raise BadInput(f"{paths[0].name} is {sizes[0][0]}x{sizes[0][1]} px and {path.name} {size[0]}x{size[1]}: bring all to one size.")
    return sizes[0]
