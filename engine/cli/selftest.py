"""Colors a small drawing with the default model, from the request to the picture, to check an installation."""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .. import models
from ..job import list_pictures
from ..job.errors import JobFailed
from ..job.messages import Failed
from ..worker.run import execute_job
from .colorize_job import build_colorize_job

_SIDE = 96
_RED = (200, 40, 40, 255)


def run_selftest() -> str:
    """Run the self-test. Returns a sentence for the user. Raises JobFailed, saying what is wrong."""
    with tempfile.TemporaryDirectory(prefix="shiage-") as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for file, fill in (("in/circle.png", None), ("reference.png", _RED)):
            picture = Image.new("RGBA", (_SIDE, _SIDE))
            ImageDraw.Draw(picture).ellipse((16, 16, 80, 80), fill, "black", 3)
            picture.save(folder / file)
        job = build_colorize_job(folder / "in", [folder / "reference.png"], folder / "job", models.DEFAULT)
        end = execute_job(folder / "job")
        if isinstance(end, Failed):
            raise JobFailed(f"The self-test failed: {end.text}")
        with Image.open(folder / "job" / next(iter(list_pictures(job).values()))) as picture:
            pixels = np.asarray(picture.convert("RGBA"))
        if tuple(pixels[_SIDE // 2, _SIDE // 2]) != _RED or pixels[2, 2, 3]:
            raise JobFailed("The self-test painted a circle wrongly: install the engine again.")
    return "The engine works: it painted a circle."
