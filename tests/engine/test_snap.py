"""Frames that a VAE and a weak model have spoiled come back to exact swatches."""

import cv2
import numpy as np
import pytest

from engine.drawing.colors.paint import compose_picture
from engine.drawing.colors.palette import convert_to_lab
from engine.drawing.colors.snap import snap_to_swatches

SWATCHES = np.array(
    [
        (226, 190, 168, 255),
        (196, 150, 128, 255),
        (60, 60, 140, 255),
        (90, 40, 30, 255),
        (240, 240, 236, 255),
        (30, 120, 90, 255),
        (0, 0, 0, 0),
    ],
    np.uint8,
)


def drawing(seed: int):
    """Cells with lines between them: regions (H, W) from 1, lines, and the swatch of each region."""
    rng = np.random.default_rng(seed)
    seeds = rng.uniform(0, 1, (60, 2)) * (300, 400)
    y, x = np.mgrid[:300, :400]
    grown = np.argmin((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2, axis=2).astype(np.int32) + 1
    lines = cv2.Laplacian(grown.astype(np.float32), cv2.CV_32F) != 0
    return grown, lines, np.concatenate([[-1], rng.integers(0, len(SWATCHES), 60)]), rng


def spoiled(frame: np.ndarray, lines: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Smaller and larger again, bled, drifted in color, noisy."""
    frame = np.where(lines[..., None], 20, frame).astype(np.uint8)
    small = cv2.resize(
        cv2.resize(frame, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA), frame.shape[1::-1], interpolation=cv2.INTER_CUBIC
    )
    lab = cv2.cvtColor(small.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    drift = cv2.resize(rng.normal(0.0, 8.0 * share, (4, 5, 3)).astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    lab += drift + rng.normal(0.0, 4.0 * share, lab.shape).astype(np.float32)
    return (cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB).clip(0, 1) * 255).astype(np.uint8)


def nearest(frame: np.ndarray) -> np.ndarray:
    """The swatch that each pixel comes nearest to: what a frame says before it is snapped."""
    colors = np.where(SWATCHES[:, 3:] > 0, SWATCHES[:, :3], 255).astype(np.uint8)
    far = convert_to_lab(frame.reshape(-1, 3))[:, None] - convert_to_lab(colors)[None]
    return (far**2).sum(2).argmin(1).reshape(frame.shape[:2])


@pytest.mark.parametrize("seed", range(4))
def test_spoiled_frames_are_repaired(seed):
    grown, lines, truth, rng = drawing(seed)
    frame = np.where(SWATCHES[:, 3:] > 0, SWATCHES[:, :3], 255).astype(np.uint8)[truth[grown]]
    given = spoiled(frame, lines, rng, 1.0)
    before = (nearest(given) == truth[grown]).mean()
    swatch, confidence = snap_to_swatches(given, grown, lines, 60, SWATCHES)
    plain = (swatch[1:] == truth[1:]).mean()
    prior = np.full((61, len(SWATCHES)), 0.4 / 6, np.float32)
    prior[np.arange(1, 61), truth[1:]] = 0.6
    helped = (snap_to_swatches(given, grown, lines, 60, SWATCHES, prior)[0][1:] == truth[1:]).mean()
    assert plain > before + 0.05 and plain >= 0.8, "white paint and paper look alike"
    assert helped >= plain and helped >= 0.9
    assert confidence[1:].min() > 0 and swatch[0] == -1


def test_a_clean_frame_stays_as_it_is():
    grown, lines, truth, _ = drawing(9)
    frame = np.where(SWATCHES[:, 3:] > 0, SWATCHES[:, :3], 255).astype(np.uint8)[truth[grown]]
    frame[lines] = 0
    assert (snap_to_swatches(frame, grown, lines, 60, SWATCHES)[0] == truth).all()


def test_regions_that_are_all_line_have_an_answer():
    grown = np.ones((20, 20), np.int32)
    grown[:, 10:12] = 2
    swatch, _ = snap_to_swatches(np.full((20, 20, 3), 30, np.uint8), grown, np.ones((20, 20), bool), 2, SWATCHES)
    assert (swatch[1:] >= 0).all()


def test_paint_and_paper_reach_the_pictures_edge():
    """Where a VAE smears the rim, the last row is still all paint or all clear, as its region is."""
    grown, lines, truth, rng = drawing(5)
    frame = np.where(SWATCHES[:, 3:] > 0, SWATCHES[:, :3], 255).astype(np.uint8)[truth[grown]]
    given = spoiled(frame, lines, rng, 0.3)
    given[:3], given[-3:], given[:, :3], given[:, -3:] = 90, 200, 60, 30
    prior = np.full((61, len(SWATCHES)), 0.3 / 6, np.float32)
    prior[np.arange(1, 61), truth[1:]] = 0.7
    swatch, _ = snap_to_swatches(given, grown, lines, 60, SWATCHES, prior)
    picture = compose_picture(grown, SWATCHES[swatch], np.zeros((*grown.shape, 4), np.uint8))
    rim = np.ones(grown.shape, bool)
    rim[1:-1, 1:-1] = False
    assert (swatch[1:] == truth[1:]).mean() > 0.95
    right = (swatch == truth)[grown] & rim
    assert (picture[right] == SWATCHES[truth[grown]][right]).all() and set(np.unique(picture[..., 3]).tolist()) <= {0, 255}
