"""Shots whose true paint is known: toon worlds, the demo shot, and clips in folders."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from engine.cli.colorize_job import list_sketch_files
from engine.drawing.regions import Regions, segment_regions
from engine.drawing.sketch import Sketch, raster, scan, strokes
from engine.job.errors import BadInput

from ..synthesis import ToonPlan, draw_sample, draw_scenes, stage_scene
from ..synthesis.palette import TONES
from .metrics import encode_colors, find_neighbors, find_true_regions

CLOSING = 12.0  # px; the widest gap that toon worlds have
HEIGHT = 1080  # px; models are told gaps for a picture of this height
SHEET = 2  # a sheet shows the whole figure where a drawing may show a face: it is drawn so many times larger, as sheets are
HELD_OUT = 900_000  # toon worlds from this seed on are for evaluation: nothing may be trained or tuned on them


@dataclass(frozen=True)
class EvaluationFrame:
    """A drawing and its true paint.

    line    the drawing: strokes (.npz) or a picture
    colors  uint8 (H, W, 4), the paint; what lies on lines is not looked at
    gap     px, the widest gap in its lines that is to be closed
    cut     int32 (H, W) or None: the regions to be painted, 0 on lines, where the data says so itself
    """

    line: Path
    colors: np.ndarray
    gap: float
    cut: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.colors.shape[1], self.colors.shape[0]

    @cached_property
    def sketch(self) -> Sketch:
        if self.line.suffix == ".npz":
            return raster.rasterize_strokes(strokes.load_strokes(self.line), self.size)
        return scan.read_scan(self.line, self.size)

    @cached_property
    def regions(self) -> Regions:
        """As the engine cuts the drawing."""
        return segment_regions(self.sketch, self.gap)

    @cached_property
    def areas(self) -> np.ndarray:
        """The true regions, int32 (H, W), 0 elsewhere."""
        ink = self.sketch.lines
        return find_true_regions(self.truth, ink) if self.cut is None else np.where(ink, 0, self.cut)

    @cached_property
    def adjacent_areas(self) -> list[np.ndarray]:
        """The true regions near each true region."""
        return find_neighbors(self.areas)

    @cached_property
    def truth(self) -> np.ndarray:
        """The true paint as codes, uint32 (H, W), see `metrics.encode_colors`."""
        return encode_colors(self.colors)


@dataclass(frozen=True)
class EvaluationShot:
    """Drawings in order, and what they may be painted after.

    group      whose shots are averaged together: a family of toon worlds, or the data's name
    sheet      uint8 (H, W, 4): the figures in another pose, or None
    materials  the material of each true color by code, where it is known: tones of one material share it
    painted    whether the true frames are pictures with soft edges and gradients, not flats
    lined      whether the true paint has its lines in it
    """

    name: str
    group: str
    frames: Sequence[EvaluationFrame]
    sheet: np.ndarray | None
    materials: Mapping[int, str]
    painted: bool = False
    lined: bool = False

    def draw_picture(self, index: int) -> np.ndarray:
        """A frame as an animator would hand it over as a reference: the paint with the ink over it, uint8 (H, W, 4)."""
        frame = self.frames[index]
        return frame.colors if self.lined else _lay_ink(frame.colors, frame.sketch)


def _lay_ink(colors: np.ndarray, sketch: Sketch) -> np.ndarray:
    """Paint under ink; trace lines are painted over, with their soft edges."""
    ink = sketch.paint.astype(np.float32)
    near = np.ones((3, 3), np.uint8)
    traced = cv2.dilate(sketch.traces.view(np.uint8), near) > cv2.dilate((sketch.lines & ~sketch.traces).view(np.uint8), near)
    alpha = ink[..., 3:] / 255 * ~(traced | sketch.traces)[..., None]
    below = colors[..., 3:].astype(np.float32) / 255 * (1 - alpha)
    rgb = (ink[..., :3] * alpha + colors[..., :3] * below) / np.maximum(alpha + below, 1e-6)
    return np.concatenate([rgb, 255 * (alpha + below)], 2).round().astype(np.uint8)


# --- toon worlds ------------------------------------------------------------------------------------------------------


def draw_world(family: str, seed: int, folder: Path, size: int, drawings: int, damage: float | None = None) -> EvaluationShot:
    """A held-out toon world; its lines go to `folder`. Two drawings are neighbors in a movement, more are a whole one.

    `damage` 0 to 1, by chance unless given. Worlds of one seed differ by their damage alone.
    """
    seed += HELD_OUT
    rng = np.random.default_rng([seed, 2])
    chance, characters = float(rng.uniform()), int(rng.choice([1, 2, 3], p=[0.8, 0.15, 0.05]))
    relation, level = "near" if drawings == 2 else "", chance if damage is None else damage
    plan = ToonPlan(family, (size, size), drawings, relation, references=1, characters=characters, damage=level)
    drawn = draw_sample(seed, plan)
    sheet = draw_scenes([stage_scene(seed, replace(plan, size=(SHEET * size, SHEET * size))).select_references()])[0]
    frames = []
    for index, (paint, colors) in enumerate(zip(drawn.lines.paint.numpy()[:drawings], drawn.paint_flats().numpy(), strict=False)):
        path = folder / f"{index:04d}.png"
        save_picture(path, paint)
        frames.append(EvaluationFrame(path, np.ascontiguousarray(colors), CLOSING))
    swatches = drawn.swatches.numpy()
    names = {int(code): drawn.materials[row // TONES] for row, code in enumerate(encode_colors(swatches))}
    return EvaluationShot(f"{family} {seed}", family, frames, sheet.paint_pictures()[0].numpy(), names)


# --- the demo shot ----------------------------------------------------------------------------------------------------


def draw_demo(folder: Path, count: int) -> EvaluationShot | None:
    """The first `count` drawings of the demo shot, or None where there is no demo: it is not in the extension."""
    if importlib.util.find_spec("demo") is None:
        return None
    from demo import drawings, ink, palette, pose

    def make_strokes(lines: Sequence) -> strokes.Strokes:
        counts = [len(line.points) for line in lines]
        colors = np.array([(*palette.parse_rgb(palette.TRACE.get(line.trace, palette.INK)), 255) for line in lines], np.uint8)
        return strokes.Strokes(
            points=np.concatenate([line.points for line in lines]).astype(np.float32),
            widths=np.concatenate([np.broadcast_to(line.widths, n) for line, n in zip(lines, counts, strict=True)]).astype(np.float32),
            colors=np.repeat(colors, counts, axis=0),
            offsets=np.cumsum([0, *counts]).astype(np.int32),
            cyclic=np.zeros(len(lines), bool),
        )

    frames = []
    for number, now in enumerate(pose.list_poses()[:count], 1):
        drawing = drawings.draw_pose(number, now)
        path = folder / f"{number:04d}.npz"
        strokes.save_strokes(make_strokes(drawing.lines), path)
        frames.append(EvaluationFrame(path, ink.paint_flats(drawing.parts, drawings.SIZE), CLOSING))
    sheet = drawings.draw_sheet()
    picture = ink.paint_picture(sheet.parts, sheet.whole, drawings.SHEET_SIZE, palette.parse_rgb(palette.INK))
    rows = np.array([(*palette.parse_rgb(color), 255) for color in palette.SWATCHES.values()], np.uint8)
    tones = {
        int(code): name.removesuffix(" light").removesuffix(" shade")
        for name, code in zip(palette.SWATCHES, encode_colors(rows), strict=True)
    }
    return EvaluationShot("demo", "demo", frames, picture, tones)


# --- clips in folders -------------------------------------------------------------------------------------------------


def read_clips(folder: Path) -> list[EvaluationShot]:
    """The clip in a folder, or all clips in its subfolders. See docs/evaluation.md for what is read. Raises BadInput."""
    if (folder / "line").is_dir():
        return [_read_clip(folder)]
    found = [_read_clip(path) for path in sorted(folder.iterdir()) if (path / "line").is_dir()] if folder.is_dir() else []
    if not found:
        raise BadInput(f"There is no clip in {folder}: a clip is a folder with the subfolders 'line' and 'gt'.")
    return found


def _read_clip(folder: Path) -> EvaluationShot:
    true = next((folder / name for name in ("gt", "color") if (folder / name).is_dir()), None)
    if true is None:
        raise BadInput(f"The clip {folder} has no folder 'gt' with the true frames.")
    colors = {path.stem: path for path in list_sketch_files(true)}
    lines = [path for path in list_sketch_files(folder / "line") if path.stem in colors]
    if not lines:
        raise BadInput(f"No picture in {folder / 'line'} has a true frame of the same name in {true}.")
    frames = []
    for path in lines:
        picture, seg = read_picture(colors[path.stem]), folder / "seg" / f"{path.stem}.png"
        frames.append(
            EvaluationFrame(
                path, picture, CLOSING * picture.shape[0] / HEIGHT, _read_region_numbers(seg, picture.shape[:2]) if seg.is_file() else None
            )
        )
    sheets = list_sketch_files(folder / "ref") if (folder / "ref").is_dir() else []
    many = any(len(np.unique(frame.truth)) > 1024 for frame in frames[:2])
    return EvaluationShot(folder.name, folder.name, frames, read_picture(sheets[0]) if sheets else None, {}, painted=many, lined=True)


def read_picture(path: Path) -> np.ndarray:
    """A picture as uint8 (H, W, 4). Raises BadInput."""
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGBA"))
    except (OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"The picture {path} can't be read ({error}): save it as PNG.") from error


def _read_region_numbers(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Region numbers that are written as colors."""
    rgb = read_picture(path)[..., :3].astype(np.int32)
    numbers = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    if numbers.shape != shape:
        raise BadInput(f"The region map {path} has another size than its frame: make it anew.")
    return numbers


def save_picture(path: Path, pixels: np.ndarray) -> Path:
    """Write a picture uint8 (H, W, 3 or 4) as PNG. Raises BadInput."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    if not cv2.imwrite(str(path), cv2.cvtColor(pixels, code), [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise BadInput(f"The picture {path} could not be written: choose another folder.")
    return path
