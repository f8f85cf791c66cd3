"""Special jobs of AniDoc, with tiny random weights: killed and resumed, corrected, between keys, out of memory."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import tiny_anidoc
from anidoc_shots import PAINT, job, picture
from PIL import Image, ImageDraw
from tiny_jobs import call_engine, killed_at, result

from engine import job as jobs
from engine import models
from engine.cli import inbetween_job as keyed
from engine.cli.colorize_job import build_colorize_job
from engine.diffusion import memory
from engine.host import weights_store as store
from engine.host.client import EngineClient
from engine.job import FramePoint, Hint, timing
from engine.job.errors import BadInput
from engine.job.messages import Done, Failed, Progress, Warned
from engine.models.anidoc import correspondence, pipeline
from engine.worker.run import execute_job


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_anidoc.make(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def sparse(tmp_path_factory):
    return tiny_anidoc.make(tmp_path_factory.mktemp("sparse"), sparse=True)


def run_job(folder):
    events = []
    return execute_job(folder, events.append), events


def pixels(folder):
    return {path.name: np.asarray(Image.open(path)) for path in sorted((folder / "frames").iterdir())}


def stages(events):
    return [event.stage for event in events if isinstance(event, Progress)]


# --- killed -------------------------------------------------------------------------------------------------------


def test_a_killed_job_goes_on_and_ends_the_same(tmp_path, weights):
    shot = {"places": tuple(range(40, 46)), "options": {"preset": "fast", "window": 4, "overlap": 2, "snap": False}}
    whole, killed = (job(tmp_path / name, weights, **shot) for name in ("whole", "killed"))
    assert isinstance(run_job(whole)[0], Done)
    before = killed_at(killed, "Denoising", 9)
    assert not list((killed / "frames").glob("*.png")), "it was killed in the middle"
    end, events = run_job(killed)
    assert isinstance(end, Done), end
    calls = stages(events).count("Denoising")
    assert 0 < calls <= 20 - before + 1, "ten steps of two windows, and no call is made twice but the last"
    expected, made = pixels(whole), pixels(killed)
    assert all((expected[name] == made[name]).all() for name in expected)


def test_another_way_of_painting_takes_no_denoising(tmp_path, weights):
    folder = job(tmp_path, weights)
    run_job(folder)
    request = jobs.load_job(folder)
    jobs.save_job(replace(request, options={**request.options, "snap": False, "lines": False}), folder)
    before = pixels(folder)
    end, events = run_job(folder)
    assert isinstance(end, Done) and "Denoising" not in stages(events)
    assert all((before[name] != made).any() for name, made in pixels(folder).items())


def test_frames_are_decoded_as_the_job_was_begun_and_nothing_is_encoded_again(tmp_path, weights, monkeypatch):
    """With less memory fewer frames are decoded at once, which affects pixels. A later run needs only the cached latents."""
    folder = job(tmp_path, weights, tuple(range(40, 46)), options={"snap": False})
    room = memory.plan_memory
    with monkeypatch.context() as little:
        little.setattr(memory, "plan_memory", lambda *given: replace(room(*given), chunk=2))
        assert isinstance(run_job(folder)[0], Done)
    before = pixels(folder)
    shutil.rmtree(folder / "frames")
    monkeypatch.setattr(pipeline, "encode_token", None)
    end, events = run_job(folder)
    assert isinstance(end, Done) and "Denoising" not in stages(events), end
    assert all((before[name] == made).all() for name, made in pixels(folder).items())


# --- corrected ----------------------------------------------------------------------------------------------------

GREEN = "#20a040"


def solved(folder, *hints):
    jobs.save_job(replace(jobs.load_job(folder), hints=hints), folder)
    end, events = run_job(folder)
    assert isinstance(end, Done), end
    return pixels(folder), events


def test_regions_are_written_and_corrections_apply_to_the_whole_shot(tmp_path, weights):
    places = (50, 54, 58)
    folder = job(tmp_path, weights, places)
    run_job(folder)
    for drawing in jobs.load_job(folder).drawings:
        with np.load(folder / f"regions/{drawing.id}.npz", allow_pickle=False) as regions:
            assert regions["labels"].shape == (120, 160) and regions["labels"].max() == len(regions["swatch"]) - 1
            assert regions["swatch"][1:].min() >= 0 and set(map(tuple, regions["swatches"][:, :3].tolist())) >= set(PAINT.values())
            assert regions["leaks"].shape[1] == 3 and regions["closures"].shape[1] == 4
    run_job(folder)  # nothing changes, and the cache is kept
    made, events = solved(folder, Hint(0, (50, 38), GREEN))
    assert "Denoising" not in stages(events) and "Loading the model" not in stages(events)[1:]
    assert [tuple(frame[38, x]) for frame, x in zip(made.values(), places, strict=True)] == [(32, 160, 64, 255)] * 3
    made, _ = solved(folder, Hint(0, (50, 38), GREEN), Hint(0, (50, 80), None))
    assert all(frame[80, x, 3] == 0 for frame, x in zip(made.values(), places, strict=True))
    made, _ = solved(folder, Hint(0, (50, 38), GREEN), Hint(2, (58, 80), same_as=FramePoint(0, (50, 38))))
    assert all(tuple(frame[80, x]) == (32, 160, 64, 255) for frame, x in zip(made.values(), places, strict=True))
    _, events = solved(folder, Hint(9, (1, 1), GREEN), Hint(0, (900, 1), GREEN), Hint(0, (2, 2), GREEN))
    assert sum("has no effect" in event.text for event in events if isinstance(event, Warned)) == 3


def test_a_chain_of_regions_that_are_to_be_alike_ends_in_one_color(tmp_path, weights):
    """Two drawings of boxes: the first is corrected to be like the second, the second like the third, and the third to a color."""
    folder = job(tmp_path, weights, (50,))
    head, body = (50, 38), (50, 80)
    made, _ = solved(folder, Hint(0, head, None, FramePoint(0, body)), Hint(0, body, GREEN))
    assert all(tuple(made["0000.png"][y, x]) == (32, 160, 64, 255) for x, y in (head, body))
    with Image.open(tmp_path / "in/000.png") as image:
        pen = ImageDraw.Draw(image)
        pen.rectangle((110, 30, 150, 90), None, "black", 2)
        image.save(tmp_path / "in/000.png")
    build_colorize_job(tmp_path / "in", [tmp_path / "reference.png"], tmp_path / "three", "anidoc", options=jobs.load_job(folder).options)
    box = (130, 60)
    hints = Hint(0, head, None, FramePoint(0, body)), Hint(0, body, None, FramePoint(0, box)), Hint(0, box, GREEN)
    made, _ = solved(tmp_path / "three", *hints)
    assert all(tuple(made["0000.png"][y, x]) == (32, 160, 64, 255) for x, y in (head, body, box))


def test_a_correction_repaints_the_drawings_alone_that_it_changes(tmp_path, weights):
    folder = job(tmp_path, weights)
    with Image.open(tmp_path / "in/002.png") as image:
        pen = ImageDraw.Draw(image)
        pen.rectangle((120, 5, 155, 30), None, "black", 2)  # something that the other drawings lack
        image.save(tmp_path / "in/002.png")
    folder = tmp_path / "three"
    build_colorize_job(tmp_path / "in", [tmp_path / "reference.png"], folder, "anidoc", options=jobs.load_job(tmp_path / "job").options)
    made, _ = solved(folder)
    there = bytes(made["0000.png"][38, 50, :3].tolist()).hex()
    for hints, changed in (
        ((Hint(2, (137, 17), GREEN),), [False, False, True]),
        ((), [False, False, True]),
        ((Hint(0, (50, 38), f"#{there}"),), [False, False, False]),  # what is there already
    ):
        solved(folder, *hints)
        assert [not picture["reused"] for picture in result(folder)["pictures"]] == changed, hints


# --- between keys -------------------------------------------------------------------------------------------------


def between(tmp_path, weights, count, references=()):
    """A job folder between two keys, painted ones if there is no reference."""
    keys = tuple(picture(tmp_path / f"{x}.png", x, painted=not references) for x in (50, 80))
    chosen = {"side": 64, "preset": "draft", "lines": False, "weights": str(weights)}
    keyed.build_inbetween_job({0: keys[0], count + 1: keys[1]}, count, references, tmp_path / "out", "anidoc", options=chosen)
    return tmp_path / "out"


def test_drawings_between_painted_keys(tmp_path, sparse):
    first, last = (picture(tmp_path / f"{x}.png", x, painted=True) for x in (50, 80))
    common = ("--model", "anidoc", "--side", "64", "--preset", "draft", "--weights", sparse, "--out", tmp_path / "out")
    assert call_engine("inbetween", *common, "--first", first, "--last", last, "--count", "5") == 0
    made = pixels(tmp_path / "out")
    assert list(made) == [f"{i:04d}.png" for i in range(7)]
    for name, key in (("0000.png", first), ("0006.png", last)):
        assert (made[name] == np.asarray(Image.open(key))).all(), "keys are returned as given"
    assert all(made[f"{i:04d}.png"].shape == (120, 160, 4) for i in range(1, 6))
    assert not list((tmp_path / "out").glob("regions/*"))


def test_drawings_between_keys_of_line_art(tmp_path, sparse):
    reference = picture(tmp_path / "sheet.png", 80, painted=True)
    folder = between(tmp_path, sparse, 1, [reference])
    end, _ = run_job(folder)
    assert isinstance(end, Done), end
    first = pixels(folder)["0000.png"]
    assert set(map(tuple, first[first[..., 3] == 255][:, :3].tolist())) <= set(PAINT.values())


def test_each_pair_of_keys_is_a_window_and_points_keep_the_timing(tmp_path, sparse, monkeypatch):
    spans = []
    real = correspondence.straighten_tracks
    monkeypatch.setattr(correspondence, "straighten_tracks", lambda tracks, places: spans.append(list(places)) or real(tracks, places))
    keys = {number: picture(tmp_path / f"{x}.png", x, painted=True) for number, x in ((0, 50), (3, 70), (5, 90))}
    chosen = {"side": 64, "preset": "draft", "lines": False, "weights": str(sparse)}
    keyed.build_inbetween_job(keys, 4, [], tmp_path / "out", "anidoc", options=chosen, easing="in")
    end, _ = run_job(tmp_path / "out")
    assert isinstance(end, Done), end
    assert spans == [
        pytest.approx([0, timing.ease_place(1 / 3, "in"), timing.ease_place(2 / 3, "in"), 1]),
        pytest.approx([0, timing.ease_place(0.5, "in"), 1]),
    ]
    made = pixels(tmp_path / "out")
    assert all((made[f"{number:04d}.png"] == np.asarray(Image.open(key))).all() for number, key in keys.items())


def test_a_loop_is_refused_in_a_sentence(tmp_path, sparse):
    first = picture(tmp_path / "50.png", 50, painted=True)
    keyed.build_inbetween_job({0: first, 3: first}, 2, [], tmp_path / "out", "anidoc", options={"weights": str(sparse)})
    end, _ = run_job(tmp_path / "out")
    assert isinstance(end, Failed) and end.kind == BadInput.kind and "two keys that differ" in end.text


def test_what_can_not_lie_between(tmp_path, weights, sparse, monkeypatch):
    monkeypatch.setenv(store.WEIGHTS_VARIABLE, str(tmp_path))
    for given, count, message in (
        ("", 3, "No weights were published"),
        (weights, 3, "No weights were published"),
        (sparse, 95, "94 drawings"),
    ):
        end, _ = run_job(between(tmp_path, given, count))
        assert isinstance(end, Failed) and end.kind == BadInput.kind and message in end.text
    with pytest.raises(BadInput, match="1 to 999"):
        between(tmp_path, sparse, 0)


def test_sparse_weights_color_no_drawings(tmp_path, sparse):
    end, _ = run_job(job(tmp_path, sparse))
    assert isinstance(end, Failed) and "sparse stage" in end.text


def test_keys_are_at_both_ends(tmp_path):
    drawing = jobs.Drawing("a", 0, "between", "strokes/a.npz")
    key = jobs.Drawing("b", 0, "painted", "reference/b.png")
    request = jobs.Job(
        "inbetween", "anidoc", (64, 64), (jobs.Cel("c", ()),), (drawing, key), (jobs.Exposure(1, 1, ("b",)), jobs.Exposure(2, 1, ("a",)))
    )
    with pytest.raises(BadInput, match="key at both ends"):
        jobs.validate_job(request)
    with pytest.raises(BadInput, match="Only the task inbetween"):
        jobs.validate_job(replace(request, task="colorize"))
    assert "inbetween" in models.info("anidoc").tasks and "published" in models.info("anidoc").notes["inbetween"]


# --- out of memory ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process's memory")
def test_out_of_memory_fails_the_job_alone_and_says_what_helps(tmp_path, weights):
    """A real worker whose address space is limited once it has loaded its libraries."""
    import resource

    small = job(tmp_path / "small", weights)
    large = job(tmp_path / "large", weights, options={"side": 448, "snap": False})
    worker = EngineClient(Path(sys.executable), tmp_path)

    def outcome(folder):
        worker.submit(folder, "")
        return worker.wait(folder, lambda event: None)

    def number():
        return next(child.pid for child in psutil.Process().children() if "serve" in child.cmdline())

    try:
        assert outcome(small).state == "done"
        pid = number()
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        used = int(status.partition("VmSize:")[2].split()[0]) << 10
        resource.prlimit(pid, resource.RLIMIT_AS, (used + (200 << 20), resource.RLIM_INFINITY))
        outcomes = [outcome(large)]
        while outcomes[-1].state == "failed" and len(outcomes) < 4:
            assert "set Longer Side to" in outcomes[-1].text, outcomes[-1]
            side = int(outcomes[-1].text.partition("Longer Side to ")[2].split()[0])
            request = jobs.load_job(large)
            jobs.save_job(replace(request, options={**request.options, "side": side}), large)
            outcomes.append(outcome(large))
        assert len(outcomes) > 1 and outcomes[-1].state == "done", outcomes[-1]
        assert number() == pid, "the worker has survived"
    finally:
        worker.close()
