"""Toon worlds: the same seed draws the same, truths agree with each other, and damage is what was asked for."""

import json
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from lab.cli import main
from lab.synthesis import (
    FAMILIES,
    RELATIONS,
    ToonPlan,
    damage,
    draw_sample,
    draw_scenes,
    label_regions,
    lines,
    make_sketch,
    stage_scene,
    track_pixels,
)
from lab.synthesis.edges import StrokeElements
from lab.synthesis.lines import DrawnLines
from lab.synthesis.palette import TONES
from lab.synthesis.render import RenderedLayers

SMALL = (256, 256)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_draws_the_same_again(family: str):
    plan = ToonPlan(family, SMALL, relation="far", references=1, damage=1.0)
    first, again, other = draw_sample(5, plan), draw_sample(5, plan), draw_sample(6, plan)
    for field in fields(RenderedLayers):
        assert torch.equal(getattr(first.layers, field.name), getattr(again.layers, field.name))
    assert torch.equal(first.lines.paint, again.lines.paint)
    assert torch.equal(first.swatches, again.swatches)
    assert torch.equal(first.gaps, again.gaps)
    assert not torch.equal(first.lines.paint, other.lines.paint)


@pytest.mark.parametrize("together", [2, 5, 100])
def test_drawings_are_the_same_alone_and_among_others(together: int):
    plans = [
        ToonPlan("solid", SMALL, relation="far", references=1, damage=1.0),
        ToonPlan("puppet", SMALL, drawings=5, characters=2, damage=1.0, tones=False),
        ToonPlan("solid", SMALL, drawings=3, characters=2, damage=0.6, tones=True),
        ToonPlan("puppet", (320, 200), relation="mirror"),
        ToonPlan("solid", SMALL, relation="near"),
    ]
    scenes = [stage_scene(seed, plan) for seed, plan in enumerate(plans)]
    for seed, (plan, among) in enumerate(zip(plans, draw_scenes(scenes, together=together), strict=True)):
        alone = draw_sample(seed, plan)
        for kind, truth in ((RenderedLayers, "layers"), (DrawnLines, "lines")):
            for field in fields(kind):
                assert torch.equal(getattr(getattr(alone, truth), field.name), getattr(getattr(among, truth), field.name))
        for name in ("swatch", "swatches", "gaps"):
            assert torch.equal(getattr(alone, name), getattr(among, name))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_drawing_is_damaged_anew(family: str):
    drawn = draw_sample(3, ToonPlan(family, SMALL, relation="near", damage=1.0))
    still = draw_sample(3, ToonPlan(family, SMALL, relation="near", damage=0.0))
    assert not torch.equal(drawn.lines.lines[0], drawn.lines.lines[1])
    assert torch.equal(drawn.layers.part, still.layers.part)  # damage is to the lines alone


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(4))
def test_labels_colors_and_parts_agree(family: str, seed: int):
    drawn = draw_sample(seed, ToonPlan(family, SMALL, relation="far", references=1))
    material = torch.tensor([drawn.materials.index(part.material) for part in drawn.figure.parts])
    assert torch.equal(drawn.swatch.long(), material[drawn.layers.part] * TONES + drawn.layers.tone)
    assert torch.equal(drawn.paint_flats(), drawn.swatches[drawn.swatch])
    assert torch.equal(drawn.layers.part > 0, drawn.layers.prim >= 0)
    assert torch.equal(drawn.paint_flats()[..., 3] == 0, drawn.layers.part == 0)
    opaque = drawn.swatches[TONES:]
    assert (opaque[:, 3] == 255).all()
    assert len(torch.unique(opaque, dim=0)) == len(opaque)  # a swatch is known by its color
    assert (drawn.layers.part > 0).float().mean() > 0.02


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("relation", RELATIONS)
def test_a_point_is_the_same_part_and_swatch_where_it_went(family: str, relation: str):
    drawn = draw_sample(11, ToonPlan(family, SMALL, relation=relation, tones=False))
    xy, visible = track_pixels(drawn, 0, 1)
    assert torch.equal(torch.isnan(xy[..., 0]), drawn.layers.part[0] == 0)
    assert visible.any()
    target = xy[visible].floor().long()
    assert torch.equal(drawn.layers.part[1][target[:, 1], target[:, 0]], drawn.layers.part[0][visible])
    assert torch.equal(drawn.swatch[1][target[:, 1], target[:, 0]], drawn.swatch[0][visible])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_point_comes_back_to_where_it_was(family: str):
    drawn = draw_sample(2, ToonPlan(family, SMALL, relation="near", tones=False))
    there, seen = track_pixels(drawn, 0, 1)
    back, seen_back = track_pixels(drawn, 1, 0)
    row, column = torch.nonzero(seen, as_tuple=True)
    x, y = there[row, column].floor().long().unbind(1)
    known = seen_back[y, x]
    assert known.float().mean() > 0.9
    apart = (back[y, x] - torch.stack([column + 0.5, row + 0.5], 1)).norm(dim=1)[known]
    assert apart.quantile(0.95) < 2.0  # px; half of it is that pixels are looked up whole


