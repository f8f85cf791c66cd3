"""Small shots for AniDoc's tests: a head on a body that moves, and jobs that paint it with tiny random weights."""

from pathlib import Path

from PIL import Image, ImageDraw

from engine.cli.colorize_job import build_colorize_job
from engine.job import Hint

PAINT = {"head": (220, 60, 40), "body": (40, 90, 200)}


def picture(path: Path, x: int, painted: bool = False, size: tuple[int, int] = (160, 120), background=None) -> Path:
    """A head on a body."""
    image = Image.new("RGBA", size, background or (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    pen.rectangle((x - 20, 60, x + 20, 100), PAINT["body"] if painted else None, "black", 2)
    pen.ellipse((x - 18, 20, x + 18, 56), PAINT["head"] if painted else None, "black", 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def job(root: Path, weights: Path, places=(50, 54, 58), options=(), device="auto", size=(160, 120), hints: tuple[Hint, ...] = ()) -> Path:
    """A job folder below `root`, of drawings at these places."""
    for index, x in enumerate(places):
        picture(root / f"in/{index:03d}.png", x, size=size)
    reference = picture(root / "reference.png", 80, painted=True)
    chosen = {"weights": str(weights), "side": 64, "preset": "draft"} | dict(options)
    build_colorize_job(root / "in", [reference], root / "job", "anidoc", device, None, chosen, hints)
    return root / "job"
