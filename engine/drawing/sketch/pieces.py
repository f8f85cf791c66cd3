"""Connected pieces of masks."""

import cv2
import numpy as np


def label_pieces(mask: np.ndarray) -> tuple[int, np.ndarray]:
    """The number of connected pieces of a mask, bool (H, W), and 1; and the number of each pixel's piece, int32 (H, W), 0 outside."""
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return count, np.asarray(pieces, np.int32)


def keep_connected(weak: np.ndarray, strong: np.ndarray, least: int = 1) -> np.ndarray:
    """The weak pixels that hang on a strong one, in pieces of at least `least` px; all bool (H, W)."""
    count, pieces = label_pieces(weak)
    keep = (np.bincount(pieces[strong], minlength=count) > 0) & (np.bincount(pieces.ravel(), minlength=count) >= least)
    keep[0] = False
    return keep[pieces]
