"""Palettes: exact where paint is flat, honest where it isn't."""

import io

import cv2
import numpy as np
from PIL import Image

from engine.drawing.colors import palette

SKIN, SHADE, HAIR = (254, 237, 229), (253, 237, 229), (60, 40, 120)  # skin and its shade differ by one level
INK = (0, 0, 0)


def figure(size=240, background=None, ink=3):
    """Two discs that touch, one with a shade, under black lines; antialiasing off."""
    picture = np.zeros((size, size, 4), np.uint8)
    if background is not None:
        picture[:] = (*background, 255)
    for center, color in (((80, 120), SKIN), ((170, 120), HAIR)):
        cv2.circle(picture, center, 50, (*color, 255), -1)
    picture[120:165, 60:100] = (*SHADE, 255)
    for center in ((80, 120), (170, 120)):
        cv2.circle(picture, center, 50, (*INK, 255), ink)
    return picture


def colors(painted):
    return {tuple(c) for c in painted.swatches.tolist()}


def antialiased(background=None):
    large = Image.fromarray(cv2.resize(figure(background=background), (960, 960), interpolation=cv2.INTER_NEAREST))
    return np.asarray(large.resize((320, 320), Image.Resampling.BOX))


def test_flat_colors_are_exact_and_lines_are_none_of_them():
    painted = palette.extract_palette(figure())
    assert painted.flat
    assert colors(painted) == {(*SKIN, 255), (*SHADE, 255), (*HAIR, 255), (0, 0, 0, 0)}
    assert painted.lines[120, 30]
    assert painted.index[120, 30] == -1
    assert painted.swatches[painted.index[100, 80]].tolist() == [*SKIN, 255]
    assert painted.swatches[painted.index[0, 0]].tolist() == [0, 0, 0, 0]


def test_antialiasing_is_no_swatch():
    painted = palette.extract_palette(antialiased())
    assert painted.flat
    assert colors(painted) == {(*SKIN, 255), (*SHADE, 255), (*HAIR, 255), (0, 0, 0, 0)}


def test_a_black_pupil_stays_a_swatch_beside_black_lines():
    picture = figure()
    cv2.circle(picture, (80, 100), 12, (*INK, 255), -1)
    painted = palette.extract_palette(picture)
    assert (*INK, 255) in colors(painted)
    assert painted.index[100, 80] >= 0
    assert painted.index[120, 30] == -1


def test_a_feature_of_a_few_pixels_is_a_swatch():
    picture = antialiased().copy()
    picture[155:159, 100:104] = (40, 120, 220, 255)
    painted = palette.extract_palette(picture)
    assert colors(painted) == {(*SKIN, 255), (*SHADE, 255), (*HAIR, 255), (40, 120, 220, 255), (0, 0, 0, 0)}
    assert (painted.index[155:159, 100:104] == painted.index[156, 101]).all()


def test_lines_are_found_whatever_their_color():
    """Ink that is darker than one side only, and that antialiasing nowhere leaves in its full color."""
    red = np.zeros((960, 960, 4), np.uint8)
    for center, color in (((320, 480), SKIN), ((680, 480), HAIR)):
        cv2.circle(red, center, 200, (*color, 255), -1)
        cv2.circle(red, center, 200, (200, 60, 40, 255), 3)
    picture = np.asarray(Image.fromarray(red).resize((320, 320), Image.Resampling.BOX))
    painted = palette.extract_palette(picture)
    assert colors(painted) == {(*SKIN, 255), (*HAIR, 255), (0, 0, 0, 0)}
    y, x = np.mgrid[:320, :320]
    away = [abs(np.hypot(x - cx, y - 160) - 66.6) for cx in (106.6, 226.6)]
    assert painted.lines[np.minimum(*away) < 0.4].mean() > 0.9
    assert not painted.lines[np.minimum(*away) > 3].any()


def test_paper_around_the_figure_is_transparent_and_white_inside_it_is_not():
    picture = figure(background=(255, 255, 255))
    cv2.circle(picture, (80, 90), 9, (255, 255, 255, 255), -1)
    painted = palette.extract_palette(picture)
    assert painted.swatches[painted.index[0, 0]].tolist() == [0, 0, 0, 0]
    assert painted.swatches[painted.index[90, 80]].tolist() == [255, 255, 255, 255]
    kept = palette.extract_palette(picture, "keep")
    assert kept.swatches[kept.index[0, 0]].tolist() == [255, 255, 255, 255]


def test_a_film_frame_keeps_its_background():
    picture = figure(background=(120, 180, 250))
    picture[150:] = (90, 140, 60, 255)  # the ground reaches both sides
    painted = palette.extract_palette(picture)
    assert (0, 0, 0, 0) not in colors(painted)
    assert (120, 180, 250, 255) in colors(painted)


def test_a_jpeg_gives_one_swatch_for_each_color():
    file = io.BytesIO()
    Image.fromarray(antialiased((255, 255, 255))[..., :3]).save(file, "jpeg", quality=80)
    painted = palette.extract_palette(np.asarray(Image.open(file).convert("RGBA")))
    visible = painted.swatches[painted.swatches[:, 3] > 0][:, :3].astype(int)
    for color in (SKIN, HAIR):
        assert np.abs(visible - color).max(axis=1).min() <= 3
    assert len(visible) <= 6


def test_palettes_unite_by_identity_of_flat_colors():
    one, two = palette.extract_palette(figure()), palette.extract_palette(figure()[:, :130])
    swatches, tables = palette.merge_palettes([one, two])
    assert len(swatches) == len(one.swatches)
    for painted, table in zip((one, two), tables, strict=True):
        assert table[-1] == -1
        assert (swatches[table[:-1]] == painted.swatches).all()
