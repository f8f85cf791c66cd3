"""A drawing as polylines, and its file in the job folder: strokes/<id>.npz."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...job.errors import BadInput
from ...job.files import write_atomic

MAX_POINTS = 20_000_000
MIN_ALPHA = 13  # of 255; a stroke that is fainter can't be seen and bounds nothing
MAX_COORDINATE = 1e7  # px; a point this far out comes from a projection that went wrong

_FIELDS = {
    "points": (np.floating, 2),
    "widths": (np.floating, 1),
    "colors": (np.uint8, 2),
    "offsets": (np.integer, 1),
    "cyclic": (np.bool_, 1),
}


@dataclass(frozen=True)
class Strokes:
    """Polylines in drawing order, in pixels of the picture, origin top left, y down.

    points   float32 (N, 2)
    widths   float32 (N,)    diameter in px
    colors   uint8 (N, 4)    sRGB, alpha = opacity
    offsets  int32 (S+1,)    stroke i is points[offsets[i]:offsets[i+1]]
    cyclic   bool (S,)       the last point is joined to the first
    """

    points: np.ndarray
    widths: np.ndarray
    colors: np.ndarray
    offsets: np.ndarray
    cyclic: np.ndarray

    def __len__(self) -> int:
        return len(self.cyclic)


def save_strokes(strokes: Strokes, path: Path, more: Mapping[str, np.ndarray] | None = None) -> None:
    """Write strokes/<id>.npz, with `more` arrays if there are any. Raises BadInput when the arrays don't fit together, JobFailed when the
    disk refuses."""
    _check_strokes(strokes, "The drawing")
    buffer = io.BytesIO()
    arrays = {name: getattr(strokes, name) for name in _FIELDS} | dict(more or {})
    np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]  # it takes each of them for allow_pickle
    write_atomic(path, buffer.getvalue())


def load_strokes(path: Path) -> Strokes:
    """Read strokes/<id>.npz. Raises BadInput when it is missing, damaged, or not a drawing."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > 32 * MAX_POINTS:
                raise BadInput(f"The drawing {path.name} has more than {MAX_POINTS:,} points: simplify its strokes.")
        with np.load(path, allow_pickle=False) as arrays:
            raw = {name: arrays[name] for name in _FIELDS}
    except KeyError as error:
        raise BadInput(f"The drawing {path.name} is incomplete ({error}): make the job again.") from error
    except OSError as error:
        raise BadInput(f"The drawing {path} can't be read ({error.strerror or error}): make the job again.") from error
    except (ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"The drawing {path.name} is damaged ({error}): make the job again.") from error
    for name, (kind, dimensions) in _FIELDS.items():
        if raw[name].ndim != dimensions or not np.issubdtype(raw[name].dtype, kind):
            raise BadInput(f"The drawing {path.name} is not understood ({name}: {raw[name].dtype} {raw[name].shape}): make the job again.")
    strokes = Strokes(
        points=raw["points"].astype(np.float32, copy=False),
        widths=raw["widths"].astype(np.float32, copy=False),
        colors=raw["colors"],
        offsets=raw["offsets"].astype(np.int64),
        cyclic=raw["cyclic"],
    )
    _check_strokes(strokes, f"The drawing {path.name}")
    return Strokes(strokes.points, strokes.widths, strokes.colors, strokes.offsets.astype(np.int32), strokes.cyclic)


def load_fills(path: Path, count: int) -> np.ndarray:
    """Which of the `count` strokes of a file that `load` has read bound painted areas, bool (S,): none where it does not say.

    Raises BadInput.
    """
    with np.load(path, allow_pickle=False) as arrays:
        fills = arrays["fills"] if "fills" in arrays.files else np.zeros(count, bool)
    if fills.shape != (count,) or fills.dtype != np.bool_:
        raise BadInput(f"The drawing {path.name} is not understood (fills: {fills.dtype} {fills.shape}): make the job again.")
    return fills


def _check_strokes(strokes: Strokes, what: str) -> None:
    count, offsets = len(strokes.points), strokes.offsets
    if count > MAX_POINTS:
        raise BadInput(f"{what} has {count:,} points, more than {MAX_POINTS:,}: simplify its strokes.")
    if strokes.points.shape != (count, 2) or strokes.widths.shape != (count,) or strokes.colors.shape != (count, 4):
        raise BadInput(f"{what} has points, widths and colors of different counts: make the job again.")
    if len(offsets) != len(strokes.cyclic) + 1 or offsets[0] != 0 or offsets[-1] != count or (offsets[1:] < offsets[:-1]).any():
        raise BadInput(f"{what} has stroke offsets that don't fit its {count:,} points: make the job again.")
    # Written so that NaN fails too.
    if not (np.abs(strokes.points) <= MAX_COORDINATE).all() or not ((strokes.widths >= 0) & (strokes.widths <= MAX_COORDINATE)).all():
        raise BadInput(f"{what} has points or widths that are not finite numbers of pixels: look for a stroke beside or behind the camera.")