@pytest.mark.parametrize("family", FAMILIES)
def test_a_drawing_tracks_onto_itself(family: str):
    drawn = draw_sample(8, ToonPlan(family, SMALL, relation="near"))
    xy, visible = track_pixels(drawn, 1, 1)
    row, column = torch.nonzero(drawn.layers.part[1] > 0, as_tuple=True)
    assert visible[row, column].all()
    assert (xy[row, column] - torch.stack([column + 0.5, row + 0.5], 1)).abs().max() < 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_clean_lines_enclose_what_is_painted(family: str):
    """With clean lines nearly every region of the project's own segmenter is of one swatch."""
    purity, area = [], []
    for seed in (*range(6), 61):  # 61: a fleck between two parts, whose outline is also theirs
        drawn = draw_sample(seed, ToonPlan(family, (512, 512), drawings=1, damage=0.0))
        cut = label_regions(drawn, 0, gap=4.0)
        assert cut.regions.count >= 3
        purity += cut.purity[1:].tolist()
        area += cut.regions.areas[1:].tolist()
    assert np.average(purity, weights=area) > 0.998
    assert np.mean(np.array(purity) > 0.95) > 0.9


def test_trace_lines_bound_tones_and_are_colored():
    for seed in range(10):
        drawn = draw_sample(seed, ToonPlan("solid", SMALL, drawings=1, damage=0.0, tones=True))
        if drawn.lines.traces.any():
            break
    else:
        pytest.fail("no drawing has trace lines")
    paint = drawn.lines.paint[drawn.lines.traces].int()
    assert (paint[:, 2] > paint[:, 1] + 40).any() or (paint[:, 0] > paint[:, 1] + 40).any()
    seen = make_sketch(drawn, 0)
    assert np.array_equal(seen.traces, drawn.lines.traces[0].numpy())


@pytest.mark.parametrize("family", FAMILIES)
def test_faces_change_in_a_shot(family: str):
    """Eyes shut and mouths speak: what is not of a drawing's mood is not in it, and shows in others."""
    changed = 0
    for seed in range(4):
        drawn = draw_sample(seed, ToonPlan(family, SMALL, drawings=20, tones=False))
        figure, mood = drawn.figure, drawn.view.mood
        first = torch.tensor([0, *figure.moods]).cumsum(0)
        for start, stop in zip(first[:-1], first[1:], strict=True):
            assert (mood[:, start:stop].sum(1) == 1).all()
        for index in range(20):
            on = torch.cat([mood[index], torch.ones(1, dtype=torch.bool)])  # -1: always
            seen = set(figure.decal_part[on[figure.decal_mood]].tolist()) | set(figure.part.tolist()) | set(figure.lining.tolist())
            hidden = set(figure.decal_part.tolist()) - seen
            assert not hidden & set(drawn.layers.part[index].unique().tolist())
            changed += bool(hidden & set(drawn.layers.part.unique().tolist()))
    assert changed


def _line(length: int, width: float, **damaged: float):
    """A straight stroke across a picture, drawn by a pen."""
    x = torch.arange(length) + 20.5
    xy = torch.stack([x, torch.full_like(x, 40.5)], 1)
    stroke = torch.zeros(length, dtype=torch.int64)
    one = torch.zeros(1, dtype=torch.int64)
    strokes = StrokeElements(
        xy, torch.tensor([[1.0, 0.0]]).expand(length, 2), stroke, x - x[0], torch.tensor([length - 1.0]), one, one,
        torch.ones((1, 2), dtype=torch.bool), torch.zeros(1, dtype=torch.bool),
    )  # fmt: skip
    pen = replace(damage.make_clean_pens(1, width), **{name: torch.tensor([value]) for name, value in damaged.items()})
    inked = damage.draw_ink(strokes, pen)
    return lines.draw_lines(inked, pen, (length + 40, 80), torch.zeros((1, 3), dtype=torch.uint8)), inked


