"""What diffusion models share: checked weights, memory plans that fit, window weights that add up."""

import json
import pickle  # noqa: TID251  # to make the files that must be refused
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from engine.diffusion import device, memory, weights
from engine.diffusion.sampling import DenoisingHooks, build_euler, denoise_latents, draw_noise
from engine.diffusion.windows import blend_weights as shares
from engine.diffusion.windows import split_windows
from engine.job.errors import BadInput, JobCancelled, JobFailed


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))


def stored(path, **changes):
    """A file of the weights of `net`, with changes: None removes one."""
    state = {name.replace(".", "_"): value for name, value in net().state_dict().items()} | changes
    save_file({name.replace("_", ".", 1): value for name, value in state.items() if value is not None}, path)
    return path


def refused(path) -> str:
    with pytest.raises(BadInput) as error:
        weights.load_weights(weights.build_empty(net), path, torch.float32)
    return str(error.value)


def test_weights_fill_an_empty_network(tmp_path):
    path = stored(tmp_path / "w.safetensors")
    made = weights.load_weights(weights.build_empty(net), path, torch.float16)
    assert {p.dtype for p in made.parameters()} == {torch.float16} and not any(p.requires_grad or p.is_meta for p in made.parameters())


def test_names_and_shapes_must_be_the_networks_own(tmp_path):
    assert "lacks the weights 1.bias" in refused(stored(tmp_path / "a.safetensors", **{"1_bias": None}))
    assert "does not know, extra.x" in refused(stored(tmp_path / "b.safetensors", extra_x=torch.zeros(1)))
    assert "1.weight" in refused(stored(tmp_path / "c.safetensors", **{"1_weight": torch.zeros(1, 5)}))
    assert "type I64" in refused(stored(tmp_path / "d.safetensors", **{"1_bias": torch.zeros(1, dtype=torch.int64)}))
    assert "type F64" in refused(stored(tmp_path / "e.safetensors", **{"1_bias": torch.zeros(1, dtype=torch.float64)}))


