"""Trace lines: the saturated red, blue and green lines that bound a tone and are not painted themselves."""

import cv2
import numpy as np

# Hues in degrees. Brown and orange line art begins at 20, purple at 270, and cyan construction lines are blue pencil.
_HUES = ((-20.0, 20.0), (90.0, 160.0), (190.0, 265.0))
_SATURATION = 0.55  # (max - min) / max
_VALUE = 140  # of 255: darker is colored line art
_DULL = 100  # what JPEG leaves of a thin trace line here and there; it counts beside brighter parts of the line
_BRIGHT_SHARE = 0.2


def is_trace_color(colors: np.ndarray, value: int = _VALUE) -> np.ndarray:
    """Which of the colors (N, 3 or 4) uint8 are colors of trace lines, of this brightness at least, bool (N,)."""
    red, green, blue = (np.ascontiguousarray(colors[:, channel]) for channel in range(3))
    high = np.maximum(np.maximum(red, green), blue)
    chroma = high - np.minimum(np.minimum(red, green), blue)
    found = (high >= value) & (chroma >= _SATURATION * high)
    rows = np.flatnonzero(found)  # few: most lines are black
    if len(rows):
        r, g, b = (channel[rows].astype(np.float32) for channel in (red, green, blue))
        top = high[rows]
        sector = np.where(top == r, g - b, np.where(top == g, b - r, r - g)) / chroma[rows]
        hue = 60 * (sector + np.where(top == r, 0, np.where(top == g, 2, 4)))
        found[rows] = np.logical_or.reduce([(hue >= first) & (hue <= last) for first, last in _HUES])
    return found


def find_traces(paint: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """The part of `lines` that is trace lines, bool (H, W).

    The core of a line decides: the pixels that are as opaque as any of their neighbors. The pale or mixed pixels at an
    antialiased edge take the kind of the core beside them; where both kinds meet, the main line wins, so that it stays whole.
    """
    inked = np.flatnonzero(lines)
    colors = np.ascontiguousarray(paint).view(np.uint32).ravel()[inked].view(np.uint8).reshape(-1, 4)
    found, bright = np.zeros(lines.shape, bool), np.zeros(lines.shape, bool)
    bright.ravel()[inked] = is_trace_color(colors)
    if not bright.any():
        return bright
    found.ravel()[inked] = is_trace_color(colors, _DULL)
    share, of = (cv2.boxFilter(part.view(np.uint8), cv2.CV_32F, (9, 9), normalize=False) for part in (bright, found))
    found &= share >= _BRIGHT_SHARE * of
    alpha = np.zeros(lines.shape, np.uint8)
    alpha.ravel()[inked] = colors[:, 3]
    neighbors = np.ones((3, 3), np.uint8)
    core = lines & (cv2.subtract(cv2.dilate(alpha, neighbors), alpha) <= 24)
    trace = core & found
    near_trace = cv2.dilate(trace.view(np.uint8), neighbors) > 0
    near_main = cv2.dilate((core & ~found).view(np.uint8), neighbors) > 0
    return trace | (lines & ~core & np.where(near_trace ^ near_main, near_trace, found))
