"""The demo's figure, before Blender sees it: its lines enclose what they should."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from demo import drawings, ink, pose
from demo.palette import INK, TRACE, parse_rgb
from engine.drawing.regions import segment_regions
from engine.drawing.sketch.raster import rasterize_strokes
from engine.drawing.sketch.strokes import Strokes

POSES = dict(enumerate(pose.list_poses(), 1))


def sketch(lines):
    colors = [np.tile(np.uint8([*parse_rgb(TRACE.get(s.trace, INK)), 255]), (len(s.points), 1)) for s in lines]
    return rasterize_strokes(
        Strokes(
            points=np.concatenate([s.points for s in lines]).astype(np.float32),
            widths=np.concatenate([s.widths for s in lines]).astype(np.float32),
            colors=np.concatenate(colors),
            offsets=np.cumsum([0, *(len(s.points) for s in lines)]).astype(np.int32),
            cyclic=np.zeros(len(lines), bool),
        ),
        drawings.SIZE,
    )


def mixed(regions, truth) -> list[int]:
    """The regions that hold more than one color, but for slivers along a line."""
    codes = truth.view("<u4")[..., 0]
    found = []
    for region in range(1, regions.count + 1):
        x, y, w, h = regions.boxes[region]
        inside = regions.labels[y : y + h, x : x + w] == region
        counts = np.sort(np.unique(codes[y : y + h, x : x + w][inside], return_counts=True)[1])
        if counts[:-1].sum() > max(20, 0.05 * counts[-1]):
            found.append(region)
    return found


@pytest.mark.parametrize("number", [1, 3, 7, 9, 11, 16, 18, 21])
def test_whole_lines_enclose_one_color_each(number):
    drawing = drawings.draw_pose(number, POSES[number])
    regions = segment_regions(sketch(drawing.whole), 0.0)
    assert regions.count >= 60
    assert mixed(regions, ink.paint_flats(drawing.parts, drawings.SIZE)) == []


def test_gaps_let_paint_through():
    drawing = drawings.draw_pose(1, POSES[1])
    assert len(drawing.gaps) == ink.GAPS
    assert mixed(segment_regions(sketch(drawing.lines), 0.0), ink.paint_flats(drawing.parts, drawings.SIZE))


def test_an_arm_hides_what_is_behind_it():
    drawing = drawings.draw_pose(12, POSES[12])
    arm = next(p for p in drawing.parts if p.name == "arm a").polygon
    hidden = [s for s in drawing.whole if s.part in {"bow a", "bow b", "shirt", "collar a", "collar b"}]
    assert hidden
    middle = arm.mean(0) + 0.97 * (arm - arm.mean(0))
    near = np.concatenate([s.points for s in hidden])
    assert not (ink.find_inside(near, arm) & ~on_border(near, arm)).any()
    assert ink.find_inside(middle, arm).any()


def on_border(points, polygon):
    return np.hypot(*(points[:, None] - polygon[None]).transpose(2, 0, 1)).min(1) < 2


def test_a_drawing_is_the_same_in_every_run():
    program = (
        "import hashlib, numpy; from demo import drawings, pose; d = drawings.draw_pose(5, pose.list_poses()[4]);"
        "print(hashlib.sha256(b''.join(numpy.round(s.points, 6).tobytes() for s in d.lines)).hexdigest())"
    )
    root = Path(__file__).resolve().parents[2]
    runs = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=root, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
