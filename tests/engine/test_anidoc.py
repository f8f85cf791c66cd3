"""AniDoc as a model of the engine, with tiny random weights: a job from start to end, and everything that can be wrong with it."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_anidoc
import torch
from anidoc_shots import PAINT, job
from PIL import Image, ImageDraw

from engine import job as jobs
from engine import models
from engine.cli.colorize_job import build_colorize_job
from engine.diffusion import canvas
from engine.diffusion.memory import Placement
from engine.diffusion.parts import apply_shortcuts
from engine.diffusion.sampling import draw_noise
from engine.diffusion.windows import split_windows
from engine.job.errors import BadInput
from engine.job.messages import Cancelled, Done, Failed, Progress, Warned
from engine.models.anidoc import condition, correspondence, memory, pipeline, points
from engine.models.anidoc.layer import AniDocLayer
from engine.models.anidoc.weights import load_networks
from engine.pictures.context import open_context
from engine.pictures.drawings import DrawingStore
from engine.worker.run import execute_job


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_anidoc.make(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def shot(tmp_path, weights):
    """Makes a job folder of drawings at these places."""

    return lambda *args, **changed: job(tmp_path, weights, *args, **changed)


def run_job(folder, should_cancel=lambda: False):
    events = []
    return execute_job(folder, events.append, should_cancel), events


def pixels(folder):
    return {path.name: np.asarray(Image.open(path)) for path in sorted((folder / "frames").iterdir())}


def failure(folder, kind=BadInput.kind):
    end, _ = run_job(folder)
    assert isinstance(end, Failed) and end.kind == kind, end
    assert len(end.text.splitlines()) == 1 and end.text.endswith(".")
    return end.text


def test_paints_exact_swatches_and_says_that_its_weights_are_random(shot):
    folder = shot()
    end, events = run_job(folder)
    assert isinstance(end, Done), end
    assert tiny_anidoc.NOTE in [e.text for e in events if isinstance(e, Warned)]
    assert "Denoising" in {e.stage for e in events if isinstance(e, Progress)}
    made = pixels(folder)
    assert list(made) == ["0000.png", "0001.png", "0002.png"]
    for frame in made.values():
        assert frame.shape == (120, 160, 4)
        solid = frame[frame[..., 3] == 255][:, :3]
        lines = (solid < 8).all(axis=1)
        assert set(map(tuple, solid[~lines].tolist())) <= set(PAINT.values())


def test_nothing_is_made_twice_and_one_change_makes_the_cel_anew(shot, tmp_path):
    folder = shot((50, 54, 54, 58))
    assert isinstance(run_job(folder)[0], Done)
    before = {path: path.stat().st_mtime_ns for path in (folder / "frames").iterdir()}
    assert len(before) == 3
    end, events = run_job(folder)
    assert isinstance(end, Done) and not any(isinstance(e, Progress) and e.stage == "Denoising" for e in events)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("places", [(50,), tuple(range(40, 40 + 10))])
def test_one_drawing_and_more_than_a_window(shot, places):
    folder = shot(places, {"window": 4, "overlap": 1, "snap": False, "lines": False})
    assert isinstance(run_job(folder)[0], Done)
    assert len(pixels(folder)) == len(places)


def test_the_seed_alone_decides(shot):
    folder = shot(options={"snap": False})
    run_job(folder)
    once = pixels(folder)
    for name in ("frames", "cache"):
        shutil.rmtree(folder / name)
    run_job(folder)
    again = pixels(folder)
    assert all((once[name] == again[name]).all() for name in once)


def test_cancelled_in_the_loop(shot):
    folder = shot()
    events = []

    def cancel():
        return any(isinstance(e, Progress) and e.stage == "Denoising" for e in events)

    assert isinstance(execute_job(folder, events.append, cancel), Cancelled)
    assert sum(isinstance(e, Progress) and e.stage == "Denoising" for e in events) == 1
    assert isinstance(run_job(folder)[0], Done)


@pytest.mark.parametrize("memory", ["stages", "groups"])
def test_where_the_networks_wait_changes_nothing(shot, memory):
    """On the CPU they are not moved, but the code is the same."""
    folder = shot(options={"snap": False})
    run_job(folder)
    whole = pixels(folder)
    for name in ("frames", "cache"):
        shutil.rmtree(folder / name)
    request = jobs.load_job(folder)
    jobs.save_job(replace(request, options={**request.options, "memory": memory}), folder)
    end, events = run_job(folder)
    assert isinstance(end, Done) and any(isinstance(e, Progress) and e.stage == "Denoising" for e in events)
    assert all(np.abs(whole[name].astype(int) - frame).max() <= 1 for name, frame in pixels(folder).items())


@pytest.mark.parametrize("order", ["correct", "released"])
def test_both_orders(shot, order):
    assert isinstance(run_job(shot((50, 54), {"context_order": order}))[0], Done)


def test_pictures_smaller_than_the_networks_step(shot):
    folder = shot((24,), size=(50, 60))
    assert isinstance(run_job(folder)[0], Done)
    assert pixels(folder)["0000.png"].shape == (60, 50, 4)


def test_more_windows_than_have_room_at_once(weights):
    """500 frames: hints are kept outside the GPU, attention is not kept, every frame gets its latents."""
    loaded = load_networks(weights, torch.float32)
    apply_shortcuts(loaded)
    spans = split_windows(500, 14, 4)
    encoded = pipeline.EncodedReference(torch.zeros(1, 1, 24), torch.zeros(1, 4, 8, 8))
    parts = [pipeline.AniDocWindow(span, encoded, lambda span=span: torch.zeros(1, len(span), 8, 64, 64)) for span in spans]
    settings = pipeline.AniDocSettings(sigmas=(20.0, 0.0), cfg_until=0.0, reuse=2)
    made = pipeline.AniDocPipeline(loaded, Placement(torch.device("cpu"), {}), settings)
    latents = made.denoise_clip(parts, draw_noise((1, 500, 4, 8, 8), 1))
    assert latents.shape == (1, 500, 4, 8, 8) and latents.isfinite().all() and latents.flatten(2).std(2).min() > 0
    (frames,) = list(made.decode_latents(latents[:, -3:], 8))
    assert frames.shape == (3, 3, 64, 64)


# --- what can be wrong --------------------------------------------------------------------------------------------


def test_no_weights(shot, tmp_path):
    assert "weights get anidoc" in failure(shot(options={"weights": str(tmp_path / "nothing")}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: shutil.copy(f / "vae/diffusion_pytorch_model.safetensors", f / "unet/diffusion_pytorch_model.safetensors"), "lacks"),
        (lambda f: (f / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"\x80\x04nothing good"), "pickle"),
        (lambda f: (f / "controlnet/config.json").write_text("{}"), "num_attention_heads"),
        (lambda f: (f / "image_encoder/model.safetensors").write_bytes(b"\x10"), "damaged"),
        (lambda f: (f / "scheduler/scheduler_config.json").unlink(), "scheduler_config.json"),
    ],
)
def test_weights_that_are_none(shot, tmp_path, weights, damage, message):
    broken = shutil.copytree(weights, tmp_path / "broken")
    damage(broken)
    assert message in failure(shot(options={"weights": str(broken)}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_without_a_card(shot):
    assert "needs no graphics card" in failure(shot(device="cuda"), "job_failed")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_without_a_card_nobody_is_sent_to_download(shot, tmp_path, monkeypatch):
    monkeypatch.setenv("SHIAGE_WEIGHTS", str(tmp_path / "nothing"))
    assert "needs no graphics card" in failure(shot(options={"weights": ""}), "job_failed")
    assert "weights get anidoc" in failure(shot(options={"weights": ""}, device="cpu"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_large_networks_do_not_start_on_a_processor_unasked(shot, monkeypatch):
    monkeypatch.setattr("engine.diffusion.adapter.SMALL", 1)
    folder = shot()
    end, events = run_job(folder)
    assert isinstance(end, Failed) and "needs no graphics card" in end.text
    assert not any(isinstance(e, Progress) and e.stage == "Reading drawings" for e in events)


def test_two_cels_with_references_of_their_own(shot, tmp_path):
    folder = shot((50, 54))
    request = jobs.load_job(folder)
    other = [replace(d, id=f"{i:016x}", cel=1) for i, d in enumerate(request.drawings)]
    frames = tuple(replace(e, drawings=(*e.drawings, o.id)) for e, o in zip(request.frames, other, strict=True))
    cels = (request.cels[0], replace(request.cels[0], name="other"))
    jobs.save_job(replace(request, cels=cels, drawings=(*request.drawings, *other), frames=frames), folder)
    assert isinstance(run_job(folder)[0], Done)
    assert len(pixels(folder)) == 2 and len(list((folder / "regions").iterdir())) == 4


def test_a_drawing_in_which_nothing_can_be_matched(shot, tmp_path):
    folder = shot((50,))
    image = Image.new("RGBA", (160, 120))
    ImageDraw.Draw(image).line((20, 20, 90, 70), "black", 2)
    image.save(tmp_path / "in/000.png")
    options = {"weights": str(tiny_anidoc.make(tmp_path / "w")), "side": 64, "preset": "draft"}
    build_colorize_job(tmp_path / "in", [tmp_path / "reference.png"], folder, "anidoc", options=options)
    end, events = run_job(folder)
    assert isinstance(end, Done), end
    assert any("guessed" in e.text for e in events if isinstance(e, Warned))


def test_too_little_memory_is_reported_before_it_starts(weights):
    from engine.job.errors import JobFailed

    loaded = load_networks(weights, torch.float32)
    with pytest.raises(JobFailed, match="smaller size"):
        memory.place_pipeline(loaded, (1 << 17, 1 << 17), 14, pipeline.PRESETS["reference"], torch.device("cpu"), "auto")


# --- its parts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [(0, 0, 1920, 1080), (100, 50, 30, 700), (3, 5, 20, 20)])
@pytest.mark.parametrize("longer", [64, 512, 700])
def test_what_is_shown_can_be_put_back(box, longer):
    made = canvas.fit_canvas(box, longer)
    assert all(side % 64 == 0 and side >= 64 for side in made.size)
    inside = made.map_points(np.array([[box[0], box[1]], [box[0] + box[2], box[1] + box[3]]], np.float32))
    assert (inside >= -1).all() and (inside <= np.array(made.size) + 1).all()
    ramp = np.broadcast_to(np.linspace(0, 255, 1920).astype(np.uint8)[None, :, None], (1080, 1920, 3))
    back = made.put_back(made.fit_picture(ramp), (1920, 1080))
    x, y, width, height = box
    far = np.abs(back[y : y + height, x : x + width].astype(int) - ramp[y : y + height, x : x + width])
    assert far.max() <= 255 / 1920 * 3 / made.scale + 2


def test_points_follow_what_they_lie_in(shot):
    """The ids in the maps lie in the regions that they name, in the reference and in each drawing."""
    folder = shot((50, 60, 70, 80, 90), {"side": 192})
    request = jobs.load_job(folder)
    model = models.info("anidoc")
    request = replace(request, options=model.resolve(request.options))
    context = open_context(request, folder, model.revision, model.stages, lambda event: None, lambda: False)
    loader = SimpleNamespace(weights_fingerprint=[], load_pipeline=lambda: None)  # the networks are not used
    layer = AniDocLayer(context, DrawingStore(request, folder, context.cache), 0, loader, {})  # type: ignore[arg-type]
    made = layer.renderer.spec.build_condition(range(5), 0, False)[0]
    ids = [int(v) for v in made[0, 3].unique() if v]
    assert len(ids) == 2
    colors = {}
    for number in ids:
        y, x = (made[0, 3] == number).nonzero()[0].tolist()
        colors[number] = tuple(((made[0, 5:8, y, x] + 1) * 127.5).round().int().tolist())
    assert sorted(colors.values()) == sorted(PAINT.values())
    centers = {PAINT["head"]: 38, PAINT["body"]: 80}
    for index, place in enumerate((50, 60, 70, 80, 90)):
        for number in ids:
            y, x = (made[index, 4] == number).nonzero()[0].tolist()
            there = layer.canvas.map_points(np.array([place, centers[colors[number]]], np.float32))
            assert np.abs(there - (x, y)).max() < 12 * layer.canvas.scale


def test_condition_channels():
    tracks = correspondence.Tracks(np.array([[3, 4]]), np.array([[[5, 6]], [[7, 6]]], np.float32), np.ones((2, 1), bool))
    sketches = np.zeros((2, 64, 64), bool)
    sketches[:, 10] = True
    dense = condition.build_condition(sketches, np.full((64, 64, 3), 255, np.uint8), tracks)[0]
    assert dense.shape == (2, 8, 64, 64)
    assert dense[0, 0, 10].eq(-1).all() and dense[0, 0, 11].eq(1).all()
    assert dense[0, 3, 4, 3] == 1 and dense[1, 4, 6, 7] == 1 and dense[:, 3:5].sum() == 4
    assert dense[:, 5:].eq(1).all()
    straight = correspondence.straighten_tracks(tracks, np.linspace(0, 1, 5))
    sparse = condition.build_sparse_condition(sketches[0], sketches[1], 5, np.zeros((64, 64, 3), np.uint8), straight)[0]
    assert sparse.shape == (5, 9, 64, 64) and sparse[2, :3].eq(1).all() and sparse[4, 0, 10].eq(-1).all()
    assert sparse[2, 4, 6, 6] == 1 and sparse[2, 8].max() > 0.9


def test_no_points_is_no_error():
    nothing = np.zeros((5, 0, 2), np.float32), np.zeros((5, 0), bool)
    kept, probability = points.find_moving_points(*nothing)
    assert len(points.draw_points(kept, probability, 1)) == 0
    still = np.ones((5, 3, 2)), np.ones((5, 3), bool)
    assert len(points.draw_points(*points.find_moving_points(*still), 1)) == 0
    assert points.build_frame_maps(*nothing, (8, 8)).sum() == 0
