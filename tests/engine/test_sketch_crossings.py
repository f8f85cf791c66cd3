"""An outline stays whole where trace lines cross it or run along it."""

import cv2
import numpy as np
import pytest
from drawings import BLACK, BLUE, RED, circle, drawing, line, stroke
from PIL import Image

from engine.drawing.colors.paint import compose_picture
from engine.drawing.sketch import scan
from engine.drawing.sketch.raster import rasterize_strokes

SIZE = (320, 240)
CENTER, RADIUS = (160, 120), 70
OUTLINE = circle(CENTER, RADIUS, width=5)


def arc(first, last, radius=RADIUS, width=4.0, color=BLUE):
    angles = np.radians(np.linspace(first, last, 40))
    return stroke(np.stack([CENTER[0] + radius * np.cos(angles), CENTER[1] + radius * np.sin(angles)], 1), width, color)


TRACES = {
    "straight across": line((160, 20), (160, 220), width=4, color=RED),
    "aslant": line((60, 30), (240, 150), width=5, color=RED),
    "steeply aslant": line((205, 20), (225, 200), width=4, color=BLUE),
    "ends on it": line((160, 120), (230, 120), width=4, color=RED),
    "runs along it": arc(20, 60),
    "runs along it and leaves it": stroke(
        [*((160 + 70 * np.cos(a), 120 + 70 * np.sin(a)) for a in np.radians(np.linspace(20, 70, 20))), (150, 160), (120, 130)], 4, RED
    ),
}


def draw_scan(path, *, trace, opacity=1.0, soft=0.0, blend=False):
    """Black drawn first, the trace line over it, on white paper."""
    picture = np.full((SIZE[1], SIZE[0], 3), 255.0)
    for part, strength in ((OUTLINE, 1.0), (trace, opacity)):
        paint = rasterize_strokes(part, SIZE).paint
        alpha = paint[..., 3:] / 255 * strength
        if soft:
            alpha = cv2.GaussianBlur(alpha, (0, 0), soft)[..., None]
        color = paint[paint[..., 3] > 0][0, :3]
        picture = picture * color / 255 * alpha + picture * (1 - alpha) if blend else picture * (1 - alpha) + color * alpha
    Image.fromarray(picture.round().astype(np.uint8)).save(path, **({"quality": 90} if path.suffix == ".jpg" else {}))
    return path


def read_ring(sketch):
    """The darkest pixel of what is drawn, without trace lines, on each of 720 rays across the outline: 0 black to 255 nothing."""
    picture = compose_picture(np.ones(sketch.lines.shape, int), np.array([[255, 255, 255, 255]] * 2, np.uint8), sketch.paint, sketch.traces)
    angles = np.radians(np.arange(0, 360, 0.5))[:, None]
    radii = np.arange(RADIUS - 3, RADIUS + 3.5, 0.5)
    x, y = CENTER[0] + radii * np.cos(angles), CENTER[1] + radii * np.sin(angles)
    return picture[np.floor(y).astype(int), np.floor(x).astype(int), :3].max(2).min(1)


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("last", ["trace", "outline"])
def test_of_strokes_black_wins_whatever_is_drawn_last(name, last):
    parts = (OUTLINE, TRACES[name]) if last == "trace" else (TRACES[name], OUTLINE)
    sketch = rasterize_strokes(drawing(*parts), SIZE)
    alone = rasterize_strokes(OUTLINE, SIZE)
    solid = alone.paint[..., 3] == 255
    assert (sketch.paint[solid] == (*BLACK[:3], 255)).all()
    assert not (sketch.traces & solid).any()
    assert read_ring(sketch).max() < 60


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("kind", ["opaque", "soft", "faint", "multiplied", "jpg"])
def test_in_a_scan_the_outline_is_whole(tmp_path, name, kind):
    settings = {"opaque": {}, "soft": {"soft": 1.0}, "faint": {"opacity": 0.6}, "multiplied": {"blend": True}, "jpg": {}}[kind]
    path = draw_scan(tmp_path / ("scan.jpg" if kind == "jpg" else "scan.png"), trace=TRACES[name], **settings)
    sketch = scan.read_scan(path)
    assert read_ring(sketch).max() < 140, "black all around"
    far = cv2.distanceTransform((~rasterize_strokes(OUTLINE, SIZE).lines).astype(np.uint8), cv2.DIST_L2, 5) > 6
    own = rasterize_strokes(TRACES[name], SIZE).lines & far
    assert not own.any() or sketch.traces[own].mean() > 0.9, "the rest of it is a trace line"


def test_a_trace_line_by_itself_stays_one(tmp_path):
    """One that starts in an outline, one between two that are near, and one that touches none."""
    parts = drawing(line((20, 60), (300, 60), width=4), line((20, 74), (300, 74), width=4))
    traces = drawing(
        line((40, 67), (280, 67), width=3, color=RED), line((60, 76), (60, 200), width=3, color=BLUE), circle((200, 150), 40, color=RED)
    )
    picture = np.full((SIZE[1], SIZE[0], 3), 255.0)
    for part in (traces, parts):
        paint = rasterize_strokes(part, SIZE).paint
        alpha = paint[..., 3:] / 255
        picture = picture * (1 - alpha) + paint[..., :3] * alpha
    Image.fromarray(picture.round().astype(np.uint8)).save(tmp_path / "scan.png")
    found = scan.read_scan(tmp_path / "scan.png").traces
    own = rasterize_strokes(traces, SIZE).lines & ~rasterize_strokes(parts, SIZE).lines
    assert found[own].mean() > 0.97
