"""ToonCrafter's plan of clips, its schedule, and its weights in all their forms."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tiny_tooncrafter
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from engine.diffusion import memory, weights
from engine.diffusion.memory import Placement
from engine.diffusion.sampling import DenoisingHooks
from engine.job.errors import BadInput
from engine.models.tooncrafter import ddim, layout, pipeline, text, tone
from engine.models.tooncrafter.memory import estimate_needs
from engine.models.tooncrafter.plan import MOST, BetweenDrawing, assign_frames, plan_between, plan_clips
from engine.models.tooncrafter.weights import BUILDERS, CONFIGS, TOWERS, ToonCrafterNetworks, convert_weights, find_weights, load_networks


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_tooncrafter.make(tmp_path_factory.mktemp("weights"))


# --- which of the sixteen -----------------------------------------------------------------------------------------


def drawings(count: int, easing=lambda place: place) -> list[BetweenDrawing]:
    return [BetweenDrawing(f"d{number}", easing(number / (count + 1))) for number in range(1, count + 1)]


def test_drawings_are_the_frames_nearest_to_their_places():
    assert assign_frames([0.5]) in ([7], [8])
    assert assign_frames([0.25, 0.5, 0.75]) in ([4, 7, 11], [4, 8, 11])
    assert assign_frames([n / 15 for n in range(1, 15)]) == list(range(1, 15))
    assert assign_frames([0.0, 0.0, 1.0]) == [1, 2, 14]
    assert assign_frames([0.91, 0.09]) == [14, 1]


@given(st.lists(st.floats(-1, 2), min_size=1, max_size=14))
@settings(max_examples=60, deadline=None)
def test_no_frame_is_kept_twice_and_order_is_kept(at):
    chosen = assign_frames(at)
    assert len(set(chosen)) == len(at) and all(1 <= number <= 14 for number in chosen)
    assert all(a < b for a, b in zip(np.array(chosen)[np.argsort(at, kind="stable")], np.sort(chosen)[1:], strict=False))


@given(st.integers(1, MOST))
@settings(max_examples=40, deadline=None)
def test_every_drawing_is_made_once_and_after_what_it_is_made_of(count):
    known, betweens = {"a", "b"}, drawings(count)
    for clip in plan_between("a", "b", betweens):
        assert {clip.first, clip.last} <= known
        assert len(clip.kept) <= 14 and not known & set(clip.kept.values())
        known |= set(clip.kept.values())
        assert clip.off <= 1.0, "even timing is within a frame"
    assert known == {"a", "b", *(d.id for d in betweens)}


def test_more_than_a_person_wants_is_refused():
    with pytest.raises(BadInput, match="224 drawings"):
        plan_between("a", "b", drawings(500))


def test_keys_make_pairs_and_what_comes_again_is_made_once():
    one, two = drawings(2)
    found = plan_clips(["a", one, "b", "c", two, "a", one, "b"])
    assert [(clip.first, clip.last, list(clip.kept.values())) for clip in found] == [("a", "b", ["d1"]), ("c", "a", ["d2"])]
    loop = plan_clips(["a", one, two, "a"])
    assert [(clip.first, clip.last) for clip in loop] == [("a", "a")]
    assert plan_clips(["a", "b"]) == []


def test_sketches_guide_the_frames_of_their_drawings():
    betweens = [BetweenDrawing(d.id, d.at, f"g{d.id}" if number % 3 == 0 else None) for number, d in enumerate(drawings(20))]
    first, *others = plan_between("a", "b", betweens)
    assert all(clip.kept[frame] == guide[1:] for clip in others for frame, guide in clip.guides.items())
    assert len(first.guides) >= 6, "the clip that makes the ends of others heeds their sketches"
    assert set(plan_between("a", "b", betweens[:14])[0].guides.values()) == {"gd1", "gd4", "gd7", "gd10", "gd13"}


# --- the schedule -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", range(1, ddim.MOST_STEPS + 1))
def test_no_number_of_steps_makes_what_is_no_number(steps):
    """With a network that knows the true clip: the result has the contrast that the schedule leaves, and all of it when that is undone."""
    generator = torch.Generator().manual_seed(steps)
    truth = torch.randn(1, 16, 4, 8, 8, generator=generator)
    scheduler = ddim.ShrinkingDdim(steps, lambda step: torch.randn(truth.shape, generator=generator))
    latents = torch.randn(truth.shape, generator=generator)
    shrunk = ddim.compute_shrinkage()
    for index, time in enumerate(scheduler.timesteps.tolist()):
        signal, clean = scheduler.now[index], truth * shrunk[time]
        noise = (latents - signal**0.5 * clean) / (1 - signal) ** 0.5
        latents = scheduler.step(signal**0.5 * noise - (1 - signal) ** 0.5 * clean, scheduler.timesteps[index], latents).prev_sample
        assert latents.isfinite().all()
    kept = (latents * truth).mean() / (truth**2).mean()
    assert kept == pytest.approx(ddim.compute_end_scale(steps) * scheduler.next[-1] ** 0.5, abs=0.01)
    assert kept / ddim.compute_end_scale(steps) == pytest.approx(1.0, abs=0.01)


def placed_pipeline(networks, **settings):
    return pipeline.ToonCrafterPipeline(networks, Placement(torch.device("cpu"), {}), pipeline.ToonCrafterSettings(**settings))


@pytest.mark.parametrize("passes", [False, True])
def test_the_whole_way_in_sixteen_bits(tiny, passes):
    """As on a GPU, except for the kind of 16-bit numbers: every network accepts the output of the one before."""
    made = load_networks(tiny, torch.bfloat16, sketches=True)
    pictures = torch.rand(2, 3, 64, 64) * 2 - 1
    keys = pipeline.encode_keys(made, pictures, torch.randn(2, 4, 8, 8))
    context = torch.cat([pipeline.encode_text(made, text.tokenize_prompt("", tiny)), pipeline.encode_image(made, pictures[:1])], dim=1)
    noise = torch.randn(1, 16, 4, 8, 8)
    clip = pipeline.ClipConditions(keys, context, context, lambda step: noise, torch.ones(1, 16, 1, 64, 64))
    whole = placed_pipeline(made, steps=1, batched_cfg=passes)
    latents = whole.denoise_clip(clip, noise)
    frames = whole.decode_clip(latents, keys.references, passes)
    assert context.dtype == torch.bfloat16 and latents.dtype == frames.dtype == torch.float32
    assert frames.shape == (16, 3, 64, 64) and frames.isfinite().all()


@pytest.mark.parametrize("sketches", [None, torch.ones(1, 16, 1, 64, 64)])
def test_both_halves_of_the_guidance_at_once_are_the_same(tiny, sketches):
    made = load_networks(tiny, torch.float32, sketches is not None)
    shape = (1, 16, 4, 8, 8)
    draws = lambda step: torch.randn(shape, generator=torch.Generator().manual_seed(step))  # noqa: E731
    keys = pipeline.EncodedKeys(torch.randn(2, 4, 8, 8), [])
    clip = pipeline.ClipConditions(keys, torch.randn(1, 333, 64), torch.randn(1, 333, 64), draws, sketches)
    one, other = (placed_pipeline(made, steps=1, batched_cfg=batched).denoise_clip(clip, draws(-1)) for batched in (False, True))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_stopped_run_goes_on_with_the_same_noise(tiny):
    made = load_networks(tiny, torch.float32)
    shape = (1, 16, 4, 8, 8)
    keys = pipeline.EncodedKeys(torch.randn(2, 4, 8, 8), [])
    draws = lambda step: torch.randn(shape, generator=torch.Generator().manual_seed(step))  # noqa: E731
    clip = pipeline.ClipConditions(keys, torch.randn(1, 333, 64), torch.randn(1, 333, 64), draws)
    states = []
    hooks = DenoisingHooks(keep=lambda state: states.append(replace(state, model_output=state.model_output.clone())))
    whole = placed_pipeline(made, steps=3).denoise_clip(clip, draws(-1), hooks)
    rest = placed_pipeline(made, steps=3).denoise_clip(clip, draws(-1), begin=states[1])
    assert torch.equal(whole, rest)


# --- tones --------------------------------------------------------------------------------------------------------


def moving(tones=lambda frame, place: frame):
    """A disc on its way over a background of two tones, (16, 3, 48, 64) in -1..1; `tones` changes the frame at a place 0 to 1."""
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    clip = torch.full((16, 3, 48, 64), -0.4)
    clip[:, :, 24:] = torch.tensor([0.1, 0.5, 0.2])[:, None, None]
    for number in range(16):
        clip[number, :, (x - 10 - 3 * number) ** 2 + (y - 24) ** 2 < 100] = torch.tensor([0.8, -0.6, -0.2])[:, None]
        clip[number] = tones(clip[number], number / 15)
    return clip


def test_drifting_tones_are_brought_to_the_keys():
    truth = moving()
    strayed = moving(lambda frame, place: frame * (0.92 - 0.05 * place) + 0.08 * (1 - place))
    made = tone.match_tones(strayed, truth[0], truth[-1])
    assert (made - truth).abs().mean() < 0.1 * (strayed - truth).abs().mean()
    torch.testing.assert_close(made[[0, -1]], truth[[0, -1]], rtol=0, atol=1e-5)
    torch.testing.assert_close(tone.match_tones(truth, truth[0], truth[-1]), truth)


def test_what_is_no_picture_of_a_key_is_left_alone():
    noise = torch.randn(16, 3, 48, 64).clamp(-1, 1)
    assert torch.equal(tone.match_tones(noise, *moving()[[0, -1]]), noise)
    flat = torch.zeros(16, 3, 48, 64)
    assert torch.equal(tone.match_tones(flat, flat[0], flat[-1]), flat)
    dull = moving() * 0.3
    brought = tone.match_tones(dull, *moving()[[0, -1]])
    assert brought[5, 0].std() == pytest.approx(1.25 * dull[5, 0].std().item(), rel=1e-4), "no more than a drift is put right"


# --- weights ------------------------------------------------------------------------------------------------------


def placed(path):
    """The content of a file for each network."""
    blocks = tiny_tooncrafter.configs()["text_encoder"]["num_hidden_layers"]
    return {(part, name): tensor for part, name, tensor in layout.assign_tensors(weights.read_tensors(path, ""), blocks)}


def copy(tiny, folder):
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "sketch_encoder.safetensors"):
        os.link(tiny / name, folder / name)
    return folder


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("form", ["state_dict", "plain", "DeepSpeed"])
def test_a_checkpoint_is_turned_into_safetensors_once(tiny, tmp_path, form):
    folder = copy(tiny, tmp_path / "ckpt")
    state = load_file(tiny / "model.safetensors")
    (folder / "model.safetensors").unlink()
    wrapped = {"_forward_module." + name: tensor for name, tensor in state.items()}
    torch.save({"state_dict": {"state_dict": state}, "plain": state, "DeepSpeed": {"module": wrapped}}[form], folder / "model.ckpt")
    made = convert_weights(find_weights(folder, "model"))
    assert made.suffix == ".safetensors" and same(placed(made), placed(tiny / "model.safetensors"))
    (folder / "model.ckpt").write_bytes(b"not needed any more")
    assert find_weights(folder, "model") == made and convert_weights(folder / "model.ckpt") == made


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harm-was-done",)


def test_a_pickle_runs_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = copy(tiny, tmp_path / "ckpt")
    (folder / "model.safetensors").unlink()
    torch.save({"state_dict": {"a": Harm()}}, folder / "model.ckpt")
    with pytest.raises(BadInput, match="not a file of weights"):
        load_networks(folder, torch.float32)
    assert not (tmp_path / "harm-was-done").exists()


def test_weights_without_clip_take_it_from_beside(tiny, tmp_path):
    """As in transformers, with everything that its file has besides the encoders."""
    folder = copy(tiny, tmp_path / "pruned")
    (folder / "model.safetensors").unlink()
    state = load_file(tiny / "model.safetensors")
    prefixes = {part: prefix for part, prefix in layout.PREFIXES.items() if part in TOWERS}
    save_file(
        {name: tensor for name, tensor in state.items() if not name.startswith(tuple(prefixes.values()))},
        folder / "tooncrafter_512_interp-pruned-fp16.safetensors",
    )
    with pytest.raises(BadInput, match="text_encoder/model.fp16.safetensors is missing"):
        load_networks(folder, torch.float32)
    wanted = load_networks(tiny, torch.float16)
    for part, tower in TOWERS.items():
        inner = {f"{tower}.{name}": tensor.clone() for name, tensor in getattr(wanted, part).state_dict().items()}
        last = tiny_tooncrafter.configs()[part]["num_hidden_layers"]
        beyond = {} if tower == "vision_model" else {f"{tower}.encoder.layers.{last}.layer_norm1.bias": torch.zeros(64)}
        more = {
            f"{tower}.embeddings.position_ids": torch.zeros(1, 77),
            f"{tower}.post_layernorm.bias": torch.zeros(80),
            "logit_scale": torch.ones(1),
        }
        (folder / part).mkdir()
        save_file(inner | more | beyond, folder / part / "model.safetensors")
    found = load_networks(folder, torch.float16)
    for part in TOWERS:
        assert same(getattr(found, part).state_dict(), getattr(wanted, part).state_dict())


def broken(tiny, tmp_path, change):
    folder = copy(tiny, tmp_path / "broken")
    state = load_file(tiny / "model.safetensors")
    (folder / "model.safetensors").unlink()
    change(state)
    save_file(state, folder / "model.safetensors")
    return folder


def drop(*parts):
    def change(state):
        for name in [name for name in state if any(part in name for part in parts)]:
            del state[name]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("attn_refinement", "time_stack", "mix_factor", "time_mix_conv"), "is of DynamiCrafter: it lacks the decoder"),
        (drop("init_attn"), "lacks the weights transformer_in"),
        (lambda state: state.update({"model.diffusion_model.input_blocks.1.1.alpha": torch.zeros(1)}), "has weights that"),
        (lambda state: state.update({"lora.up": torch.zeros(1)}), "no checkpoint of ToonCrafter: .*lora.up"),
        (lambda state: state.update({"image_proj_model.latents": torch.zeros(1, 256, 32)}), r"latents .* shape \[1, 256, 32\]"),
        (drop("model.diffusion_model", "first_stage"), "no checkpoint of ToonCrafter"),
    ],
)
def test_other_weights_are_recognized_by_their_names(tiny, tmp_path, change, message):
    with pytest.raises(BadInput, match=message):
        load_networks(broken(tiny, tmp_path, change), torch.float32)


def test_weights_that_are_not_there(tiny, tmp_path):
    with pytest.raises(BadInput, match="model.safetensors is missing; docs/tooncrafter.md"):
        load_networks(tmp_path, torch.float32)
    folder = copy(tiny, tmp_path / "without")
    (folder / "sketch_encoder.safetensors").unlink()
    load_networks(folder, torch.float32)
    with pytest.raises(BadInput, match="need the sketch encoder"):
        load_networks(folder, torch.float32, sketches=True)
    shutil.copy(tiny / "sketch_encoder.safetensors", folder / "tooncrafter_512_interp-fp16.safetensors")
    (folder / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="no checkpoint of ToonCrafter"):
        load_networks(folder, torch.float32)
    (folder / "tooncrafter_512_interp-fp16.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(BadInput, match="damaged"):
        load_networks(folder, torch.float32)


def test_what_is_trained_is_written_as_it_was_published(tiny):
    published = load_file(tiny / "model.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in published.items()}
    made = load_networks(tiny, torch.float16)
    for part in ("unet", "vae", "projector"):
        written = dict(layout.publish_tensors(getattr(made, part).state_dict(), part, shapes))
        assert all(torch.equal(published[name], tensor) for name, tensor in written.items()), part
        unused = {name for name in shapes if name.startswith(layout.PREFIXES[part])} - written.keys()
        assert all("post_quant_conv" in name for name in unused)


# --- prompts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["歩く男", "ходьба", "رجل يمشي", "🎬 walking", "walking  man\n", "x" * 999, "नमस्ते"])
def test_prompts_in_any_script(tiny, prompt):
    ids = text.tokenize_prompt(prompt, tiny / "tokenizer")
    assert ids.shape == (1, 77) and ids[0, 0] == text.BEGIN and (ids == text.END).sum() == 1 and ids.max() <= text.END


def test_known_prompts_need_no_tokenizer(tmp_path):
    assert text.tokenize_prompt("  an anime  scene ", tmp_path)[0, :6].tolist() == [49406, 550, 6469, 3562, 49407, 0]
    assert text.tokenize_prompt("", tmp_path)[0, :3].tolist() == [49406, 49407, 0]
    with pytest.raises(BadInput, match="vocab.json"):
        text.tokenize_prompt("a cat", tmp_path)


# --- memory -------------------------------------------------------------------------------------------------------


def test_the_published_size_is_planned_below_ten_gigabytes():
    parts = {part: weights.build_empty(lambda part=part: BUILDERS[part](CONFIGS[part])).half() for part in CONFIGS}
    without = ToonCrafterNetworks(**parts | {"sketch_encoder": None}, folder=None)  # type: ignore[arg-type]
    whole = memory.plan_memory(estimate_needs(without, (512, 320), 2), 10 << 30)
    assert whole.mode == memory.WHOLE and whole.bytes <= 10e9
    assert memory.plan_memory(estimate_needs(without, (512, 320), 2), 8 << 30).mode == memory.STAGES
    assert memory.plan_memory(estimate_needs(without, (1024, 576), 2), 24 << 30).mode == memory.WHOLE
    guided = ToonCrafterNetworks(**parts, folder=None)  # type: ignore[arg-type]
    assert memory.count_bytes(estimate_needs(guided, (512, 320), 2), memory.WHOLE, 8) > whole.bytes
