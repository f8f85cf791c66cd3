"""Special jobs of LVCD, with tiny random weights: streamed, killed and resumed, redrawn, with several keys, corrected."""

import shutil
from dataclasses import replace

import anidoc_shots
import numpy as np
import pytest
import tiny_lvcd
import torch
from lvcd_shots import PAINT, job, places
from PIL import Image, ImageDraw
from tiny_jobs import killed_at

from engine import job as jobs
from engine.cli.colorize_job import build_colorize_job
from engine.job import Hint
from engine.job.messages import Done, FrameDone, Progress, Warned
from engine.models.lvcd import pipeline, plan
from engine.models.lvcd.pipeline import SCHEME
from engine.worker.run import execute_job

STEPS = 5  # of the preset `draft`


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_lvcd.make(tmp_path_factory.mktemp("weights"))


def run_job(folder):
    events = []
    end = execute_job(folder, events.append)
    assert isinstance(end, Done), end
    return events


def pixels(folder):
    return {path.name: np.asarray(Image.open(path)) for path in sorted((folder / "frames").iterdir())}


def calls(events):
    return sum(isinstance(event, Progress) and event.stage == "Denoising" for event in events)


def made(events):
    """The frames that were made now."""
    return [event.frame for event in events if isinstance(event, FrameDone) and not event.reused]


# --- segments -----------------------------------------------------------------------------------------------------


def test_segments_stream_out_as_they_finish(tmp_path, weights):
    events = run_job(job(tmp_path, weights, places(25, step=1)))
    assert calls(events) == 2 * STEPS
    halfway = [event for event in events if isinstance(event, FrameDone) or (isinstance(event, Progress) and event.stage == "Denoising")]
    second = [i for i, event in enumerate(halfway) if isinstance(event, Progress)][STEPS]
    assert sum(isinstance(event, FrameDone) for event in halfway[:second]) == 10, "those whose neighbors in decoding are all there"


def test_a_killed_job_goes_on_at_its_segment_and_ends_the_same(tmp_path, weights):
    shot = {"places": places(25, step=1), "options": {"preset": "fast", "snap": False}}
    whole, killed = (job(tmp_path / name, weights, **shot) for name in ("whole", "killed"))
    assert calls(run_job(whole)) == 20
    killed_at(killed, "Denoising", 13)
    assert 0 < len(list((killed / "frames").glob("*.png"))) < 25, "it was killed in the middle"
    assert calls(run_job(killed)) == 10, "the first segment stays"
    expected, again = pixels(whole), pixels(killed)
    assert all((expected[name] == again[name]).all() for name in expected)


def test_a_redrawn_drawing_lets_stand_what_comes_before_it(tmp_path, weights):
    folder = job(tmp_path, weights, places(25, step=1), options={"snap": False})
    run_job(folder)
    image = Image.open(tmp_path / "in/020.png")
    ImageDraw.Draw(image).line((50, 80, 70, 80), "black", 2)
    image.save(tmp_path / "in/020.png")
    build_colorize_job(tmp_path / "in", [tmp_path / "key0.png"], folder, "lvcd", options=dict(jobs.load_job(folder).options))
    events = run_job(folder)
    assert calls(events) == STEPS, "one segment of two"
    assert made(events) == list(range(10, 25))


def test_another_way_of_painting_takes_no_denoising(tmp_path, weights):
    folder = job(tmp_path, weights)
    run_job(folder)
    before = pixels(folder)
    request = jobs.load_job(folder)
    jobs.save_job(replace(request, options={**request.options, "snap": False, "lines": False}), folder)
    assert calls(run_job(folder)) == 0
    assert all((before[name] != frame).any() for name, frame in pixels(folder).items())


# --- keys ---------------------------------------------------------------------------------------------------------

OTHER = {"head": (30, 160, 60), "body": (240, 210, 90)}


def recolored(path, x, paint, monkeypatch):
    monkeypatch.setattr(anidoc_shots, "PAINT", paint)
    anidoc_shots.picture(path, x, painted=True)


def test_a_redrawn_key_runs_only_the_segments_that_it_touches(tmp_path, weights, monkeypatch):
    shown = places(36, step=2)
    folder = job(tmp_path, weights, shown, keys=(0, 35), options={"snap": False})
    assert calls(run_job(folder)) == 3 * STEPS, "two from the first key, one from the last, and these meet"
    first = pixels(folder)
    for name, x in (("0000.png", shown[0]), ("0035.png", shown[35])):
        assert tuple(first[name][80, x, :3]) == PAINT["body"], "both keys stay as they are"
    recolored(tmp_path / "key35.png", shown[35], OTHER, monkeypatch)
    build_colorize_job(
        tmp_path / "in", [tmp_path / "key0.png", tmp_path / "key35.png"], folder, "lvcd", options=dict(jobs.load_job(folder).options)
    )
    assert calls(run_job(folder)) == 2 * STEPS, "the first segment of the first key stays"
    again = pixels(folder)
    assert tuple(again["0035.png"][80, shown[35], :3]) == OTHER["body"]
    assert (first["0033.png"] != again["0033.png"]).any()


