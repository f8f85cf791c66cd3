"""PNG files without a library: Blender's Python has none that every version carries."""

import struct
import tempfile
import zlib
from pathlib import Path

import bpy
import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode_png(rgba: np.ndarray) -> bytes:
    """Straight-alpha RGBA, uint8 (H, W, 4), as a file."""
    height, width = rgba.shape[:2]
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # each row begins with its filter, 0: none
    rows[:, 1:] = rgba.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        _SIGNATURE + _encode_chunk(b"IHDR", header) + _encode_chunk(b"IDAT", zlib.compress(rows.tobytes(), 1)) + _encode_chunk(b"IEND", b"")
    )


def decode_png(png: bytes) -> np.ndarray:
    """A file's pixels as they are stored, uint8 (H, W, 4), by Blender's own reader."""
    with tempfile.TemporaryDirectory(prefix="shiage-") as folder:
        file = Path(folder) / "picture.png"
        file.write_bytes(png)
        image = bpy.data.images.load(str(file))
        try:
            image.alpha_mode = "CHANNEL_PACKED"  # else colors are weighted by alpha
            width, height = image.size
            pixels = np.empty((height, width, image.channels), np.float32)
            image.pixels.foreach_get(pixels.ravel())
        finally:
            bpy.data.images.remove(image)
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[:, :, : pixels.shape[2]] = pixels[::-1] * 255 + 0.5
    return rgba


def without_remarks(png: bytes) -> bytes:
    """The file without what Blender notes in it, the date and the time that rendering took."""
    kept, place = [png[:8]], 8
    while place < len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 5].isupper():  # the chunks that make the picture
            kept.append(png[place:end])
        place = end
    return b"".join(kept)


def _encode_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
