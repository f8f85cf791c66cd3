"""LVCD as a model of the engine, with tiny random weights: how many drawings, what can be wrong with them, and with its weights."""

import shutil
from dataclasses import replace

import anidoc_shots
import numpy as np
import pytest
import tiny_lvcd
import torch
from lvcd_shots import PAINT, job, places
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from engine import job as jobs
from engine.cli.colorize_job import build_colorize_job
from engine.job.errors import BadInput, JobFailed
from engine.job.messages import Cancelled, Done, Failed, Progress, Warned
from engine.models.lvcd import memory, pipeline, plan, survey
from engine.models.lvcd.weights import load_networks
from engine.worker.run import execute_job


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_lvcd.make(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def shot(tmp_path, weights):
    """Makes a job folder of drawings at these places."""
    return lambda *args, **changed: job(tmp_path, weights, *args, **changed)


def run_job(folder, should_cancel=lambda: False):
    events = []
    return execute_job(folder, events.append, should_cancel), events


def texts(events):
    return [event.text for event in events if isinstance(event, Warned)]


def pixels(folder):
    return {path.name: np.asarray(Image.open(path)) for path in sorted((folder / "frames").iterdir())}


def failure(folder, kind=BadInput.kind):
    end, _ = run_job(folder)
    assert isinstance(end, Failed) and end.kind == kind, end
    assert len(end.text.splitlines()) == 1 and end.text.endswith(".")
    return end.text


# --- how many -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 14, 15, 16, 24])
def test_every_drawing_comes_back(shot, count):
    folder = shot(places(count, step=1))
    end, events = run_job(folder)
    assert isinstance(end, Done), end
    assert tiny_lvcd.NOTE in texts(events) or count == 1
    made = pixels(folder)
    assert len(made) == count
    for frame in made.values():
        solid = frame[frame[..., 3] == 255][:, :3]
        assert set(map(tuple, solid[~(solid < 8).all(axis=1)].tolist())) <= set(PAINT.values())
    first = made["0000.png"]
    assert tuple(first[38, 40, :3]) == PAINT["head"] and tuple(first[80, 40, :3]) == PAINT["body"], "the reference is the first drawing"


@pytest.mark.parametrize("count", [2, 14, 15, 16, 24, 25, 500])
def test_every_drawing_is_denoised_once_and_read_when_its_segment_comes(weights, count):
    """The networks alone, where only what one segment passes on to the next is kept."""
    loaded = load_networks(weights, torch.float32)
    reference = pipeline.LvcdReference(torch.zeros(1, 1, 24), torch.zeros(1, 4, 8, 8), torch.zeros(1, 4, 8, 8))
    read = set()

    def sketch(index):
        read.add(index)
        return torch.zeros(3, 64, 64)

    chain = pipeline.LvcdChain(reference, count, sketch)
    noise = torch.randn(19, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    made = 0
    for new, latents in pipeline.run_chain(loaded, chain, noise, torch.tensor([20.0, 0.0]), pipeline.SegmentScheme(), torch.device("cpu")):
        assert new.start == made and len(latents) == len(new) <= 14 and latents.isfinite().all()
        assert max(read, default=0) < new.stop + (new.stop == 1), "no drawing is read before its segment"
        made = new.stop
    assert made == count and read == set(range(count))


@pytest.mark.parametrize("count", [*range(2, 60), 500])
def test_segments_cover_all_and_share_four(count):
    spans = pipeline.split_segments(count)
    assert spans[0] == range(1, 15) and spans[-1].stop >= count > spans[-1].stop - 14 - (count < 15) * 14
    assert all(len(span) == 14 and span.start == before.stop - 4 for before, span in zip(spans, spans[1:], strict=False))
    for local in range(1, count):
        number = plan.find_segment(local, 4)
        assert local in spans[number] and (number == 0 or local not in spans[number - 1])


@pytest.mark.parametrize("length", [5, 7, 10])
@pytest.mark.parametrize("count", [1, 9, 10, 11, 16, 17, 500])
def test_every_frame_is_decoded_once(count, length):
    chunks = [pipeline.find_chunk(index, count, length) for index in range(count)]
    made = [index for chunk in set(chunks) for index in chunk.frames if index >= chunk.first]
    assert sorted(made) == list(range(count))
    assert all(index in chunk.frames and len(chunk.frames) <= length for index, chunk in enumerate(chunks))


def test_holds_and_returning_drawings_are_painted_once(tmp_path, weights):
    folder = job(tmp_path, weights, (40, 44, 44, 44, 48, 40))
    assert isinstance(run_job(folder)[0], Done)
    assert len(list((folder / "regions").iterdir())) == 3


def test_the_seed_alone_decides(shot):
    folder = shot(options={"snap": False})
    run_job(folder)
    once = pixels(folder)
    for name in ("frames", "cache"):
        shutil.rmtree(folder / name)
    run_job(folder)
    assert all((once[name] == again).all() for name, again in pixels(folder).items())


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
    end, _ = run_job(folder)
    assert isinstance(end, Done), end
    assert all(np.abs(whole[name].astype(int) - frame).max() <= 1 for name, frame in pixels(folder).items())


def test_soft_lines_and_binary_ones(shot, tmp_path):
    folder = shot(options={"snap": False})
    run_job(folder)
    soft = pixels(folder)
    request = jobs.load_job(folder)
    jobs.save_job(replace(request, options={**request.options, "line_art": "binary"}), folder)
    run_job(folder)
    assert any((soft[name] != frame).any() for name, frame in pixels(folder).items())


def test_cancelled_in_the_loop(shot):
    folder = shot()
    events = []

    def cancel():
        return any(isinstance(e, Progress) and e.stage == "Denoising" for e in events)

    assert isinstance(execute_job(folder, events.append, cancel), Cancelled)
    assert sum(isinstance(e, Progress) and e.stage == "Denoising" for e in events) == 1
    assert isinstance(run_job(folder)[0], Done)


# --- drawings and references --------------------------------------------------------------------------------------


def test_a_first_drawing_that_is_not_in_color(shot, tmp_path):
    """A reference in another place is reported with the percentage."""
    folder = shot()
    far = anidoc_shots.picture(tmp_path / "far.png", 110, painted=True)
    text = failure(regathered(tmp_path, far, folder))
    assert "% of the lines of the first drawing" in text and "instead of 50%" in text and "far.png" in text


def test_a_first_drawing_that_is_hardly_aligned(shot, tmp_path):
    """Another body in the place of the drawn one: half of the lines match."""
    folder = shot(places(2))
    image = Image.new("RGBA", (160, 120))
    pen = ImageDraw.Draw(image)
    pen.rectangle((20, 60, 60, 100), PAINT["body"], "black", 2)
    pen.ellipse((22, 8, 58, 44), PAINT["head"], "black", 2)
    image.save(tmp_path / "moved.png")
    end, events = run_job(regathered(tmp_path, tmp_path / "moved.png", folder))
    assert isinstance(end, Done), end
    assert any(text.startswith("Only ") and "moved.png" in text and "drawing 1 " in text for text in texts(events))


def regathered(root, reference, folder):
    build_colorize_job(root / "in", [reference], folder, "lvcd", options=dict(jobs.load_job(folder).options))
    return folder


def test_a_colored_drawing_that_is_not_the_first_colors_both_ways(shot):
    """The first drawing is not in color, a later one is."""
    shown = places(20, step=3)
    folder = shot(shown, keys=(6,))
    end, events = run_job(folder)
    assert isinstance(end, Done), end
    assert any("first drawing" in text and "from drawing 7 on, and back" in text for text in texts(events))
    made = pixels(folder)
    assert len(made) == 20
    assert tuple(made["0006.png"][80, shown[6], :3]) == PAINT["body"]


def test_lines_that_lie_on_each_other():
    lines = np.zeros((270, 480), bool)
    lines[60, 100:300] = lines[60:200, 100] = lines[60:200, 300] = True
    nothing = np.zeros_like(lines)
    small = survey.survey_lines(lines).lines

    def marks(moved, edges=None):
        return survey.ReferenceMarks(
            np.roll(lines, moved, axis=1), np.roll(lines, moved, axis=1) if edges is None else edges
        ).shrink_marks()

    assert survey.measure_overlap(small, marks(0)) == survey.measure_overlap(small, marks(1)) == 1.0
    assert (
        survey.measure_closeness(small, marks(0)) > survey.measure_closeness(small, marks(1)) > survey.measure_closeness(small, marks(40))
    )
    assert survey.measure_overlap(small, marks(40)) < survey.ALIGNED
    flat = survey.ReferenceMarks(nothing, lines).shrink_marks()
    assert survey.measure_overlap(small, flat) == 1.0, "paint without lines has edges"
    assert survey.measure_overlap(survey.survey_lines(nothing).lines, flat) == 0.0


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_reference_of_another_size(shot, tmp_path, scale):
    folder = shot()
    image = Image.open(tmp_path / "key0.png")
    image.resize((round(160 * scale), round(120 * scale)), Image.Resampling.NEAREST).save(tmp_path / "scaled.png")
    end, events = run_job(regathered(tmp_path, tmp_path / "scaled.png", folder))
    assert isinstance(end, Done), end
    assert not any("another shape" in text for text in texts(events))
    assert tuple(pixels(folder)["0000.png"][80, 40, :3]) == PAINT["body"]


def test_a_reference_of_another_shape(shot, tmp_path):
    folder = shot()
    image = Image.open(tmp_path / "key0.png")
    image.resize((160, 90), Image.Resampling.NEAREST).save(tmp_path / "wide.png")
    end, events = run_job(regathered(tmp_path, tmp_path / "wide.png", folder))
    assert isinstance(end, Done), end
    assert any("another shape" in text for text in texts(events))


@pytest.mark.parametrize("blank", [(1,), (0, 3), (0, 1, 2, 3)])
def test_blank_drawings_stay_blank(tmp_path, weights, blank):
    shown = places(4, step=5)
    folder = job(tmp_path, weights, shown, keys=(1 if 0 in blank else 0,))
    for index in blank:
        Image.new("RGBA", (160, 120)).save(tmp_path / f"in/{index:03d}.png")
    key = tmp_path / f"key{1 if 0 in blank else 0}.png"
    end, events = run_job(regathered(tmp_path, key, folder))
    assert isinstance(end, Done), end
    shot_of = jobs.load_job(folder)
    for exposure in shot_of.frames:
        file = jobs.list_pictures(shot_of)[exposure.drawings]
        painted = np.asarray(Image.open(folder / file))[..., 3].any()
        assert painted == (exposure.frame not in blank)


def test_two_cels_with_references_of_their_own(shot):
    folder = shot()
    request = jobs.load_job(folder)
    other = [replace(d, id=f"{i:016x}", cel=1) for i, d in enumerate(request.drawings)]
    frames = tuple(replace(e, drawings=(*e.drawings, o.id)) for e, o in zip(request.frames, other, strict=True))
    cels = (request.cels[0], replace(request.cels[0], name="other"))
    jobs.save_job(replace(request, cels=cels, drawings=(*request.drawings, *other), frames=frames), folder)
    assert isinstance(run_job(folder)[0], Done)
    assert len(pixels(folder)) == 3 and len(list((folder / "regions").iterdir())) == 6


def test_no_reference(shot):
    folder = shot()
    request = jobs.load_job(folder)
    jobs.save_job(replace(request, cels=(replace(request.cels[0], references=()),)), folder)
    assert "has no reference" in failure(folder)


def test_one_line_alone(tmp_path, weights):
    folder = job(tmp_path, weights, (40, 44))
    for index in (0, 1):
        image = Image.new("RGBA", (160, 120))
        ImageDraw.Draw(image).line((20, 20 + index, 90, 70), "black", 2)
        image.save(tmp_path / f"in/{index:03d}.png")
    image = Image.new("RGBA", (160, 120), (250, 240, 200))
    ImageDraw.Draw(image).line((20, 20, 90, 70), "black", 2)
    image.save(tmp_path / "key.png")
    end, _ = run_job(regathered(tmp_path, tmp_path / "key.png", folder))
    assert isinstance(end, Done), end


# --- weights ------------------------------------------------------------------------------------------------------


def test_weights_that_are_not_there(shot, tmp_path):
    assert "LVCD's weights are not there" in failure(shot(options={"weights": str(tmp_path / "nothing")}))


def test_weights_without_those_they_are_made_over(shot, tmp_path, weights):
    shutil.copytree(weights / "vae", tmp_path / "only/vae")
    save_file({"control_model.x": torch.zeros(1)}, tmp_path / "only/lvcd-fp16.safetensors")
    text = failure(shot(options={"weights": str(tmp_path / "only")}))
    assert "not those of Stable Video Diffusion" in text and "svd.safetensors" in text


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: shutil.copy(f / "vae/diffusion_pytorch_model.safetensors", f / "unet/diffusion_pytorch_model.safetensors"), "lacks"),
        (lambda f: (f / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"\x80\x04nothing good"), "pickle"),
        (lambda f: (f / "controlnet/config.json").write_text("{}"), "num_attention_heads"),
        (lambda f: (f / "lvcd.ckpt").write_bytes(b"\x80\x04nothing good"), "not a file of weights"),
        (lambda f: save_file({"control_model.x": torch.zeros(1)}, f / "lvcd-fp16.safetensors"), "lacks"),
    ],
)
def test_weights_that_are_none(shot, tmp_path, weights, damage, message):
    broken = shutil.copytree(weights, tmp_path / "broken")
    damage(broken)
    assert message in failure(shot(options={"weights": str(broken)}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_without_a_card(shot, tmp_path, monkeypatch):
    assert "needs no graphics card" in failure(shot(device="cuda"), JobFailed.kind)
    monkeypatch.setenv("SHIAGE_WEIGHTS", str(tmp_path / "nothing"))
    assert "needs no graphics card" in failure(shot(options={"weights": ""}), JobFailed.kind)
    assert "docs/lvcd.md" in failure(shot(options={"weights": ""}, device="cpu"))


def test_too_little_memory_is_reported_before_it_starts(weights):
    with pytest.raises(JobFailed, match="smaller size"):
        memory.place_for_job(load_networks(weights, torch.float32), (1 << 17, 1 << 17), {"memory": "auto"}, torch.device("cpu"))
