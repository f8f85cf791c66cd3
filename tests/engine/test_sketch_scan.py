import io

import cv2
import numpy as np
import pytest
from drawings import BLACK, BLUE, BROWN, RED, circle, drawing, figure, line, stroke
from PIL import Image

from engine.drawing.regions import segment_regions
from engine.drawing.sketch import scan
from engine.drawing.sketch.raster import rasterize_strokes
from engine.job.errors import BadInput

SIZE = (400, 300)


def near(mask, radius=1):
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * radius + 1,) * 2, np.uint8)) > 0


def agreement(found, truth):
    """F with 1 px tolerance."""
    precision = (found & near(truth)).sum() / max(found.sum(), 1)
    recall = (truth & near(found)).sum() / max(truth.sum(), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def on_paper(sketch, paper=(255, 255, 255), noise=0.0, light=0.0, seed=0):
    """The lines on opaque paper, in uneven light and with grain, uint8 (H, W, 3)."""
    height, width = sketch.lines.shape
    y, x = np.indices((height, width))
    alpha = sketch.paint[..., 3:] / 255
    picture = sketch.paint[..., :3] * alpha + np.array(paper) * (1 - alpha)
    picture = picture * (1 - light * (0.7 * x / width + 0.3 * y / height))[..., None]
    picture += np.random.default_rng(seed).normal(0, noise, (height, width, 1))
    return picture.clip(0, 255).round().astype(np.uint8)


def art(width=2.5, gap=0.0):
    return rasterize_strokes(figure(gap, width)[0], SIZE)


PAPERS = {
    "white": {},
    "gray": {"paper": (190, 190, 190)},
    "cream, badly lit": {"paper": (240, 228, 200), "light": 0.4},
    "grainy": {"paper": (235, 235, 230), "noise": 7},
    "dark, badly lit and grainy": {"paper": (170, 165, 150), "light": 0.3, "noise": 5},
}


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("file", ["png", "jpg"])
def test_lines_are_found_on_any_paper(tmp_path, paper, file):
    truth = art()
    path = tmp_path / f"scan.{file}"
    Image.fromarray(on_paper(truth, **PAPERS[paper])).save(path, **({"quality": 75} if file == "jpg" else {}))
    found = scan.read_scan(path)
    assert agreement(found.lines, truth.lines) > 0.985
    assert found.paint[10, 10, 3] == 0 and (found.paint[..., 3][~near(truth.lines, 3)] == 0).mean() > 0.9999
    regions = segment_regions(found, 6)
    inside = figure()[1]
    assert len({int(regions.grown[y, x]) for x, y in inside.values()}) == len(inside)


@pytest.mark.parametrize("mode", ["RGBA", "RGB", "L", "LA", "P", "PA", "1", "I;16", "I", "F", "CMYK", "YCbCr", "HSV", "LAB"])
def test_pictures_of_every_mode(tmp_path, mode):
    truth = rasterize_strokes(figure(0, 3.0)[0], SIZE)
    gray = on_paper(truth).min(2)
    if mode == "I;16":
        image = Image.fromarray(gray.astype(np.uint16) * 257)
    elif mode == "I":
        image = Image.fromarray(gray.astype(np.int32) * 257)
    elif mode == "F":
        image = Image.fromarray(gray.astype(np.float32) / 255)
    else:
        image = Image.fromarray(gray).convert("RGB").convert("RGB" if mode in ("LAB", "PA") else mode)
        if mode == "PA":
            image = image.convert("P").convert("PA")
        if mode == "LAB":
            image = Image.fromarray(np.dstack([gray, np.full_like(gray, 128), np.full_like(gray, 128)]), "LAB")
    path = tmp_path / ("scan.tif" if mode in ("CMYK", "YCbCr", "F", "I", "LAB") else "scan.webp" if mode == "HSV" else "scan.png")
    if mode in ("HSV", "PA"):
        image = image.convert("RGB")
    image.save(path)
    assert agreement(scan.read_scan(path).lines, truth.lines) > 0.99


def test_colors_with_sixteen_bits(tmp_path):
    truth = art()
    assert cv2.imwrite(str(tmp_path / "a.png"), on_paper(truth).astype(np.uint16) * 257)
    assert agreement(scan.read_scan(tmp_path / "a.png").lines, truth.lines) > 0.99


def test_transparent_paper_is_taken_as_it_is(tmp_path):
    truth = art()
    Image.fromarray(truth.paint).save(tmp_path / "a.png")
    found = scan.read_scan(tmp_path / "a.png")
    assert np.array_equal(found.paint, truth.paint) and np.array_equal(found.lines, truth.paint[..., 3] >= 128)


@pytest.mark.parametrize("width", [0.5, 0.8])
def test_lines_thinner_than_a_pixel_on_transparent_paper_enclose(tmp_path, width):
    parts = [circle((200, 150), 90, width=width), line((100, 20), (330, 290), width=width)]
    Image.fromarray(rasterize_strokes(drawing(*parts), SIZE).paint).save(tmp_path / "a.png")
    found = scan.read_scan(tmp_path / "a.png")
    assert segment_regions(found, 0.0).count == 3  # outside, and both halves of the disc


@pytest.mark.parametrize("seed", range(3))
def test_pencil_lines_enclose_though_paper_shows_through_their_grain(tmp_path, seed):
    paint = rasterize_strokes(drawing(circle((200, 150), 90, width=2.2), line((60, 20), (360, 290), width=2.2)), SIZE).paint.copy()
    grain = cv2.resize(np.random.default_rng(seed).uniform(size=(150, 200)), SIZE, interpolation=cv2.INTER_LINEAR)
    paint[..., 3] = paint[..., 3] * (1 - 1.4 * (grain - 0.35).clip(0))
    Image.fromarray(paint).save(tmp_path / "a.png")
    assert segment_regions(scan.read_scan(tmp_path / "a.png"), 0.0).count == 3


@pytest.mark.parametrize(("fading", "end"), [(10, 290), (40, 298)])
def test_a_line_that_goes_on_faintly_for_long_is_a_line(tmp_path, fading, end):
    """A short fading end is none: strokes that taper are as long as Blender shows them."""
    paint = rasterize_strokes(line((60, 150), (300, 150), width=2), SIZE).paint.copy()
    paint[:, 300 - fading : 300, 3] = paint[:, 300 - fading : 300, 3] * np.linspace(0.5, 0.2, fading)
    paint[:, 300:, 3] = 0
    Image.fromarray(paint).save(tmp_path / "a.png")
    assert abs(scan.read_scan(tmp_path / "a.png").ends[:, 0].max() - end) < 4


def test_the_color_of_lines_survives_the_removal_of_paper(tmp_path):
    lines = drawing(line((20, 60), (380, 60), width=6, color=BROWN), line((20, 200), (380, 200), width=6, color=(90, 90, 90, 255)))
    truth = rasterize_strokes(lines, SIZE)
    picture = on_paper(truth)
    Image.fromarray(picture).save(tmp_path / "a.png")
    found = scan.read_scan(tmp_path / "a.png")
    alpha = found.paint[..., 3:] / 255
    again = found.paint[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(again[60, 30:370] - picture[60, 30:370]).max() < 40
    assert not found.traces.any()


@pytest.mark.parametrize("file", ["png", "jpg"])
@pytest.mark.parametrize("paper", ["white", "cream, badly lit"])
def test_trace_lines_are_told_by_hue_in_scans(tmp_path, file, paper):
    colors = [RED, BLUE, (20, 220, 60, 255), BLACK, BROWN]
    parts = [line((30, 40 + 50 * i), (370, 40 + 50 * i), width=2.0, color=c) for i, c in enumerate(colors)]
    sketch = rasterize_strokes(drawing(*parts), SIZE)
    path = tmp_path / f"a.{file}"
    Image.fromarray(on_paper(sketch, **PAPERS[paper])).save(path, **({"quality": 90} if file == "jpg" else {}))
    found = scan.read_scan(path)
    for i, trace in enumerate([True, True, True, False, False]):
        band = np.s_[20 + 50 * i : 60 + 50 * i, 40:360]
        share = found.traces[band].sum() / found.lines[band].sum()
        assert share > 0.95 if trace else share < 0.05, (colors[i], share)


@pytest.mark.parametrize("value", [255, 128, 0])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_blank_picture_has_no_lines(tmp_path, value, mode):
    Image.new(mode, SIZE, 0 if mode == "RGBA" else (value,) * len(mode) if mode == "RGB" else value).save(tmp_path / "a.png")
    sketch = scan.read_scan(tmp_path / "a.png")
    assert not sketch.lines.any() and not sketch.paint[..., 3].any() and sketch.ends.shape == (0, 4)


def test_blank_grainy_paper_has_no_lines(tmp_path):
    for seed in range(3):
        Image.fromarray(on_paper(rasterize_strokes(drawing(), SIZE), (225, 220, 210), noise=6, light=0.3, seed=seed)).save(
            tmp_path / "a.jpg", quality=70
        )
        assert not scan.read_scan(tmp_path / "a.jpg").lines.any()


def test_dust_goes_and_freckles_stay(tmp_path):
    truth = rasterize_strokes(drawing(circle((200, 150), 100), *(stroke([(170 + 20 * i, 140.5)], 5) for i in range(3))), SIZE)
    picture = on_paper(truth, (235, 235, 235), noise=3)
    rng = np.random.default_rng(0)
    dust = rng.integers(5, 295, (60, 2))
    dust = dust[~near(truth.lines, 6)[dust[:, 0], dust[:, 1]]]
    picture[dust[:, 0], dust[:, 1]] = 90
    Image.fromarray(picture).save(tmp_path / "a.png")
    found = scan.read_scan(tmp_path / "a.png")
    assert not found.lines[dust[:, 0], dust[:, 1]].any()
    assert all(found.lines[140, 170 + 20 * i] for i in range(3))


def test_solid_black_is_line_and_not_paper(tmp_path):
    picture = np.full((300, 400, 3), 240, np.uint8)
    picture[60:240, 80:260] = 10
    Image.fromarray(picture).save(tmp_path / "a.png")
    lines = scan.read_scan(tmp_path / "a.png").lines
    assert lines[70:230, 90:250].mean() > 0.99 and not lines[:50].any()


DARK_PAPERS = {
    "black": {"paper": (0, 0, 0)},
    "blackboard": {"paper": (40, 62, 50), "noise": 4},
    "blueprint, badly lit": {"paper": (30, 50, 105), "light": 0.3},
    "bright blueprint": {"paper": (40, 80, 170)},
    "kraft": {"paper": (150, 115, 80)},
    "gray": {"paper": (140, 140, 140)},
}


@pytest.mark.parametrize("paper", DARK_PAPERS)
@pytest.mark.parametrize("file", ["png", "jpg"])
def test_light_lines_on_dark_paper_are_line_art(tmp_path, paper, file):
    white = (255, 255, 255, 255)
    sketch = rasterize_strokes(drawing(circle((120, 150), 60, color=white), line((200, 60), (380, 240), color=white)), SIZE)
    trace = rasterize_strokes(line((220, 200), (330, 280), color=RED, width=3), SIZE)
    settings = DARK_PAPERS[paper]
    picture = on_paper(sketch, **settings)
    picture[trace.lines] = RED[:3]
    Image.fromarray(picture).save(tmp_path / f"a.{file}", **({"quality": 90} if file == "jpg" else {}))
    found = scan.read_scan(tmp_path / f"a.{file}")
    assert agreement(found.lines, sketch.lines | trace.lines) > 0.97
    assert agreement(found.traces, trace.lines) > 0.9
    assert found.paint[sketch.lines & found.lines, :3].mean() < 60, "they are drawn black, as on paper that is not there"
    assert (found.paint[..., 3][~near(sketch.lines | trace.lines, 4)] == 0).mean() > 0.999


def test_what_is_light_and_thick_on_dark_ground_is_paper(tmp_path):
    """A figure cut out of a black ground, and a night that is black but for a white figure."""
    picture = np.zeros((*SIZE[::-1], 3), np.uint8)
    cv2.circle(picture, (200, 150), 110, (255, 255, 255), -1)
    cv2.circle(picture, (170, 130), 30, (0, 0, 0), 3)
    cv2.line(picture, (150, 200), (250, 200), (0, 0, 0), 3)
    Image.fromarray(picture).save(tmp_path / "a.png")
    found = scan.read_scan(tmp_path / "a.png")
    assert found.lines[130, 199:202].any() and found.lines[199:202, 200].any()
    assert not found.lines[170, 200] and not found.lines[130, 170]


def on_two_papers(truth, left, right, ink_left=0, ink_right=0, at=240):
    """The lines on paper whose tone changes at a column, uint8 (H, W, 3)."""
    alpha = truth.paint[..., 3:] / 255
    first = (np.arange(SIZE[0]) < at)[None, :, None]
    return (np.where(first, left, right) * (1 - alpha) + np.where(first, ink_left, ink_right) * alpha).round().astype(np.uint8) * np.ones(
        3, np.uint8
    )


TWO_PAPERS = {
    "white and gray": (255, 170),
    "white and dark gray": (255, 105),
    "gray and white": (120, 255),
    "black with white lines, and white": (0, 255, 255, 0),
    "black and gray with white lines": (0, 85, 255, 255),
    "a white margin, and black with white lines": (255, 0, 0, 255, 60),
}


@pytest.mark.parametrize("papers", TWO_PAPERS)
def test_lines_are_found_on_paper_of_two_tones(tmp_path, papers):
    truth = art()
    Image.fromarray(on_two_papers(truth, *TWO_PAPERS[papers])).save(tmp_path / "a.png")
    found = scan.read_scan(tmp_path / "a.png")
    assert agreement(found.lines, truth.lines) > 0.985, "the border of the tones is no line"
    assert found.dark is ("white lines" in papers)


@pytest.mark.parametrize("soft", [2, 25])
def test_a_shadow_on_a_photo_is_no_ink(tmp_path, soft):
    """The hard shadow of a hand, and one that fades."""
    truth = art()
    light = cv2.GaussianBlur(np.where(np.arange(SIZE[0]) < 220, 1.0, 0.42)[None].repeat(SIZE[1], 0), (0, 0), soft)
    Image.fromarray((on_paper(truth, (232, 228, 215)) * light[..., None]).astype(np.uint8)).save(tmp_path / "a.png")
    assert agreement(scan.read_scan(tmp_path / "a.png").lines, truth.lines) > 0.985


def test_black_hair_with_white_highlights_is_no_dark_paper(tmp_path):
    picture = np.full((*SIZE[::-1], 3), 255, np.uint8)
    cv2.ellipse(picture, (200, 120), (190, 130), 0, 0, 360, (0, 0, 0), -1)
    cv2.ellipse(picture, (200, 210), (100, 90), 0, 0, 360, (255, 255, 255), -1)
    for x in range(60, 340, 25):
        cv2.line(picture, (x, 60), (x + 4, 95), (255, 255, 255), 2)
    for x in (160, 240):
        cv2.circle(picture, (x, 200), 12, (0, 0, 0), 2)
    Image.fromarray(picture).save(tmp_path / "a.png")
    found = scan.read_scan(tmp_path / "a.png")
    assert not found.dark and agreement(found.lines, picture[..., 0] < 128) > 0.98


@pytest.mark.parametrize("at_the_edge", [True, False])
def test_a_dark_area_with_an_outline_is_ink(tmp_path, at_the_edge):
    picture = np.full((*SIZE[::-1], 3), 255, np.uint8)
    for color, width in (((120, 70, 40), -1), ((0, 0, 0), 3)):
        cv2.circle(picture, (200, 0 if at_the_edge else 150), 120, color, width)
    Image.fromarray(picture).save(tmp_path / "a.png")
    lines = scan.read_scan(tmp_path / "a.png").lines
    assert lines[50:100, 170:230].all() and not lines[290].any()


def test_a_scan_is_brought_to_the_size_that_is_asked_for(tmp_path):
    big = rasterize_strokes(figure(0, 3.0)[0], SIZE)
    path = tmp_path / "a.png"
    for picture in (big.paint, on_paper(big)):
        Image.fromarray(picture).save(path)
        for size in ((200, 150), (800, 600), (401, 300)):
            found = scan.read_scan(path, size)
            assert found.size == size
            truth = cv2.resize(big.paint[..., 3], size, interpolation=cv2.INTER_AREA) >= 100
            assert agreement(found.lines, truth) > 0.98
    with pytest.raises(BadInput, match="shape"):
        scan.read_scan(path, (300, 400))


def test_what_is_no_picture_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    buffer = io.BytesIO()
    Image.fromarray(art().paint).save(buffer, "PNG")
    (tmp_path / "half.png").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    Image.new("1", (20_000, 2)).save(tmp_path / "wide.png")
    for name in ("none.png", "text.png", "empty.png", "half.png", "wide.png", ""):
        with pytest.raises(BadInput) as caught:
            scan.read_scan(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (500, 2)])
def test_strange_sizes(tmp_path, size):
    for mode in ("RGBA", "L"):
        Image.new(mode, size, 200 if mode == "L" else (0, 0, 0, 255)).save(tmp_path / "a.png")
        assert scan.read_scan(tmp_path / "a.png").size == size


def test_ends_of_scanned_lines_are_those_of_the_strokes(tmp_path):
    for width in (1.0, 3.0, 8.0, 14.0):
        strokes = drawing(
            line((60, 150), (340, 150), width=width), line((200, 20), (330, 90), width=width), circle((90, 60), 40, width=width)
        )
        Image.fromarray(on_paper(rasterize_strokes(strokes, SIZE))).save(tmp_path / "a.png")
        found, truth = scan.read_scan(tmp_path / "a.png").ends, rasterize_strokes(strokes, SIZE).ends
        assert len(found) == len(truth) == 4
        for end in truth:
            nearest = found[np.hypot(*(found[:, :2] - end[:2]).T).argmin()]
            assert np.hypot(*(nearest[:2] - end[:2])) < 1.5 + width / 4 and nearest[2:] @ end[2:] > 0.9


def test_the_id_is_of_the_file_and_the_size(tmp_path):
    Image.fromarray(art().paint).save(tmp_path / "a.png")
    Image.fromarray(art().paint).save(tmp_path / "b.png")
    Image.fromarray(art(4.0).paint).save(tmp_path / "c.png")
    one, same, other = (scan.read_scan(tmp_path / f"{n}.png").id for n in "abc")
    assert one == same != other and one != scan.read_scan(tmp_path / "a.png", (200, 150)).id


def test_lines_that_run_out_of_the_picture_reach_its_edge(tmp_path):
    """Scans and filters leave the last pixel blank now and then: paint must not slip through between line and edge."""
    truth = rasterize_strokes(drawing(line((-10, 80), (410, 120), width=2), line((150, -10), (190, 310), width=2)), SIZE)
    paint = truth.paint.copy()
    for side in (paint[0], paint[-1], paint[:, 0], paint[:, -1]):
        side[..., 3] = 0
    Image.fromarray(paint).save(tmp_path / "a.png")
    assert segment_regions(scan.read_scan(tmp_path / "a.png"), 6).count == 4
