"""One drawing, ready to be cut into regions."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sketch:
    """One drawing as pixels, origin top left, y down; pixel (column i, row j) covers [i, i+1) x [j, j+1).

    paint   uint8 (H, W, 4)  the antialiased lines in their own colors, straight alpha
    lines   bool (H, W)      all binarised lines, 8-connected along every stroke
    traces  bool (H, W)      those of `lines` that are trace lines
    ends    float32 (K, 4)   x, y of the last inked point of a loose line end, and the unit direction in which it would go on
    id      str              a hash of what the sketch was made from
    dark    bool             whether it was drawn in light lines on dark paper
    """

    paint: np.ndarray
    lines: np.ndarray
    traces: np.ndarray
    ends: np.ndarray
    id: str
    dark: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.lines.shape[1], self.lines.shape[0]
