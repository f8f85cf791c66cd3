"""Makes a video of a finished job, with the line art on the left and the colored frames on the right, at the shot's frame rate, and a
poster.

.venv/engine/bin/python tools/make_preview.py JOB_FOLDER VIDEO.webm      also makes VIDEO.png
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import job as jobs
from engine.drawing.sketch import raster, scan, strokes

PAPER = (250, 248, 244)
WIDTH = 960  # px of each half at most
MARGIN = 40  # px around the figure of the picture


def main() -> int:
    folder, video = Path(sys.argv[1]), Path(sys.argv[2])
    job = jobs.load_job(folder)
    files = jobs.list_pictures(job)
    scale = min(1.0, WIDTH / job.size[0])
    half = (2 * round(job.size[0] * scale / 2), 2 * round(job.size[1] * scale / 2))
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"VP90"), job.fps, (2 * half[0], half[1]))
    if not writer.isOpened():
        sys.exit(f"{video} can't be written.")
    drawn: dict[str, np.ndarray] = {}
    for exposure in job.frames:
        file = files[exposure.drawings]
        if file not in drawn:
            line_art = [_draw_lines(job, folder, drawing) for drawing in exposure.drawings if drawing is not None]
            drawn[file] = np.hstack([_lay_on_paper(line_art, half), _lay_on_paper([_read_picture(folder / file)], half)])
        for _ in range(exposure.exposure):
            writer.write(cv2.cvtColor(drawn[file], cv2.COLOR_RGB2BGR))
    writer.release()
    _draw_poster(job, folder).save(video.with_suffix(".png"))
    return 0


def _draw_poster(job: jobs.Job, folder: Path) -> Image.Image:
    """The drawing in the middle of the shot, lines and paint side by side, cropped to the paint."""
    shown = job.frames[len(job.frames) // 2].drawings
    painted = _read_picture(folder / jobs.list_pictures(job)[shown])
    rows, columns = (np.flatnonzero(painted[..., 3].any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        rows, columns = np.arange(job.size[1]), np.arange(job.size[0])
    top, left = max(0, rows[0] - MARGIN), max(0, columns[0] - MARGIN)
    window = slice(top, rows[-1] + MARGIN), slice(left, columns[-1] + MARGIN)
    line_art = [_draw_lines(job, folder, drawing)[window] for drawing in shown if drawing is not None]
    size = painted[window].shape[1::-1]
    return Image.fromarray(np.hstack([_lay_on_paper(line_art, size), _lay_on_paper([painted[window]], size)]))


def _draw_lines(job: jobs.Job, folder: Path, drawing_id: str) -> np.ndarray:
    """The drawing's lines, RGBA of the job's size."""
    drawing = job.drawing(drawing_id)
    if drawing.kind == "strokes":
        return raster.rasterize_strokes(strokes.load_strokes(folder / drawing.file), job.size).paint
    return scan.read_scan(folder / drawing.file, job.size).paint


def _read_picture(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA"))


def _lay_on_paper(layers: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Composite layers over paper, back to front: RGB of size (width, height)."""
    width, height = layers[0].shape[1::-1] if layers else size
    paper = Image.new("RGBA", (width, height), (*PAPER, 255))
    for layer in layers:
        paper.alpha_composite(Image.fromarray(np.ascontiguousarray(layer), "RGBA"))
    return np.asarray(paper.convert("RGB").resize(size, Image.Resampling.LANCZOS))


if __name__ == "__main__":
    sys.exit(main())
