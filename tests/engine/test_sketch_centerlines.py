"""Lines as pixels to strokes along their middle."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from engine.drawing.sketch import Sketch, centerlines, raster

SIZE = (200, 160)


def drawn(draw) -> Sketch:
    """A sketch of what `draw` draws in black onto a picture of ink, 255 where there is some."""
    ink = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    draw(ink)
    paint = np.dstack([np.zeros((*ink.shape, 3), np.uint8), ink])
    return Sketch(paint, ink >= 128, np.zeros(ink.shape, bool), np.zeros((0, 4), np.float32), "test")


def lines(*segments, thickness=3):
    def draw(ink):
        for a, b in segments:
            cv2.line(ink, a, b, 255, thickness, cv2.LINE_AA)

    return drawn(draw)


def test_a_line_is_a_stroke_along_its_middle():
    found = centerlines.trace_centerlines(lines(((20, 40), (180, 40))))
    assert len(found) == 1 and not found.cyclic[0]
    assert np.abs(found.points[:, 1] - 40.5).max() < 0.6
    assert found.points[:, 0].min() < 22 and found.points[:, 0].max() > 178
    thick = lines(((20, 40), (180, 40))).paint[:, 100, 3].sum() / 255
    assert np.abs(np.median(found.widths) - thick) < 0.4


def test_lines_that_cross_go_straight_on():
    found = centerlines.trace_centerlines(lines(((20, 20), (180, 140)), ((20, 140), (180, 20))))
    spans = [np.ptp(found.points[a:b], axis=0) for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)]
    assert len(found) == 2
    assert all(span[0] > 150 and span[1] > 110 for span in spans)


def test_a_line_that_meets_another_ends_on_it():
    found = centerlines.trace_centerlines(lines(((20, 40), (180, 40)), ((100, 40), (100, 140))))
    assert len(found) == 2
    lengths = np.diff(found.offsets)
    short = found.points[found.offsets[lengths.argmin()] : found.offsets[lengths.argmin() + 1]]
    assert np.abs(short - (100.5, 40.5)).max(axis=1).min() < 2.5


def test_a_circle_is_closed():
    found = centerlines.trace_centerlines(drawn(lambda ink: cv2.circle(ink, (100, 80), 50, 255, 3, cv2.LINE_AA)))
    assert len(found) == 1 and found.cyclic[0]
    assert np.abs(np.hypot(*(found.points - (100.5, 80.5)).T) - 50).max() < 1.0


@pytest.mark.parametrize("thickness", [1, 2, 3, 5, 9])
def test_strokes_hold_the_ink_that_they_are_made_of(thickness):
    sketch = drawn(lambda ink: cv2.ellipse(ink, (100, 80), (70, 40), 20, 0, 300, 255, thickness, cv2.LINE_AA))
    again = raster.rasterize_strokes(centerlines.trace_centerlines(sketch), SIZE)
    assert distance_transform_edt(~sketch.lines)[again.lines].max() < 1.5
    assert distance_transform_edt(~again.lines)[sketch.lines].max() < 2.5
    assert again.paint[..., 3].mean() == pytest.approx(sketch.paint[..., 3].mean(), rel=0.12)


def test_the_color_of_a_line_is_kept():
    sketch = lines(((20, 40), (180, 40)))
    sketch.paint[..., :3] = (200, 30, 60)
    assert (centerlines.trace_centerlines(sketch).colors == (200, 30, 60, 255)).all()


def test_paper_has_no_strokes_and_a_blot_is_no_crash():
    assert len(centerlines.trace_centerlines(lines())) == 0
    centerlines.trace_centerlines(drawn(lambda ink: ink.fill(255)))
    dot = centerlines.trace_centerlines(drawn(lambda ink: cv2.circle(ink, (50, 50), 1, 255, -1)))
    assert len(dot) <= 1