@pytest.mark.parametrize("count", [3, 5, 15, 16, 30, 36, 60])
def test_ways_from_two_keys_meet(count):
    """The output of every segment is its key's color, 0 or 1: between the keys the colors cross over evenly."""
    (stretch,) = plan.plan_stretches(count, [0, count - 1], SCHEME.overlap)
    (one, other), ties = stretch.ways, stretch.ties
    assert one.frames + other.frames == count
    noise = torch.randn(19, 4, 2, 2)
    parts = [pipeline.SegmentTask(noise, lambda noisy, sigma, key=key: torch.full_like(noisy, float(key)), None) for key in (0, 1)]
    first, second = pipeline.denoise_segments(parts, torch.tensor([20.0, 5.0, 0.0]), SCHEME, ties)
    colors = []
    for way, done, end in ((one, first, 0.0), (other, second, 1.0)):
        start = pipeline.split_segments(len(way.order))[way.segments - 1].start
        latents = [done.latents[5 + local - start].mean().item() if local >= start else end for local in range(1, way.frames)]
        colors += latents if end == 0.0 else latents[::-1]
    shares = np.array([0.0, *colors, 1.0])
    assert len(shares) == count and (np.diff(shares) >= -1e-6).all()
    assert np.diff(shares).max() <= 1 / (len(ties) + 1) + 1e-6


def test_every_drawing_has_one_place():
    for keys in ([0], [5], [19], [0, 19], [3, 4, 11], [0, 1, 18, 19], list(range(20))):
        painted = [way.order[local] for s in plan.plan_stretches(20, keys, 4) for way in s.ways for local in range(1, way.frames)]
        assert sorted([*painted, *keys]) == list(range(20))


def test_a_key_that_fits_no_drawing_is_reported_and_left_out(tmp_path, weights):
    folder = job(tmp_path, weights)
    far = anidoc_shots.picture(tmp_path / "far.png", 110, painted=True)
    build_colorize_job(tmp_path / "in", [tmp_path / "key0.png", far], folder, "lvcd", options=dict(jobs.load_job(folder).options))
    events = run_job(folder)
    assert any("far.png" in event.text and "% do." in event.text for event in events if isinstance(event, Warned))


def test_the_first_drawing_may_come_from_flats(tmp_path, weights):
    """Flats colors the first drawing from a sheet in another pose, and LVCD colors the shot from that drawing."""
    shown = places(4, step=5)
    folder = job(tmp_path, weights, shown)
    sheet = anidoc_shots.picture(tmp_path / "sheet.png", 80, painted=True)
    (tmp_path / "first").mkdir()
    shutil.copy(tmp_path / "in/000.png", tmp_path / "first")
    build_colorize_job(tmp_path / "first", [sheet], tmp_path / "flats", "flats")
    run_job(tmp_path / "flats")
    build_colorize_job(tmp_path / "in", [tmp_path / "flats/frames/0000.png"], folder, "lvcd", options=dict(jobs.load_job(folder).options))
    events = run_job(folder)
    assert not any(" lie on " in event.text for event in events if isinstance(event, Warned))
    assert tuple(pixels(folder)["0000.png"][80, shown[0], :3]) == PAINT["body"]


# --- corrections --------------------------------------------------------------------------------------------------


def test_corrections_apply_to_the_whole_shot_without_denoising(tmp_path, weights):
    shown = (50, 54, 58)
    folder = job(tmp_path, weights, shown)
    run_job(folder)
    jobs.save_job(replace(jobs.load_job(folder), hints=(Hint(0, (50, 38), "#20a040"),)), folder)
    assert calls(run_job(folder)) == 0
    assert [tuple(frame[38, x]) for frame, x in zip(pixels(folder).values(), shown, strict=True)] == [(32, 160, 64, 255)] * 3
    for drawing in jobs.load_job(folder).drawings:
        with np.load(folder / f"regions/{drawing.id}.npz", allow_pickle=False) as regions:
            assert regions["labels"].shape == (120, 160) and regions["swatch"][1:].min() >= 0
