"""Reading a reference: any picture a person may pick becomes 8-bit straight-alpha RGBA, or one clear sentence."""

import warnings as python_warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ...job.errors import BadInput

MIN_SIDE = 16  # px; nothing smaller can show a figure
MAX_SIDE = 4096  # px; larger pictures are sampled down, which keeps flat colors exact
MAX_PIXELS = 400_000_000  # what is decoded at most, some 1.6 GB; more is a mistake or a bomb
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "PSD", "BMP", "GIF", "TGA", "JPEG2000", "PPM", "AVIF")

Image.MAX_IMAGE_PIXELS = None  # `_check_size` is stricter, and speaks to a person


@dataclass(frozen=True)
class ReferencePicture:
    """`pixels` uint8 (H, W, 4) sRGB, straight alpha, upright; `warnings` are sentences about what was changed to get there."""

    pixels: np.ndarray
    warnings: tuple[str, ...] = ()


def read_reference(path: Path, name: str = "", size: tuple[int, int] | None = None) -> ReferencePicture:
    """Read a reference; `name` is what the person calls it in messages. A picture of the frames' own `size`, (width, height) px, such as a
    key, is not sampled down, however large. Raises BadInput with one sentence."""
    name = name or path.name
    notes: list[str] = []
    if not path.is_file():
        raise BadInput(f"The reference {name} does not exist: choose another picture.")
    if path.stat().st_size == 0:
        raise BadInput(f"The reference {name} is an empty file: export it again or choose another picture.")
    pixels = _read_deep_tiff(path, name) if path.suffix.lower() in (".tif", ".tiff") else None
    if pixels is None:
        pixels = _decode_picture(path, name, notes.append)
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise BadInput(f"The reference {name} is only {width} x {height} px: choose a picture of at least {MIN_SIDE} px a side.")
    if max(height, width) > MAX_SIDE and (width, height) != size:
        scale = MAX_SIDE / max(height, width)
        size = (max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_NEAREST)
        notes.append(f"The reference {name} is {width} x {height} px and was read at {size[0]} x {size[1]}.")
    if not (pixels[..., 3] >= 128).any():
        raise BadInput(f"The reference {name} is fully transparent: choose a painted picture.")
    return ReferencePicture(np.ascontiguousarray(pixels), tuple(notes))


def _decode_picture(path: Path, name: str, note: Callable[[str], None]) -> np.ndarray:
    try:
        with python_warnings.catch_warnings(), Image.open(path, formats=FORMATS) as image:
            python_warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata help nobody here
            _check_size(image.size, name)
            # A PSD opens as its flattened picture, an MPO as its main photograph; their further frames are no animation.
            if getattr(image, "n_frames", 1) > 1 and image.format not in ("PSD", "MPO"):
                note(f"The reference {name} has several pictures in it: the first one is used.")
            return np.asarray(_convert_to_rgba(ImageOps.exif_transpose(image)))
    except UnidentifiedImageError as error:
        raise BadInput(f"The reference {name} is not a picture that can be read: export it as PNG.") from error
    except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:  # what Pillow's decoders raise on damaged files
        raise BadInput(f"The reference {name} is damaged ({error}): export it again as PNG.") from error
    except MemoryError as error:
        raise BadInput(f"The reference {name} does not fit into memory: export it at a smaller size.") from error


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise BadInput(f"The reference {name} is {width} x {height} px, too large to open: export it with at most {MAX_SIDE} px a side.")


def _convert_to_rgba(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_convert_to_8bit(np.asarray(image))).convert("RGBA")
    if image.mode == "CMYK":
        image = _convert_cmyk(image)
    return image.convert("RGBA")


def _convert_cmyk(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        try:
            from io import BytesIO

            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except ImageCms.PyCMSError:
            pass  # a profile that can't be used is as good as none: the plain conversion below
    return image.convert("RGB")


def _convert_to_8bit(values: np.ndarray) -> np.ndarray:
    """Integers of 16 bits, or floats 0..1, to uint8."""
    if values.dtype.kind == "f":
        return (np.clip(np.nan_to_num(values), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    high = 65535 if values.dtype.itemsize <= 2 or values.max(initial=0) > 255 else 255
    return (np.clip(values, 0, high).astype(np.float32) * (255.0 / high) + 0.5).astype(np.uint8)


def _read_deep_tiff(path: Path, name: str) -> np.ndarray | None:
    """A TIFF of 16 or 32 bits a channel, which Pillow does not read in color; None for any other."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            if page.dtype is None or page.dtype.itemsize == 1 or page.ndim != 3:
                return None
            _check_size((page.imagewidth, page.imagelength), name)
    except tifffile.TiffFileError:
        return None  # `_read` says what is wrong with it
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.shape[2] not in (3, 4):
        return None
    code = cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGBA
    return cv2.cvtColor(_convert_to_8bit(picture), code)