@pytest.mark.parametrize("width", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("gap", [1.0, 3.0, 7.0, 12.0])
def test_gaps_are_as_wide_as_asked(width: float, gap: float):
    art, inked = _line(3000, width, gaps=25.0, gap_low=gap, gap_high=gap)
    ink = art.lines[0].any(0).numpy()[20:3020]
    change = np.flatnonzero(np.diff(ink.astype(int)))
    blanks = [int(b - a) for a, b in zip(change[:-1], change[1:], strict=True) if not ink[a + 1]]
    assert len(inked.gaps) > 8
    assert len(blanks) > 8
    assert np.median(blanks) == pytest.approx(gap, abs=1.01)
    assert torch.all(inked.gaps[:, 3] == gap)


@pytest.mark.parametrize("width", [1.0, 2.0, 3.0, 5.0])
def test_lines_are_as_wide_as_asked(width: float):
    art, _ = _line(300, width)
    column = art.paint[0, :, 100:220, 3].float().sum(0) / 255
    assert column.mean() == pytest.approx(width, abs=0.35)
    assert art.lines[0, :, 20:320].any(0).all()


def test_aliased_lines_have_no_gray():
    art, _ = _line(300, 2.4, smooth=0.0)
    assert set(art.paint[..., 3].unique().tolist()) == {0, 255}


def test_blots_fall_beside_lines():
    art, _ = _line(3000, 2.0, blots=12.0, blot=9.0)
    clean, _ = _line(3000, 2.0)
    count, _, stats, _ = cv2.connectedComponentsWithStats((art.lines & ~clean.lines)[0].numpy().astype(np.uint8))
    assert 3 <= count - 1 <= 30
    assert (stats[1:, cv2.CC_STAT_WIDTH] <= 10).all()
    assert (stats[1:, cv2.CC_STAT_WIDTH] >= 3).any()


def test_compression_rings_around_lines_and_keeps_them():
    art, _ = _line(300, 2.6, jpeg=1.0)
    clean, _ = _line(300, 2.6)
    away = cv2.distanceTransform((~clean.lines[0]).numpy().astype(np.uint8), cv2.DIST_L2, 5)
    faint = art.paint[0, ..., 3].numpy()[away > 2]
    assert faint.max() > 0
    assert faint.max() < 128
    assert (art.lines & clean.lines).sum() > 0.95 * (art.lines | clean.lines).sum()


def test_tapered_lines_run_out():
    art, _ = _line(300, 5.0, taper=60.0)
    column = art.paint[0, ..., 3].float().sum(0) / 255
    assert column[24] < 3.5 < column[170]


@pytest.mark.parametrize("size", [(360, 360), (640, 360), (1080, 1080)])
def test_sizes(size: tuple[int, int]):
    drawn = draw_sample(1, ToonPlan("solid", size, drawings=1))
    assert drawn.lines.lines.shape == (1, size[1], size[0])
    assert drawn.plate.shape == (size[1], size[0], 3)


def test_several_characters_do_not_share_parts():
    drawn = draw_sample(4, ToonPlan("solid", SMALL, drawings=2, characters=3))
    names = [part.name for part in drawn.figure.parts]
    assert names.count("top") >= 2 or names.count("face") >= 2
    assert draw_sample(4, ToonPlan("puppet", SMALL, characters=2)).layers.part.any()


def test_a_shot_moves_in_small_steps():
    drawn = draw_sample(7, ToonPlan("solid", SMALL, drawings=6, references=2))
    assert drawn.shot == 6
    assert len(drawn.swatch) == 8
    steps = [track_pixels(drawn, index, index + 1) for index in range(5)]
    here = torch.stack(torch.meshgrid(torch.arange(256) + 0.5, torch.arange(256) + 0.5, indexing="xy"), 2)
    assert all((xy - here)[seen].norm(dim=1).median() < 30 for xy, seen in steps)
    assert all(seen.sum() > 0.5 * (drawn.layers.part[index] > 0).sum() for index, (_, seen) in enumerate(steps))


def test_the_command_writes_samples(tmp_path: Path, capsys: pytest.CaptureFixture):
    arguments = ["synth", "--family", "puppet", "--count", "2", "--out", str(tmp_path / "worlds"), "--size", "128", "--seed", "5"]
    assert main(arguments) == 0
    assert "000006" in capsys.readouterr().out
    for folder in (tmp_path / "worlds" / "000005", tmp_path / "worlds" / "000006"):
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        count = len(meta["shot"]) + len(meta["references"])
        with np.load(folder / "truth.npz", allow_pickle=False) as truth:
            for index in range(count):
                color = np.asarray(Image.open(folder / f"color_{index:02d}.png"))
                assert np.array_equal(color, truth["swatches"][truth["swatch"][index]])
                assert np.array_equal(truth[f"regions_{index:02d}"] == 0, truth["lines"][index])
                assert np.asarray(Image.open(folder / f"lines_{index:02d}.png")).shape == (128, 128, 4)
            assert truth["to_first"].shape == (count, 128, 128, 2)


@pytest.mark.parametrize("wrong", [["--family", "oil"], ["--size", "9"], ["--count", "-1"]])
def test_the_command_refuses(tmp_path: Path, wrong: list[str]):
    given = {"--family": "solid", "--count": "1", "--out": str(tmp_path / "out"), "--size": "128"} | {wrong[0]: wrong[1]}
    with_exit = ["synth", *(text for pair in given.items() for text in pair)]
    if wrong[0] == "--family":
        with pytest.raises(SystemExit) as error:
            main(with_exit)
        assert error.value.code == 2
    else:
        assert main(with_exit) == 2
    assert not (tmp_path / "out").exists()


def test_references_alone_are_those_of_the_sample():
    plan = ToonPlan("puppet", (160, 160), drawings=2, references=1)
    whole, alone = draw_sample(5, plan), draw_scenes([stage_scene(5, plan).select_references()])[0]
    assert alone.shot == 0 and torch.equal(alone.paint_pictures(), whole.paint_pictures()[2:])
