"""Painted backgrounds."""

import cv2
import numpy as np
from numpy.random import Generator


def paint_plate(rng: Generator, size: tuple[int, int]) -> np.ndarray:
    """A painted background: sky, hills, and soft shapes, uint8 (H, W, 3)."""
    width, height = (max(side // 6, 2) for side in size)  # soft as it is, it is drawn small
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    top, low = rng.uniform(60, 250, (2, 3))
    image = top + (low - top) * y[..., None]
    for depth in range(int(rng.integers(1, 5))):
        ridge = rng.uniform(0.3, 0.8) + 0.08 * np.sin(x * rng.uniform(3, 12) + rng.uniform(0, 6)) + 0.04 * np.sin(x * rng.uniform(15, 40))
        soft = 1 / (1 + np.exp(((ridge - y) * rng.choice([40, 400])).clip(-30, 30)))
        image = image + (rng.uniform(30, 220, 3) * (1 - 0.1 * depth) - image) * soft[..., None] * rng.uniform(0.6, 1)
    for _ in range(int(rng.integers(0, 8))):
        blob = np.exp(-(((x - rng.random()) / rng.uniform(0.05, 0.3)) ** 2) - ((y - rng.random()) / rng.uniform(0.05, 0.2)) ** 2)
        image = image + (rng.uniform(60, 255, 3) - image) * blob[..., None] * rng.uniform(0.2, 0.8)
    image = cv2.resize(image.clip(0, 255).astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)
    grain = np.tile(rng.normal(0, 2, (64, 64)).astype(np.int8), (-(-size[1] // 64), -(-size[0] // 64)))[: size[1], : size[0]]
    return cv2.add(image, cv2.merge([grain] * 3), dtype=cv2.CV_8U)
