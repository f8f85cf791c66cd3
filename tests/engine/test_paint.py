"""Paint: exact to the bit, edge to edge under the line; and the pictures that keep their key."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.drawing.colors import paint, png

RED, CLEAR = (201, 33, 70, 255), (0, 0, 0, 0)


def halves(height=20, width=30):
    grown = np.ones((height, width), np.int32)
    grown[:, width // 2 :] = 2
    return grown


def ink(grown, color, columns, alpha):
    picture = np.zeros((*grown.shape, 4), np.uint8)
    picture[:, columns] = (*color, alpha)
    return picture


def test_paint_goes_under_the_line_and_lines_over_it():
    grown = halves()
    colors = np.array([CLEAR, RED, CLEAR], np.uint8)
    lines = ink(grown, (10, 20, 30), 15, 255)
    lines[:, 14] = (10, 20, 30, 128)  # antialiasing over paint
    lines[:, 16] = (10, 20, 30, 128)  # and over nothing
    picture = paint.compose_picture(grown, colors, lines)
    assert (picture[:, :14] == RED).all()
    assert (picture[:, 15] == (10, 20, 30, 255)).all()
    assert (picture[:, 16] == (10, 20, 30, 128)).all()  # straight alpha: the line's own color, not darkened
    assert (picture[:, 17:] == 0).all()
    expected = np.round(np.array((10, 20, 30)) * 128 / 255 + np.array(RED[:3]) * 127 / 255)
    assert np.abs(picture[0, 14, :3] - expected).max() <= 1
    assert picture[0, 14, 3] == 255
    assert (paint.compose_picture(grown, colors, lines, lines=False)[:, :15] == RED).all()


def test_trace_lines_are_painted_over_with_their_antialiasing():
    grown = halves()
    lines = ink(grown, (40, 90, 240), 15, 255)
    lines[:, [14, 16]] = (40, 90, 240, 90)
    lines[10] = (0, 0, 0, 255)  # an ink line across
    traces = np.zeros(grown.shape, bool)
    traces[:, 15] = True
    traces[10] = False
    colors = np.array([CLEAR, RED, (130, 20, 40, 255)], np.uint8)
    picture = paint.compose_picture(grown, colors, lines, traces)
    assert {tuple(c) for c in picture.reshape(-1, 4).tolist()} == {RED, (130, 20, 40, 255), (0, 0, 0, 255)}
    assert (picture[10] == (0, 0, 0, 255)).all()


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, (6, 5, 4)), arrays(np.uint8, (6, 5, 4)))
def test_over_is_straight_alpha_compositing(back, front):
    result = paint.composite_over(back, front).astype(float)
    a, b = front[..., 3:] / 255.0, back[..., 3:] / 255.0
    alpha = a + b * (1 - a)
    assert np.abs(result[..., 3:] - alpha * 255).max() <= 1
    color = (front[..., :3] * a + back[..., :3] * b * (1 - a)) / np.maximum(alpha, 1e-9)
    visible = alpha[..., 0] > 0
    assert np.abs(result[..., :3] - color)[visible].max(initial=0) <= 1
    untouched = front[..., 3] == 0
    assert (result[untouched] == back[untouched]).all()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80))
@settings(max_examples=20, deadline=None)
def test_a_picture_keeps_its_key(tmp_path_factory, key):
    path = tmp_path_factory.mktemp("png") / "0001.png"
    picture = np.random.default_rng(1).integers(0, 256, (9, 7, 4)).astype(np.uint8)
    png.write_png(path, picture, key)
    assert png.read_key(path) == key
    assert (cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA) == picture).all()


def test_other_files_have_no_key(tmp_path):
    plain = cv2.imencode(".png", np.zeros((4, 4, 4), np.uint8))[1].tobytes()
    (tmp_path / "plain.png").write_bytes(plain)
    (tmp_path / "short.png").write_bytes(plain[:20])
    png.write_png(tmp_path / "good.png", np.zeros((4, 4, 4), np.uint8), "abc")
    data = bytearray((tmp_path / "good.png").read_bytes())
    data[data.index(b"abc")] ^= 1
    (tmp_path / "bad.png").write_bytes(data)
    assert [png.read_key(tmp_path / n) for n in ("plain.png", "short.png", "bad.png", "none.png", "good.png")] == [None] * 4 + ["abc"]