def test_damaged_files_are_refused(tmp_path):
    path = stored(tmp_path / "w.safetensors")
    data = path.read_bytes()
    for cut in (0, 5, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        assert "damaged" in refused(path)
    assert "no weights at" in refused(tmp_path / "none.safetensors")


def test_a_header_whose_length_begins_like_a_pickle_is_none(tmp_path):
    path, size = tmp_path / "w.safetensors", 0
    while not path.is_file() or path.read_bytes()[:1] != b"\x80":
        size += 8
        save_file({name: value.contiguous() for name, value in net().state_dict().items()}, path, {"note": "x" * size})
    weights.load_weights(weights.build_empty(net), path, torch.float32)


class Bomb:
    def __reduce__(self):
        return open, (str(Bomb.path), "w")


@pytest.mark.parametrize("write", [lambda bomb, path: path.write_bytes(pickle.dumps(bomb)), torch.save])
def test_a_pickle_is_refused_and_not_run(tmp_path, write):
    Bomb.path = tmp_path / "ran"
    write(Bomb(), tmp_path / "w.safetensors")
    assert "pickle" in refused(tmp_path / "w.safetensors")
    assert not Bomb.path.exists()


def test_configurations_must_be_tables(tmp_path):
    for text in ("", "[1]", "{"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(BadInput):
            weights.read_config(tmp_path / "config.json", "get it")
    (tmp_path / "config.json").write_text(json.dumps({"a": 1}))
    assert weights.read_config(tmp_path / "config.json", "get it") == {"a": 1}


@pytest.mark.parametrize("count", [1, 13, 14, 15, 24, 25, 100, 500])
def test_windows_cover_everything(count):
    spans = split_windows(count, 14, 4)
    assert sorted({i for span in spans for i in span}) == list(range(count))
    assert all(len(span) == min(count, 14) for span in spans)
    assert all(before.stop - after.start >= 4 for before, after in zip(spans, spans[1:], strict=False))
    assert shares(spans, count).sum(axis=0) == pytest.approx(np.ones(count))


NEEDS = memory.MemoryNeeds({"a": 100 << 20, "b": 900 << 20}, [("a",), ("b",)], [0, 50 << 20], 10 << 20, 20 << 20)


def test_a_plan_takes_the_fastest_way_that_fits():
    free = {mode: memory.count_bytes(NEEDS, mode, 1) for mode in memory.MODES}
    assert free["whole"] > free["stages"] > free["groups"]
    for mode, need in free.items():
        assert memory.plan_memory(NEEDS, need, most=8).mode == mode
    assert memory.plan_memory(NEEDS, 10 << 30).chunk == 8
    tight = memory.plan_memory(NEEDS, memory.count_bytes(NEEDS, "whole", 6), most=8)
    assert (tight.mode, tight.chunk) == ("whole", 6)


def test_what_does_not_fit_is_said_before_it_starts():
    with pytest.raises(JobFailed, match="smaller size"):
        memory.plan_memory(NEEDS, 1 << 20)
    with pytest.raises(JobFailed, match="Memory to Auto"):
        memory.plan_memory(NEEDS, memory.count_bytes(NEEDS, "groups", 1), "whole")


SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_type": "continuous",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
}


def known(clean: torch.Tensor):
    """A network that knows the answer: for any noise it returns the velocity that leads to `clean`."""

    def predict(window, noisy, step):
        sigma = torch.exp(4 * step.timestep)
        part = clean[:, SPANS[window].start : SPANS[window].stop]
        scaled = noisy * (sigma**2 + 1) ** 0.5
        return (scaled / (sigma**2 + 1) - part) * (sigma**2 + 1) ** 0.5 / sigma

    return predict


SPANS = split_windows(20, 8, 3)


@pytest.mark.parametrize("sigmas", [None, (700.0, 20.0, 3.0, 0.5, 0.0)])
def test_windows_that_agree_denoise_to_what_they_say(sigmas):
    clean = draw_noise((1, 20, 4, 2, 3), 5)
    calls = []
    scheduler = build_euler(SCHEDULER, 6, sigmas, torch.device("cpu"))
    hooks = DenoisingHooks(on_call=lambda done, count: calls.append((done, count)))
    made = denoise_latents(scheduler, known(clean), draw_noise(clean.shape, 1), SPANS, hooks)
    assert torch.allclose(made, clean, atol=1e-2)
    steps = 6 if sigmas is None else 4
    assert calls == [(i + 1, steps * len(SPANS)) for i in range(steps * len(SPANS))]


def test_cancelling_takes_effect_between_two_calls():
    clean, calls = torch.zeros(1, 20, 4, 2, 3), []
    scheduler = build_euler(SCHEDULER, 6, None, torch.device("cpu"))

    def check():
        if len(calls) == 4:
            raise JobCancelled("")

    with pytest.raises(JobCancelled):
        denoise_latents(scheduler, known(clean), draw_noise(clean.shape, 1), SPANS, DenoisingHooks(lambda *at: calls.append(at), check))
    assert len(calls) == 4


def test_noise_depends_on_the_seed_alone():
    assert torch.equal(draw_noise((2, 3), 7), draw_noise((2, 3), 7)) and not torch.equal(draw_noise((2, 3), 7), draw_noise((2, 3), 8))


def test_a_driver_that_is_too_old_is_named(monkeypatch):
    def init():
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver.")

    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)
    with pytest.raises(JobFailed, match="too old.*11040.*update the driver; or choose a model"):
        device.choose_device("cuda")
    assert device.choose_device("auto").type == "cpu"


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: x")]
)
def test_running_out_of_memory_is_known_from_other_errors(error):
    assert memory.is_out_of_memory(error) and not memory.is_out_of_memory(RuntimeError("shapes differ"))


@pytest.mark.parametrize("stop", [1, 2, 4, 7])
def test_denoising_goes_on_from_any_call(stop):
    clean = draw_noise((1, 20, 4, 2, 3), 5)
    kept = []

    def sampled(begin=None, keep=lambda state: None):
        calls = []
        scheduler = build_euler(SCHEDULER, 6, None, torch.device("cpu"))
        hooks = DenoisingHooks(lambda *at: calls.append(at), keep=keep)
        made = denoise_latents(scheduler, known(clean), draw_noise(clean.shape, 1), SPANS, hooks, begin)
        return made, len(calls)

    whole, calls = sampled(keep=lambda state: kept.append(replace(state, model_output=state.model_output.clone())))
    assert len(kept) == calls == 6 * len(SPANS)
    again, left = sampled(kept[stop - 1])
    assert torch.equal(whole, again) and left == calls - stop
