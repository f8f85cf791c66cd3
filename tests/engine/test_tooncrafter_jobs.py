"""ToonCrafter's jobs with tiny random weights: what they make, what the next run reuses, and everything that can be wrong with one."""

import os
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tiny_tooncrafter
from anidoc_shots import PAINT, picture
from PIL import Image
from tiny_jobs import call_engine, killed_at

from engine import job as jobs
from engine import models
from engine.cli import inbetween_job as keys
from engine.host import weights_store as store
from engine.job.errors import BadInput, JobFailed
from engine.job.messages import Cancelled, Done, Failed, Progress, Warned
from engine.worker.run import execute_job

SIZE = (160, 120)
WHITE = (255, 255, 255, 255)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_tooncrafter.make(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def shot(tmp_path, weights):
    """Makes a job folder: keys by number at these places, sketches likewise."""

    def make(places, count, sketches=None, options=(), name="job", background=None, references=(), **given):
        painted = not references
        files = {n: picture(tmp_path / f"{name}/{n}_{x}.png", x, painted, SIZE, background) for n, x in places.items()}
        lines = {n: picture(tmp_path / f"{name}/sketch_{n}.png", x, False, SIZE) for n, x in (sketches or {}).items()}
        chosen = {"weights": str(weights), "side": 64, "steps": 1, "passes": "one"} | dict(options)
        keys.build_inbetween_job(files, count, references, tmp_path / name / "out", "tooncrafter", options=chosen, sketches=lines, **given)
        return tmp_path / name / "out"

    return make


def run_job(folder, should_cancel=lambda: False):
    events = []
    return execute_job(folder, events.append, should_cancel), events


def done(folder):
    end, events = run_job(folder)
    assert isinstance(end, Done), end
    return pixels(folder), events


def pixels(folder):
    return {int(path.stem): np.asarray(Image.open(path)) for path in sorted((folder / "frames").iterdir())}


def stages(events):
    return [event.stage for event in events if isinstance(event, Progress)]


def warnings(events):
    return [event.text for event in events if isinstance(event, Warned)]


def failure(folder, kind=BadInput.kind):
    end, _ = run_job(folder)
    assert isinstance(end, Failed) and end.kind == kind, end
    assert len(end.text.splitlines()) == 1 and end.text.endswith(".")
    return end.text


def changed(folder, **options):
    request = jobs.load_job(folder)
    jobs.save_job(replace(request, options={**request.options, **options}), folder)


def same(one, other):
    return one.keys() == other.keys() and all((one[frame] == other[frame]).all() for frame in one)


# --- what is made -------------------------------------------------------------------------------------------------


def test_keys_are_as_given_and_what_lies_between_is_made(shot, tmp_path):
    folder = shot({0: 50, 4: 80}, 3)
    made, events = done(folder)
    assert list(made) == [0, 1, 2, 3, 4]
    for frame, x in ((0, 50), (4, 80)):
        assert (made[frame] == np.asarray(Image.open(tmp_path / f"job/{frame}_{x}.png"))).all()
    assert all(made[frame].shape == (120, 160, 4) for frame in made)
    assert not (made[1] == made[2]).all() and not (made[2] == made[3]).all()
    assert warnings(events) == [tiny_tooncrafter.NOTE] and "Denoising" in stages(events)


def test_nothing_is_made_twice(shot):
    folder = shot({0: 50, 4: 80}, 3)
    made, _ = done(folder)
    times = {path: path.stat().st_mtime_ns for path in (folder / "frames").iterdir()}
    again, events = done(folder)
    assert same(made, again) and "Denoising" not in stages(events)
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_the_seed_and_the_options_decide(shot):
    folder = shot({0: 50, 2: 80}, 1)
    made, _ = done(folder)
    shutil.rmtree(folder / "frames")
    shutil.rmtree(folder / "cache")
    assert same(done(folder)[0], made)
    for option in ({"prompt": "歩く", "guidance": 1.0}, {"fps": 24}):
        changed(folder, **option)
        other, events = done(folder)
        assert not (other[1] == made[1]).all() and "Denoising" in stages(events), option
        made = other


def test_another_way_of_decoding_takes_no_denoising(shot):
    folder = shot({0: 50, 8: 80}, 7, options={"passes": "two"})
    before, _ = done(folder)
    changed(folder, passes="one")
    made, events = done(folder)
    assert "Denoising" not in stages(events)
    differ = [frame for frame in made if not (made[frame] == before[frame]).all()]
    assert differ == [4], "the second pass is for the two frames in the middle, of which one is kept"
    changed(folder, passes="one", contrast=True)
    more, events = done(folder)
    assert "Denoising" not in stages(events) and not (more[2] == made[2]).all()


def test_a_changed_key_makes_only_what_lies_beside_it_anew(shot):
    places = {0: 50, 2: 60, 4: 70, 6: 80}
    made, _ = done(shot(places, 5, background=WHITE))
    folder = shot(places | {6: 90}, 5, background=WHITE)  # into the same folder
    other, events = done(folder)
    assert [frame for frame in other if not (made[frame] == other[frame]).all()] == [5, 6]
    assert stages(events).count("Denoising") == 1, "the step of one clip"


def test_neighboring_clips_begin_with_the_same_noise_at_their_key(shot, tmp_path):
    """And every frame is the key itself or decoded with it."""
    made, _ = done(shot({0: 50, 3: 60, 6: 80}, 5))
    assert list(made) == list(range(7))
    for frame, x in ((0, 50), (3, 60), (6, 80)):
        assert (made[frame] == np.asarray(Image.open(tmp_path / f"job/{frame}_{x}.png"))).all()


def test_more_than_fourteen_are_made_between_drawings_that_are_made(shot):
    folder = shot({0: 50, 19: 80}, 18, options={"steps": 1})
    made, events = done(folder)
    assert list(made) == list(range(20)) and stages(events).count("Denoising") == 3
    assert any("More than fourteen" in text for text in warnings(events))
    assert len({frame.tobytes() for frame in made.values()}) == 20


def test_a_loop(shot):
    made, _ = done(shot({0: 50, 4: 50}, 3))
    assert list(made) == [0, 1, 2, 3], "the last key is the first again"


def test_the_command_of_the_shell(tmp_path, weights):
    """With a key in the middle and a sketch."""
    first, middle, last = (picture(tmp_path / f"{x}.png", x, painted=True) for x in (50, 60, 80))
    sketch = picture(tmp_path / "sketch.png", 72)
    common = ("--model", "tooncrafter", "--side", "64", "--steps", "1", "--passes", "one", "--weights", weights, "--out", tmp_path / "out")
    keyed = ("--first", first, "--last", last, "--count", "5", "--key", f"3={middle}", "--sketch", f"5={sketch}")
    assert call_engine("inbetween", *common, *keyed) == 0
    made = pixels(tmp_path / "out")
    assert list(made) == list(range(7)) and (made[3] == np.asarray(Image.open(middle))).all()
    assert (made[5][40, 72, :3] == PAINT["head"]).all()


def test_cels_lie_over_each_other(shot):
    """Each has keys of its own."""
    folder = shot({0: 50, 2: 80}, 1)
    other = jobs.load_job(shot({0: 100, 2: 120}, 1, name="other"))
    request = jobs.load_job(folder)
    shutil.copytree(folder.parent.parent / "other/out/reference", folder / "reference", dirs_exist_ok=True)
    frames = tuple(replace(a, drawings=a.drawings + b.drawings) for a, b in zip(request.frames, other.frames, strict=True))
    drawings = request.drawings + tuple(replace(drawing, cel=1) for drawing in other.drawings)
    jobs.save_job(replace(request, cels=request.cels + other.cels, drawings=drawings, frames=frames), folder)
    made, events = done(folder)
    assert (made[0][40, [50, 100], :3] == PAINT["head"]).all() and stages(events).count("Denoising") == 2


def test_easings_choose_other_frames(shot):
    even, _ = done(shot({0: 50, 4: 80}, 3))
    eased, _ = done(shot({0: 50, 4: 80}, 3, name="eased", easing="in"))
    assert not (even[1] == eased[1]).all() and (even[4] == eased[4]).all()
    _, events = done(shot({0: 50, 2: 80}, 1, name="over", chart="120%"))
    assert any("overshoot" in text for text in warnings(events))
    _, events = done(shot({0: 50, 4: 80}, 3, name="fine", chart="1% 2% 3%"))
    assert any("too coarse" in text for text in warnings(events))


# --- sketches and colors ------------------------------------------------------------------------------------------


def test_drawings_that_follow_sketches_wear_exact_swatches(shot):
    folder = shot({0: 50, 4: 80}, 3, {2: 66})
    made, _ = done(folder)
    frame = made[2]
    assert (frame[40, 66] == (*PAINT["head"], 255)).all() or (frame[40, 66] == (*PAINT["body"], 255)).all() or frame[40, 66, 3] == 0
    solid = frame[frame[..., 3] == 255][:, :3]
    assert set(map(tuple, solid[~(solid < 8).all(axis=1)].tolist())) <= set(PAINT.values())
    assert (frame[60, 46:87, :3] == 0).all() and (frame[60, 46:87, 3] == 255).all(), "the sketch's lines are there"
    assert (frame[40, 66, :3] == PAINT["head"]).all() and (frame[80, 66, :3] == PAINT["body"]).all(), "the matcher knows better than noise"
    changed(folder, snap=False)
    other, events = done(folder)
    assert "Denoising" not in stages(events) and not (other[2] == frame).all()
    assert same({k: v for k, v in other.items() if k != 2}, {k: v for k, v in made.items() if k != 2})
    without, _ = done(shot({0: 50, 4: 80}, 3, name="without"))
    assert not (without[1] == made[1]).all(), "the whole clip hears the sketch"


def test_nearest_swatches(shot):
    made, _ = done(shot({0: 50, 2: 80}, 1, options={"nearest": True}, background=WHITE))
    assert set(map(tuple, made[1].reshape(-1, 4).tolist())) <= {(*PAINT["head"], 255), (*PAINT["body"], 255), WHITE, (0, 0, 0, 255)}


def test_opaque_keys_make_opaque_frames_and_line_art_makes_ink(shot, tmp_path):
    made, _ = done(shot({0: 50, 2: 80}, 1, background=WHITE))
    assert (made[1][..., 3] == 255).all()
    reference = picture(tmp_path / "sheet.png", 80, painted=True)
    made, events = done(shot({0: 50, 2: 80}, 1, name="lines", references=[reference]))
    assert any("references say nothing" in text for text in warnings(events))
    assert (made[0][30, 20] == 0).all() and made[1].shape == (120, 160, 4)
    light = made[1][..., :3][made[1][..., 3] > 0].min(axis=-1)
    assert (light == 0).mean() > 0.5, "white is taken out of what is not opaque"


@pytest.mark.parametrize("size", [(50, 90), (200, 40)])
def test_any_aspect(tmp_path, weights, size):
    files = {}
    for number, color in ((0, (255, 0, 0)), (2, (0, 0, 255))):
        files[number] = tmp_path / f"{number}.png"
        image = Image.new("RGB", size, color)
        image.save(files[number])
    keys.build_inbetween_job(files, 1, [], tmp_path / "out", "tooncrafter", options={"weights": str(weights), "side": 128, "steps": 1})
    made, events = done(tmp_path / "out")
    assert made[1].shape == (size[1], size[0], 4)
    assert any("hardly a color in common" in text for text in warnings(events)), "a cut"


# --- what goes wrong ----------------------------------------------------------------------------------------------


def test_a_killed_job_goes_on_and_ends_the_same(shot):
    given = {"places": {0: 50, 4: 80}, "count": 3, "options": {"steps": 10}}
    whole, killed = (shot(name=name, **given) for name in ("whole", "killed"))
    expected, _ = done(whole)
    before = killed_at(killed, "Denoising", 5)
    assert not list((killed / "frames").glob("*.png")), "it was killed in the middle"
    made, events = done(killed)
    assert 0 < stages(events).count("Denoising") <= 10 - before + 1, "no step is made twice but the last"
    assert same(made, expected)


def test_cancelled_in_the_loop(shot):
    folder = shot({0: 50, 2: 80}, 1, options={"steps": 2})
    events = []
    end = execute_job(folder, events.append, lambda: "Denoising" in stages(events))
    assert isinstance(end, Cancelled) and stages(events).count("Denoising") == 1
    _, events = done(folder)
    assert stages(events).count("Denoising") == 1, "the second of two steps"


@pytest.mark.parametrize("memory", ["stages", "groups"])
def test_where_the_networks_wait_changes_nothing(shot, memory):
    """On the CPU they are not moved, but the code is the same."""
    made, _ = done(shot({0: 50, 4: 80}, 3, {2: 66}, {"snap": False}))
    other, _ = done(shot({0: 50, 4: 80}, 3, {2: 66}, {"snap": False, "memory": memory}, name=memory))
    assert all(np.abs(made[frame].astype(int) - other[frame]).max() <= 1 for frame in made)


def test_frames_that_overflow_half_precision_are_decoded_in_single(weights):
    import torch

    from engine.diffusion.memory import Placement
    from engine.models.tooncrafter.pipeline import ToonCrafterPipeline, ToonCrafterSettings
    from engine.models.tooncrafter.weights import load_networks

    made = load_networks(weights, torch.float16)
    latents = torch.randn(1, 16, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    pictures = torch.zeros(2, 3, 64, 64)
    pipeline = ToonCrafterPipeline(made, Placement(torch.device("cpu"), {}), ToonCrafterSettings())
    references = pipeline.encode_keys(pictures, torch.zeros(2, 4, 8, 8)).references
    with torch.no_grad():
        made.vae.decoder.conv_in.weight.mul_(0).add_(60000.0)
    frames = pipeline.decode_clip(latents, references, two_passes=False)
    assert frames.isfinite().all() and made.vae.dtype == torch.float16


def test_five_hundred_are_refused_and_one_is_made(shot):
    assert "224 drawings" in failure(shot({0: 50, 501: 80}, 500))
    made, _ = done(shot({0: 50, 2: 80}, 1, name="one"))
    assert list(made) == [0, 1, 2]


def test_keys_that_can_not_be(shot, tmp_path):
    folder = shot({0: 50, 2: 80}, 1)
    key = next(d for d in jobs.load_job(folder).drawings if d.kind == "painted")
    Image.new("RGBA", SIZE).save(folder / key.file)
    assert "fully transparent" in failure(folder)
    reference = picture(tmp_path / "sheet.png", 80, painted=True)
    folder = shot({0: 50, 2: 80}, 1, name="empty", references=[reference])
    key = next(d for d in jobs.load_job(folder).drawings if d.kind == "raster")
    Image.new("RGBA", SIZE).save(folder / key.file)
    assert "is empty" in failure(folder)
    with pytest.raises(BadInput, match="no drawing 7"):
        shot({0: 50, 2: 80}, 1, {7: 60}, name="outside")


def test_keys_of_another_size_are_fitted_whole(shot):
    folder = shot({0: 50, 2: 80}, 1, background=WHITE)
    key = next(d for d in jobs.load_job(folder).drawings if d.kind == "painted")
    data = cv2.imread(str(folder / key.file), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(folder / key.file), cv2.resize(data, (400, 120)))
    made, _ = done(folder)
    first = next(frame for frame in (0, 2) if (made[frame][0, :, 3] == 0).all())
    assert (made[first][60, :, 3] == 255).all() and made[1].shape == (120, 160, 4)


def test_what_is_missing_is_named(shot, tmp_path, weights, monkeypatch):
    assert "model.safetensors is missing" in failure(shot({0: 50, 2: 80}, 1, options={"weights": str(tmp_path / "nothing")}))
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("model.safetensors", "config.json"):
        os.link(weights / name, bare / name)
    done(shot({0: 50, 2: 80}, 1, options={"weights": str(bare), "prompt": ""}, name="plain"))
    assert "vocab.json" in failure(shot({0: 50, 2: 80}, 1, options={"weights": str(bare), "prompt": "a cat"}, name="prompt"))
    assert "sketch encoder" in failure(shot({0: 50, 3: 80}, 2, {1: 60}, {"weights": str(bare)}, name="sketch"))
    monkeypatch.setenv(store.WEIGHTS_VARIABLE, str(tmp_path))
    message = failure(shot({0: 50, 2: 80}, 1, options={"weights": ""}, name="default"), JobFailed.kind)
    assert "model Vector" in message, "without a card nobody is sent to fetch weights"


def test_the_menu_tells_that_it_makes_a_strip():
    info = models.info("tooncrafter", "inbetween")
    assert "strip of pictures" in info.description and "by hand" in info.notes["inbetween"] and not info.weights
    with pytest.raises(BadInput, match="can't colorize"):
        models.info("tooncrafter", "colorize")


def test_corrections_of_line_art_between_line_art_are_reported_to_have_no_effect(shot, tmp_path):
    folder = shot({0: 50, 2: 80}, 1, references=[picture(tmp_path / "sheet.png", 80, painted=True)])
    jobs.save_job(replace(jobs.load_job(folder), hints=(jobs.Hint(0, (50, 38), "#20a040"), jobs.Hint(0, (50, 80), "#20a040"))), folder)
    _, events = done(folder)
    assert sum("no effect" in text for text in warnings(events)) == 1
