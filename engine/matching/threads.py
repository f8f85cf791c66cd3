"""One thread for what is computed in many threads already, or is too small to share: afterwards the process has its own number again."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_lock = threading.Lock()
_inside = 0
_before: dict[str, int] = {}  # the numbers of threads of what is limited now


@contextmanager
def limit_threads() -> Iterator[None]:
    """OpenCV and PyTorch compute in the thread that asks while anyone is inside, PyTorch as soon as it is loaded. May be entered from
    several threads and within itself; the one that enters first leaves last."""
    global _inside
    with _lock:
        _inside += 1
        if "cv2" not in _before:
            _before["cv2"] = cv2.getNumThreads()
            cv2.setNumThreads(1)
        if "torch" not in _before and "torch" in sys.modules:  # a job that needs it not is not to load it
            _before["torch"] = sys.modules["torch"].get_num_threads()
            sys.modules["torch"].set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                cv2.setNumThreads(_before.pop("cv2"))
                if "torch" in _before:
                    sys.modules["torch"].set_num_threads(_before.pop("torch"))
