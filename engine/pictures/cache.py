"""What was computed once for a job and need not be again: arrays in the job folder, named by the key of what they came from."""

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ..job.files import write_atomic

FOLDER = "cache"
_UNREADABLE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error)


class Cache:
    """Arrays by content key, in `folder`/cache. Damaged or missing entries are simply not there, nor are those of another `revision`."""

    def __init__(self, folder: Path, revision: str = "0") -> None:
        self._revision = revision
        self._folder = folder / FOLDER
        self._used: set[str] = set()

    def get(self, key: str, *names: str) -> dict[str, np.ndarray] | None:
        """The arrays of an entry, or those of these names."""
        path = self._path(key)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in names or arrays.files}
        except _UNREADABLE:
            return None

    def has(self, key: str) -> bool:
        return self._path(key).is_file()

    def keep(self, keys: Iterable[str]) -> None:
        """Let entries stay that are not needed now, but will be as soon as something changes."""
        for key in keys:
            self._path(key)

    def put(self, key: str, arrays: Mapping[str, np.ndarray], level: int = 1) -> None:
        """`level` of compression, 0 for what can't be compressed."""
        write_atomic(self._path(key), pack_arrays(arrays, level))

    def prune(self) -> None:
        """Remove what was neither read nor written since this cache was opened."""
        for path in self._folder.glob("*.npz"):
            if path.name not in self._used:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        name = f"{key}-{self._revision}.npz"
        self._used.add(name)
        return self._folder / name


def file_holds(path: Path, arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether an .npz can be read and has these arrays, among others, to within a hundredth."""
    try:
        with np.load(path, allow_pickle=False) as found:
            return all(found[name].shape == array.shape and np.allclose(found[name], array, 0, 0.01) for name, array in arrays.items())
    except _UNREADABLE:
        return False


def pack_arrays(arrays: Mapping[str, np.ndarray], level: int = 1) -> bytes:
    """An .npz as `numpy.load` reads it, compressed for speed: label maps shrink a hundredfold at the lowest level already."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED, compresslevel=level) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()
