"""Finished pictures as PNG, each with the key of what it was made from in a text chunk."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np

from ...job.errors import JobFailed
from ...job.files import write_atomic

KEYWORD = b"shiage"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = len(SIGNATURE) + 25  # where the IHDR chunk ends


def write_png(path: Path, picture: np.ndarray, key: str) -> None:
    """Write uint8 (H, W, 4) RGBA, whole or not at all. Raises JobFailed when the disk refuses."""
    done, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise JobFailed(f"The picture {path.name} could not be encoded as PNG: choose a smaller size.")
    data = encoded.tobytes()
    body = b"tEXt" + KEYWORD + b"\0" + key.encode("latin-1")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    write_atomic(path, data[:_HEADER] + chunk + data[_HEADER:])


def read_key(path: Path) -> str | None:
    """The key of a picture that `write` made, read from its first bytes; None for any other file, or none."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEADER + 8)
            if len(head) < _HEADER + 8 or not head.startswith(SIGNATURE):
                return None
            length, kind = struct.unpack(">I4s", head[_HEADER:])
            if kind != b"tEXt" or length > 4096:
                return None
            body, crc = file.read(length), file.read(4)
    except OSError:
        return None
    keyword, _, key = body.partition(b"\0")
    whole = len(crc) == 4 and zlib.crc32(kind + body) == struct.unpack(">I", crc)[0]
    return key.decode("latin-1") if whole and keyword == KEYWORD else None
