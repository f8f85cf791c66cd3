"""The outside is never paint: drawings with wide gaps, and lines that enclose nothing, as whole jobs."""

import json

import numpy as np
import pytest
from drawings import circle, drawing, line, stroke
from PIL import Image

from engine.cli import main
from engine.drawing.colors import paint
from engine.drawing.sketch.raster import rasterize_strokes
from engine.job import read_result

SIZE = (480, 270)
SKIN, WHITE, SHIRT, CLEAR = (240, 200, 160, 255), (250, 250, 250, 255), (60, 110, 190, 255), (0, 0, 0, 0)
FACE, EYE = ((240, 135), 80), ((215, 115), 12)


def face(gap=0.0, at=0.3, x=0.0, y=0.0):
    eyes = [circle((EYE[0][0] + x + side, EYE[0][1] + y), EYE[1], width=2.0) for side in (0, 50)]
    return drawing(circle((FACE[0][0] + x, FACE[0][1] + y), FACE[1], gap, at), *eyes)


def bust(gap=0.0):
    """A head, and shoulders that the lower edge cuts, with blank paper at the left one."""
    neck = [line((215, 130), (215, 170)), line((265, 130), (265, 170))]
    left = [line((110, 280), (125, 190), gap), line((125, 190), (215, 170))]
    return drawing(
        circle((240, 80), 60), *neck, *left, line((265, 170), (355, 190)), line((355, 190), (370, 280)), line((215, 170), (265, 170))
    )


def color(art, seeds):
    """The drawing painted: the region of each point in its color, all else clear. uint8 (H, W, 4)."""
    from engine.drawing.regions import segment_regions

    sketch = rasterize_strokes(art, SIZE)
    regions = segment_regions(sketch, 3.0)
    colors = np.zeros((regions.count + 1, 4), np.uint8)
    for (x, y), swatch in seeds.items():
        colors[regions.grown[y, x]] = swatch
    return paint.compose_picture(regions.grown, colors, sketch.paint, sketch.traces, True, None)


def picture_face():
    return color(face(), {FACE[0]: SKIN, EYE[0]: WHITE, (EYE[0][0] + 50, EYE[0][1]): WHITE})


def solve(tmp_path, reference, arts, *options):
    """The pictures of drawings, painted after a reference, and result.json."""
    Image.fromarray(reference).save(tmp_path / "reference.png")
    (tmp_path / "sketches").mkdir()
    for number, art in enumerate(arts):
        Image.fromarray(rasterize_strokes(art, SIZE).paint).save(tmp_path / f"sketches/{number:04d}.png")
    given = ["colorize", "--sketches", tmp_path / "sketches", "--reference", tmp_path / "reference.png", "--out", tmp_path / "job"]
    assert main([str(part) for part in (*given, *options)]) == 0
    result = read_result(tmp_path / "job")
    assert result is not None
    return [np.asarray(Image.open(tmp_path / "job" / picture["file"])) for picture in result["pictures"]], result


def test_a_face_with_a_wide_gap_is_painted_as_a_face_and_told(tmp_path, capfd):
    gaps = [0.0, 6.0, 12.0, 24.0, 50.0]
    pictures, result = solve(tmp_path, picture_face(), [face(gap, x=4.0 * i) for i, gap in enumerate(gaps)], "--json")
    written = [json.loads(row) for row in capfd.readouterr().out.splitlines()]
    y, x = np.indices(SIZE[::-1])
    for i, (gap, picture) in enumerate(zip(gaps, pictures, strict=True)):
        away = np.hypot(x + 0.5 - FACE[0][0] - 4 * i, y + 0.5 - FACE[0][1])
        assert (picture[away > FACE[1] + 3] == 0).all()
        assert tuple(picture[180, 240 + 4 * i]) == SKIN and tuple(picture[115, 215 + 4 * i]) == WHITE
        assert (picture[away < FACE[1] - 12][:, 3] == 255).all(), gap
    told = [text for text in result["warnings"] if "painted as if closed" in text]
    assert len(told) == len(gaps) - 1
    for frame, gap in enumerate(gaps[1:], 1):
        (text,) = (text for text in told if f"Frame {frame} " in text)
        width, place = text.split("(")[1].split(" px at ")[0], text.split("(")[2].split(")")[0].split(", ")
        assert float(width) == pytest.approx(gap, abs=4)
        assert [float(v) for v in place] == pytest.approx([240 + 4 * frame + 78 * np.cos(0.3), 135 + 78 * np.sin(0.3)], abs=9)
        assert any(row["type"] == "warning" and row["frame"] == frame and row["text"] == text for row in written)
    assert [picture["leaks"] for picture in result["pictures"]] == [0, 1, 1, 1, 1]


def test_nothing_is_painted_that_lines_do_not_enclose(tmp_path):
    arts = [
        stroke([(200, 150), (215, 120), (230, 160), (300, 70)]),
        stroke([(90, 90), (160, 130), (190, 90)], 4.0),
        stroke(np.array(FACE[0]) + 70 * np.stack([np.cos(t := np.linspace(0.4, 3.6, 40)), np.sin(t)], 1)),
        drawing(*(line((40, 40 + 22 * i), (440, 43 + 22 * i)) for i in range(9))),
        line((-10, 190), (490, 185)),
        line((170, -10), (190, 280)),
        line((240, 60), (240, 65)),
    ]
    pictures, result = solve(tmp_path, picture_face(), arts)
    for art, picture in zip(arts, pictures, strict=True):
        assert not picture[rasterize_strokes(art, SIZE).paint[..., 3] == 0].any()


def test_of_a_figure_that_is_half_missing_nothing_runs_out_and_it_is_told(tmp_path):
    half = stroke(np.array(FACE[0]) + FACE[1] * np.stack([np.cos(t := np.linspace(0.1, 3.4, 60)), np.sin(t)], 1))
    eyes = [circle((EYE[0][0] + side, EYE[0][1]), EYE[1], width=2.0) for side in (0, 50)]
    (picture,), result = solve(tmp_path, picture_face(), [drawing(half, *eyes)])
    y, x = np.indices(SIZE[::-1])
    assert not picture[np.hypot(x + 0.5 - FACE[0][0], y + 0.5 - FACE[0][1]) > FACE[1] + 3].any()
    assert result["pictures"][0]["leaks"] and any("Frame 0" in text for text in result["warnings"])


def test_a_close_up_that_the_edge_cuts_is_painted_and_a_gap_in_it_does_not_flood_the_picture(tmp_path):
    reference = color(bust(), {(240, 60): SKIN, (240, 250): SHIRT, (240, 155): SKIN})
    pictures, result = solve(tmp_path, reference, [bust(), bust(20.0)])
    for picture in pictures:
        assert tuple(picture[250, 240]) == SHIRT and tuple(picture[60, 240]) == SKIN
        assert not picture[20:, :80].any() and not picture[5, 5:-5].any() and not picture[:, -60:].any()
    assert sum("open gap" in text for text in result["warnings"]) == 1


def test_what_fills_the_picture_as_it_fills_the_reference_is_painted(tmp_path):
    """A backdrop that reaches the picture's edge all around, though the references have nothing there too."""
    reference = color(drawing(line((-20, 230), (500, 230)), circle(*FACE)), {(20, 20): SHIRT, FACE[0]: SKIN})
    assert (reference[..., 3] == 0).any()
    (picture,), result = solve(tmp_path, reference, [drawing(circle((280, 135), 80))])
    assert [tuple(picture[y, x]) for x, y in ((20, 20), (470, 20), (20, 260), (280, 135))] == [SHIRT, SHIRT, SHIRT, SKIN]
    assert not result["warnings"]
