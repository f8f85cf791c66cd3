"""Trace lines: the saturated red, blue and green lines that bound a tone and are not painted themselves."""

import cv2
import numpy as np

# Hues in degrees. Brown and orange line art begins at 20, purple at 270, and cyan construction lines are blue pencil.
_HUES = ((-20.0, 20.0), (90.0, 160.0), (190.0, 265.0))
_SATURATION = 0.55  # (max - min) / max
_VALUE = 140  # of 255: darker is colored line art


def is_trace(colors: np.ndarray) -> np.ndarray:
    """Which of the colors (..., 3 or 4) uint8 are colors of trace lines, bool (...)."""
    rgb = colors[..., :3].astype(np.float32)
    high, low = rgb.max(-1), rgb.min(-1)
    chroma = np.maximum(high - low, 1e-6)
    red, green, blue = np.moveaxis(rgb, -1, 0)
    hue = np.where(
        high == red,
        (green - blue) / chroma,
        np.where(high == green, 2 + (blue - red) / chroma, 4 + (red - green) / chroma),
    )
    hue = hue * 60
    allowed = np.zeros(hue.shape, bool)
    for first, last in _HUES:
        allowed |= (hue >= first) & (hue <= last)
    return allowed & (high >= _VALUE) & (high - low >= _SATURATION * high)


def find(paint: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """The part of `lines` that is trace lines, bool (H, W).

    The core of a line decides: the pixels that are as opaque as any of their neighbors. The pale or mixed pixels at an
    antialiased edge take the kind of the core beside them; where both kinds meet, the main line wins, so that it stays whole.
    """
    found = np.zeros(lines.shape, bool)
    rows, columns = np.nonzero(lines)
    if not len(rows):
        return found
    found[rows, columns] = is_trace(paint[rows, columns])
    if not found.any():
        return found
    alpha = np.where(lines, paint[..., 3], 0)
    neighbors = np.ones((3, 3), np.uint8)
    core = lines & (alpha.astype(np.int16) + 24 >= cv2.dilate(alpha, neighbors))
    trace = (core & found).astype(np.uint8)
    main = (core & ~found).astype(np.uint8)
    trace_near = cv2.dilate(trace, neighbors) > 0
    main_near = cv2.dilate(main, neighbors) > 0
    edge = lines & ~core
    return (core & found) | (edge & np.where(trace_near ^ main_near, trace_near, found))
