"""The demo shot as it comes out of `demo/build.py`: what the README shows and the other tests run on must be what it says it is."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

REPOSITORY = Path(__file__).resolve().parents[2]
FRAMES = [*range(1, 29, 2), *range(35, 55, 2)]  # the drawing at frame 27 is held for eight frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo shot")
    subprocess.run([sys.executable, REPOSITORY / "demo" / "build.py", "--out", out], check=True, stdout=subprocess.DEVNULL)
    return out


@pytest.fixture
def shot(folder):
    bpy.ops.wm.open_mainfile(filepath=str(folder / "shot.blend"))
    return bpy.context.scene


@pytest.fixture(scope="module")
def swatches():
    sys.path.insert(0, str(REPOSITORY))
    from demo.palette import SWATCHES, parse_rgb

    return {parse_rgb(color) for color in SWATCHES.values()}


def read(path: Path) -> np.ndarray:
    """RGBA uint8 (H, W, 4)."""
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)


def colors(picture: np.ndarray) -> set[tuple[int, ...]]:
    """The distinct RGBA colors of a picture."""
    codes = np.unique(np.ascontiguousarray(picture).view("<u4"))
    return {tuple(c) for c in codes.view(np.uint8).reshape(-1, 4).tolist()}


def layers() -> dict:
    (thing,) = (o for o in bpy.data.objects if o.type == "GREASEPENCIL")
    return {layer.name: layer for layer in thing.data.layers}


def strokes(frame) -> list[tuple[np.ndarray, np.ndarray]]:
    """(points (N, 2), diameters (N,)) of each stroke, px."""
    attributes, offsets = frame.drawing.attributes, [o.value for o in frame.drawing.curve_offsets]
    points, radii = np.zeros(offsets[-1] * 3, np.float32), np.zeros(offsets[-1], np.float32)
    attributes["position"].data.foreach_get("vector", points)
    attributes["radius"].data.foreach_get("value", radii)
    points = points.reshape(-1, 3)[:, [0, 2]] * 100
    return [(points[a:b], radii[a:b] * 200) for a, b in zip(offsets[:-1], offsets[1:], strict=True)]


def gaps(frame) -> list[tuple[float, float]]:
    """Where one stroke stops and the next goes on in the same direction, 1 to 10 px of paper further."""
    found = []
    pieces = strokes(frame)
    for (p, v), (q, w) in zip(pieces[:-1], pieces[1:], strict=True):
        across, before, after = q[0] - p[-1], p[-1] - p[-2], q[1] - q[0]
        white = np.hypot(*across) - (v[-1] + w[0]) / 2
        if 0.99 < white < 10 and np.dot(across, before) > 0 and np.dot(across, after) > 0:
            found.append(tuple(p[-1].tolist()))
    return found


def test_the_shot_has_24_drawings_on_twos_and_one_hold(shot):
    assert (shot.frame_start, shot.frame_end, shot.render.fps) == (1, 54, 24)
    assert (shot.render.resolution_x, shot.render.resolution_y) == (1920, 1080)
    assert shot.view_settings.view_transform == "Standard"
    for layer in layers().values():
        assert [frame.frame_number for frame in layer.frames] == FRAMES
        assert all(len(frame.drawing.strokes) > 0 for frame in layer.frames)


def test_traces_have_a_layer_and_colors_of_their_own_and_rough_lines_are_hidden(shot):
    found = layers()
    assert set(found) == {"Rough", "Traces", "Lines"}
    assert {name for name, layer in found.items() if layer.hide} == {"Rough"}
    (thing,) = (o for o in bpy.data.objects if o.type == "GREASEPENCIL")

    def line_colors(layer):
        used = {stroke.material_index for frame in layer.frames for stroke in frame.drawing.strokes}
        return sorted(tuple(thing.data.materials[i].grease_pencil.color[:3]) for i in used)

    (ink,) = line_colors(found["Lines"])
    assert max(ink) < 0.03
    blue, red = line_colors(found["Traces"])
    assert blue[2] > 3 * max(blue[:2])
    assert red[0] > 3 * max(red[1:])


def test_lines_swell_and_taper(shot):
    for frame in layers()["Lines"].frames:
        ratios = [w.max() / w.min() for p, w in strokes(frame) if len(p) > 40]
        assert len(ratios) > 20
        assert np.median(ratios) > 1.4


def test_every_drawing_has_gaps_and_they_are_elsewhere_in_the_next(shot):
    found = [gaps(frame) for frame in layers()["Lines"].frames]
    assert all(len(places) >= 8 for places in found)
    for here, there in zip(found[:-1], found[1:], strict=True):
        assert len(set(here) & set(there)) == 0


def test_the_camera_rests_and_then_pans(shot):
    at = []
    for frame in range(1, 55):
        shot.frame_set(frame)
        at.append(shot.camera.matrix_world.translation.x * 100)
    assert np.ptp(at[:37]) == 0
    assert (np.diff(at[36:53]) > 0.1).all()
    assert at[-1] == pytest.approx(330, abs=0.1)


def test_there_is_a_truth_for_every_picture_that_the_camera_sees(folder):
    held = [f for f in FRAMES if f < 37]
    panned = range(37, 54)  # a drawing under the moving camera gives a picture a frame; frame 54 shows the same as 53
    assert sorted(path.name for path in (folder / "truth").iterdir()) == [f"{f:04d}.png" for f in [*held, *panned]]


def test_truth_is_exact_swatches(folder, swatches):
    for path in sorted((folder / "truth").iterdir()):
        picture = read(path)
        assert picture.shape == (1080, 1920, 4)
        shades = colors(picture)
        assert (0, 0, 0, 0) in shades
        assert {c[:3] for c in shades - {(0, 0, 0, 0)}} <= swatches
        assert {c[3] for c in shades} == {0, 255}
        assert len(shades) > 30


def test_the_key_is_the_first_drawing_painted(folder):
    key, truth = read(folder / "key.png").astype(int), read(folder / "truth" / "0001.png").astype(int)
    differs = (np.abs(key - truth).max(2) > 0) & ~((key[..., 3] == 0) & (truth[..., 3] == 0))
    ink = key[..., :3].sum(2) < truth[..., :3].sum(2)
    outside = (truth[..., 3] == 0) & (key[..., 3] > 0)
    assert (ink | outside)[differs].all()
    assert 0.01 < differs.mean() < 0.03


def test_the_sheet_shows_every_swatch_at_another_scale(folder, swatches):
    sheet, key = read(folder / "sheet.png"), read(folder / "key.png")
    shown = {c for path in (folder / "truth").iterdir() for c in colors(read(path))}
    assert {c[:3] for c in shown if c[3]} == swatches
    assert shown <= colors(sheet)

    def height(picture):
        rows = np.nonzero(picture[..., 3].any(1))[0]
        return rows[-1] - rows[0]

    assert height(sheet) > 1.3 * height(key)
