"""The lock of a job folder: one process at a time works on it. Standard library only.

It is a lock of the operating system on a file in the folder, so it ends with its process, however that ends. There are no stale
locks to remove by hand.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import BadInput, JobFailed
from .folder import check_links

LOCK_FILE = "lock"
_BYTE = 1 << 30  # Windows locks bytes, and prevents others from reading them: lock one beyond the end


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises BadInput when another process has it or the folder contains links, JobFailed when it can't be
    written."""
    check_links(folder)
    try:
        file = open(folder / LOCK_FILE, "a+b")  # noqa: SIM115  # closed below; errors of the body must not be handled here
    except OSError as error:
        raise JobFailed(f"Can't write to {folder} ({error.strerror}): make it writable or choose another output folder.") from error
    with file:
        try:
            _lock_file(file.fileno())
        except OSError as error:
            raise BadInput(f"Process {_read_owner(folder)} is working on {folder}: wait until it is done, or cancel it.") from error
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        yield


@contextmanager
def open_job_folder(folder: Path) -> Iterator[None]:
    """Create a folder if needed, and hold its lock. Raises as `lock_folder` does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JobFailed(f"Can't write to {folder} ({error.strerror}): make it writable or choose another output folder.") from error
    with lock_folder(folder):
        yield


def _read_owner(folder: Path) -> str:
    try:
        return (folder / LOCK_FILE).read_text("ascii") or "another"
    except (OSError, ValueError):
        return "another"


if os.name == "nt":
    import msvcrt

    def _lock_file(handle: int) -> None:
        os.lseek(handle, _BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock_file(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
