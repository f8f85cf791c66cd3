"""Small shots for Animate Anyone's tests: a stick figure that walks, a character sheet of a doll, and jobs of them."""

import json
import math
from pathlib import Path

from PIL import Image, ImageDraw

from engine.cli.animate_job import build_animate_job
from engine.job.pose import Pose

PAINT = {"skin": (240, 200, 170), "shirt": (210, 50, 50), "trousers": (40, 60, 150)}


def pose(phase: float, x: float = 80.0, y: float = 20.0, tall: float = 100.0, head: float = 1.0) -> Pose:
    """A figure `tall` px from nose to ankles, its nose at x, y; its limbs swing by `phase` (turns)."""
    unit, swing = tall / 100.0, math.sin(2 * math.pi * phase)
    neck = (x, y + 15 * unit * head)

    def out(at, dx, dy):
        return at[0] + dx * unit, at[1] + dy * unit

    body = [(x, y), neck]
    for side in (-1, 1):  # the figure's right is the picture's left
        shoulder = out(neck, 12 * side, 0)
        elbow = out(shoulder, 8 * side + 6 * swing * side, 18)
        body += [shoulder, elbow, out(elbow, 4 * side + 8 * swing, 16)]
    for side in (-1, 1):
        hip = out(neck, 8 * side, 35)
        knee = out(hip, 8 * swing * side, 25)
        body += [hip, knee, out(knee, -3 * swing * side, 25)]
    body += [out((x, y), dx * head, dy * head) for dx, dy in ((-4, -3), (4, -3), (-8, -1), (8, -1))]
    return Pose(tuple(body))


def sheet(path: Path, size: tuple[int, int] = (120, 160), background=None) -> Path:
    """A painted doll."""
    image = Image.new("RGBA", size, background or (0, 0, 0, 0))
    pen, middle = ImageDraw.Draw(image), size[0] / 2
    pen.rectangle((middle - 14, 90, middle + 14, 150), PAINT["trousers"], "black", 2)
    pen.rectangle((middle - 20, 45, middle + 20, 92), PAINT["shirt"], "black", 2)
    pen.ellipse((middle - 16, 12, middle + 16, 48), PAINT["skin"], "black", 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def write(folder: Path, poses: list[Pose], size: tuple[int, int] | None = (160, 160)) -> Path:
    """A folder of pose files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(poses):
        content = one.json() | ({"size": list(size)} if size else {})
        (folder / f"{number:04d}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def job(root: Path, weights: Path, poses: list[Pose] | None = None, options=(), device="auto", **more) -> Path:
    """A job folder below `root`."""
    given = [pose(number / 7) for number in range(4)] if poses is None else poses
    reference = sheet(root / "reference.png")
    chosen = {"weights": str(weights), "side": 64, "steps": 2} | dict(options)
    build_animate_job(write(root / "in", given), [reference], root / "job", "animate_anyone", device, options=chosen, **more)
    return root / "job"
