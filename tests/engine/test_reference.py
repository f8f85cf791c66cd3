"""References: whatever a person may pick."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.drawing.colors import reference
from engine.job.errors import BadInput


def figure(width=64, height=48):
    picture = np.zeros((height, width, 4), np.uint8)
    picture[8:-8, 8:-8] = (200, 40, 90, 255)
    picture[12:20, 12:20] = (0, 128, 255, 255)
    return picture


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "tga"])
def test_colors_and_alpha_of_lossless_formats_are_exact(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(figure()).save(path, **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    assert (reference.read_reference(path).pixels == figure()).all()


def test_palette_with_a_transparent_entry(tmp_path):
    image = Image.fromarray(figure()[..., :3]).quantize(8)
    transparent = image.getpixel((0, 0))
    image.save(tmp_path / "p.png", transparency=transparent)
    pixels = reference.read_reference(tmp_path / "p.png").pixels
    assert pixels[0, 0, 3] == 0
    assert pixels[14, 14].tolist() == [0, 128, 255, 255]


def test_gray_and_sixteen_bits(tmp_path):
    gray = np.full((32, 32), 65535, np.uint16)
    gray[8:24, 8:24] = 257 * 77
    Image.fromarray(gray).save(tmp_path / "g.png")
    pixels = reference.read_reference(tmp_path / "g.png").pixels
    assert pixels[16, 16].tolist() == [77, 77, 77, 255]
    assert pixels[0, 0].tolist() == [255, 255, 255, 255]
    for name in ("deep.png", "deep.tif"):
        deep = figure().astype(np.uint16) * 257
        assert cv2.imwrite(str(tmp_path / name), cv2.cvtColor(deep, cv2.COLOR_RGBA2BGRA))
        assert (reference.read_reference(tmp_path / name).pixels == figure()).all()


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=100)
    red, green, blue, alpha = reference.read_reference(tmp_path / "c.jpg").pixels[16, 16].tolist()
    assert red > 180
    assert max(green, blue) < 80
    assert alpha == 255


def test_the_first_picture_of_an_animation_is_used_and_told(tmp_path):
    first, second = Image.new("RGB", (32, 32), (255, 0, 0)), Image.new("RGB", (32, 32), (0, 0, 255))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    picture = reference.read_reference(tmp_path / "a.gif")
    assert picture.pixels[5, 5].tolist() == [255, 0, 0, 255]
    assert len(picture.warnings) == 1
    assert "first" in picture.warnings[0]


def test_a_photograph_held_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(figure()[..., :3]).save(tmp_path / "r.png", exif=exif)
    assert reference.read_reference(tmp_path / "r.png").pixels.shape == (64, 48, 4)


def test_a_very_wide_picture_is_read_smaller_and_told(tmp_path):
    wide = np.zeros((40, 20_000, 3), np.uint8)
    wide[:, ::2] = (10, 200, 30)
    wide[:, 1::2] = (200, 10, 30)
    Image.fromarray(wide).save(tmp_path / "w.png")
    picture = reference.read_reference(tmp_path / "w.png")
    assert picture.pixels.shape[1] == reference.MAX_SIDE
    assert "20000 x 40" in picture.warnings[0]
    assert {tuple(c) for c in picture.pixels.reshape(-1, 4).tolist()} <= {(10, 200, 30, 255), (200, 10, 30, 255)}  # nothing mixed


def test_a_picture_of_the_frames_own_size_keeps_every_pixel(tmp_path):
    wide = np.zeros((40, 5000, 3), np.uint8)
    wide[:, ::2] = (10, 200, 30)
    Image.fromarray(wide).save(tmp_path / "w.png")
    picture = reference.read_reference(tmp_path / "w.png", "key", (5000, 40))
    assert (picture.pixels[..., :3] == wide).all() and not picture.warnings
    assert reference.read_reference(tmp_path / "w.png", "key", (5000, 41)).pixels.shape[1] == reference.MAX_SIDE


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.png", b"", "empty"),
        ("text.png", b"not a picture at all", "not a picture"),
        ("bomb.png", png_header(60_000, 60_000), "too large"),
        ("cut.png", png_header(64, 64), "damaged"),
    ],
)
def test_what_can_not_be_read_is_refused_in_one_sentence(tmp_path, name, data, says):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput, match=says) as error:
        reference.read_reference(tmp_path / name)
    assert name in str(error.value)
    assert str(error.value).count(". ") == 0


def test_missing_tiny_and_invisible_references_are_refused(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        reference.read_reference(tmp_path / "none.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "one.png")
    with pytest.raises(BadInput, match="1 x 1"):
        reference.read_reference(tmp_path / "one.png")
    Image.new("RGBA", (32, 32)).save(tmp_path / "clear.png")
    with pytest.raises(BadInput, match="transparent"):
        reference.read_reference(tmp_path / "clear.png")
