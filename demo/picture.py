"""Flat pictures: exact fills without antialiasing, antialiased lines, PNG files. Plain numpy, since Blender brings nothing else."""

import struct
import zlib
from pathlib import Path

import numpy as np


def fill_polygon(polygon: np.ndarray, size: tuple[int, int]) -> tuple[tuple[slice, slice], np.ndarray]:
    """The polygon's box in a picture of `size` (width, height), and bool: the box's pixels whose centers lie inside it (even-odd)."""
    corner = np.clip(np.floor(polygon.min(0)), 0, size).astype(int)
    end = np.clip(np.ceil(polygon.max(0)) + 1, 0, size).astype(int)
    return (slice(corner[1], end[1]), slice(corner[0], end[0])), _fill_box(polygon - corner, *(end - corner))


def _fill_box(polygon: np.ndarray, width: int, height: int) -> np.ndarray:
    a, b = polygon - 0.5, np.roll(polygon, -1, axis=0) - 0.5
    low, high = np.minimum(a[:, 1], b[:, 1]), np.maximum(a[:, 1], b[:, 1])
    first = np.clip(np.ceil(low), 0, height).astype(int)
    count = np.clip(np.ceil(high), 0, height).astype(int) - first
    edge = np.repeat(np.arange(len(a)), count)
    row = np.repeat(first, count) + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    p, q = a[edge], b[edge]
    x = p[:, 0] + (row - p[:, 1]) / (q[:, 1] - p[:, 1]) * (q[:, 0] - p[:, 0])
    column = np.clip(np.ceil(x), 0, width).astype(int)
    toggles = np.bincount(row * (width + 1) + column, minlength=height * (width + 1)).reshape(height, width + 1)
    return (np.cumsum(toggles, axis=1)[:, :width] & 1).astype(bool)


def draw_lines(strokes, size: tuple[int, int]) -> np.ndarray:
    """float (H, W): how much of each pixel the strokes (points, widths) cover, round caps, 0..1."""
    width, height = size
    canvas = np.zeros((height, width), np.float32)
    for points, widths in strokes:
        for a, b, ra, rb in zip(points[:-1], points[1:], widths[:-1] / 2, widths[1:] / 2, strict=True):
            pad = max(ra, rb) + 1.5
            x0, y0 = np.maximum(np.floor(np.minimum(a, b) - pad), 0).astype(int)
            x1, y1 = np.minimum(np.ceil(np.maximum(a, b) + pad), (width, height)).astype(int)
            if x0 >= x1 or y0 >= y1:
                continue
            x, y = np.arange(x0, x1)[None] + 0.5, np.arange(y0, y1)[:, None] + 0.5
            d = b - a
            t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1]) / max(d @ d, 1e-9), 0, 1)
            distance = np.hypot(x - a[0] - t * d[0], y - a[1] - t * d[1])
            part = canvas[y0:y1, x0:x1]
            np.maximum(part, np.clip(ra + (rb - ra) * t - distance + 0.5, 0, 1), out=part)
    return canvas


def lay_color(picture: np.ndarray, coverage: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """RGBA uint8, straight alpha: a color laid over the picture with the given coverage."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    c = coverage[..., None]
    out = c + alpha * (1 - c)
    mixed = (np.asarray(color, np.float32) * c + picture[..., :3] * alpha * (1 - c)) / np.maximum(out, 1e-6)
    return np.concatenate([np.rint(mixed), np.rint(out * 255)], axis=2).astype(np.uint8)


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write uint8 (H, W, 4) as a PNG, sRGB, straight alpha."""
    height, width = picture.shape[:2]
    rows = np.zeros((height, 1 + width * 4), np.uint8)
    rows[:, 1:] = picture.reshape(height, -1)

    def make_chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = (
        make_chunk(b"IHDR", header)
        + make_chunk(b"sRGB", b"\0")
        + make_chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + make_chunk(b"IEND", b"")
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
