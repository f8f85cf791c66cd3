"""AniDoc against what its original networks made of the same inputs and weights. Every case of the fixtures is run, whatever its sizes."""

import functools
import json
import re

import numpy as np
import pytest
import synthetic
import torch

from engine.diffusion import weights
from engine.diffusion.memory import Placement
from engine.diffusion.networks import Residuals
from engine.diffusion.sampling import DenoisingHooks, DenoisingState, build_euler
from engine.diffusion.svd import clip_pixels, set_context_order
from engine.models.anidoc import networks, pipeline, points
from lab.models.anidoc import lineart

FOLDER = synthetic.FOLDER / "anidoc"
META = synthetic.meta("anidoc")
list_cases, read_case, keep_stored, read_number = (
    functools.partial(f, "anidoc") for f in (synthetic.list_cases, synthetic.read_case, synthetic.keep_stored, synthetic.read_number)
)
NETWORK, PIPELINE, GRADIENT = 1e-5, 1e-4, 1e-4
BUILDERS = {**networks.BUILDERS, "lineart": lambda config: lineart.LineArt(**config)}


@functools.cache
def net(component: str) -> torch.nn.Module:
    built = BUILDERS[component](META["components"][component]["config"])
    built.load_state_dict(synthetic.state("anidoc", component), strict=True)
    return built.eval()


@pytest.fixture
def pair():
    """UNet and ControlNet in the correct order, whatever an earlier test has set."""
    for name in ("unet", "controlnet"):
        set_context_order(net(name), "correct")
    return net("unet"), net("controlnet")


def near(got: torch.Tensor, wanted: torch.Tensor, limit: float, relative: bool = False) -> None:
    """`relative` to the largest wanted value, if that is above 1."""
    assert got.shape == wanted.shape
    worst = (got.detach() - wanted).abs().max().item()
    assert worst <= limit * (max(1.0, wanted.abs().max().item()) if relative else 1.0), f"{worst:.2e}"


def test_every_case_is_known() -> None:
    kinds = ("nets_", "points", "lineart", "clip_preprocess", "pipeline", "scheduler")
    assert META["cases"]
    assert [name for name in META["cases"] if not name.startswith(kinds)] == []
    assert synthetic.tensor("proj.bias", [2], "a/unet") == pytest.approx([-0.040140487, 0.074588537], abs=1e-8)


# --- networks -----------------------------------------------------------------------------------------------------


def call(unet, controlnet, data, sample: slice = slice(None)) -> tuple[Residuals, torch.Tensor, torch.Tensor]:
    latents, token, ids = (data[f"in.{name}"][sample] for name in ("sample", "encoder_hidden_states", "added_time_ids"))
    if "in.controlnet_cond" in data:
        embedding = controlnet.embed_condition(data["in.controlnet_cond"][sample])
    else:  # a cut holds what comes of it
        embedding = data["in.cond_embedding"].unflatten(0, data["in.sample"].shape[:2])[sample].flatten(0, 1)
    residuals = controlnet(latents, data["in.timestep"], token, ids, embedding)
    return residuals, unet(latents, data["in.timestep"], token, ids, residuals), unet(latents, data["in.timestep"], token, ids)


def check(outputs: tuple[Residuals, torch.Tensor, torch.Tensor], data, prefix: str, part=lambda t: t) -> None:
    """Compare with the stored outputs; residuals of which only some are stored, with these, and relative to their size."""
    residuals, with_, without = outputs
    named = {f"controlnet.down.{i}": skip for i, skip in enumerate(residuals.skips)}
    named |= {"controlnet.mid": residuals.middle, "unet": with_, "unet_no_control": without}
    stored = [name for name in named if prefix + name in data]
    assert {"controlnet.mid", "unet", "unet_no_control"} <= set(stored)
    for name in stored:
        near(named[name], part(data[prefix + name]), NETWORK, relative=name.startswith("controlnet"))


@pytest.mark.parametrize("name", list_cases("nets_"))
@torch.inference_mode()
def test_networks_as_released(name, pair) -> None:
    for each in pair:
        set_context_order(each, "released")
    check(call(*pair, read_case(name)), read_case(name), "out.")


@pytest.mark.parametrize("name", list_cases("nets_"))
@torch.inference_mode()
def test_networks_in_the_correct_order(name, pair) -> None:
    data = read_case(name)
    batch = len(data["in.sample"])
    prefix = "out." if batch == 1 else "out.per_sample."
    check(call(*pair, data), data, prefix)
    for index in range(batch):
        alone = call(*pair, data, slice(index, index + 1))
        check(alone, data, prefix, lambda t, index=index: t[index * len(t) // batch : (index + 1) * len(t) // batch])


@pytest.mark.parametrize("name", list_cases("nets_", "_gradnorms.json"))
def test_gradients(name, pair) -> None:
    data = read_case(name.replace("_gradnorms.json", ".safetensors"))
    wanted = synthetic.read_norms("anidoc", name)
    for each in pair:
        each.zero_grad(set_to_none=True)
    loss = ((call(*pair, data)[1] - data["in.target"]) ** 2).mean()
    loss.backward()
    near(loss, data["out.mse_loss"].squeeze(), 1e-5)
    found = {
        f"{component}.{key}": parameter.grad
        for component, each in zip(("unet", "controlnet"), pair, strict=True)
        for key, parameter in each.named_parameters()
    }
    assert found.keys() == wanted.keys()
    floor = 1e-5 * max(norm for norm in wanted.values() if norm is not None)
    for key, norm in wanted.items():
        got, norm = 0.0 if found[key] is None else found[key].norm().item(), norm or 0.0
        assert abs(got - norm) <= GRADIENT * norm or max(got, norm) < floor, key  # below the floor they are zero but for rounding
    for key in data:
        if key.startswith("out.grad."):
            gradient = found[key.removeprefix("out.grad.")]
            assert (gradient - data[key]).norm() <= 1e-3 * data[key].norm()
    for each in pair:
        each.zero_grad(set_to_none=True)


def test_full_size_networks_have_the_published_names_and_shapes() -> None:
    tables = json.loads((FOLDER / "full_size_keys.json").read_text("utf-8"))
    for component, config in META["full_size_configs"].items():
        built = weights.build_empty(lambda component=component, config=config: BUILDERS[component](config))
        assert {name: list(value.shape) for name, value in built.state_dict().items()} == tables[component], component


# --- the rest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_cases("lineart"))
@torch.inference_mode()
def test_lineart(name) -> None:
    data = read_case(name)
    lines = net("lineart")(data["in.x"])
    near(lines, data["out.y"], NETWORK)
    gray = lineart.convert_to_gray(lines)[0]
    assert np.abs(gray.astype(int) - data["out.u8"].numpy().astype(int)).max() <= 1
    assert (lineart.binarize_lines(data["out.u8"].numpy()) == data["out.binary"].numpy()).all()


@pytest.mark.parametrize("name", list_cases("clip_preprocess"))
@torch.inference_mode()
def test_clip(name) -> None:
    data = read_case(name)
    picture = data["in.image"].permute(2, 0, 1)[None].float() / 255
    encoder = net("image_encoder")
    pixels = clip_pixels(picture, encoder.config.image_size)
    near(keep_stored(name, "out.pixel_values", pixels), data["out.pixel_values"], 1e-5)
    near(encoder(pixels).image_embeds[:, None], data["out.image_embeddings"], NETWORK)


@pytest.mark.parametrize("name", list_cases("scheduler"))
def test_scheduler(name) -> None:
    data = read_case(name)
    for key in [key for key in data if key.startswith("out.sigmas.")]:
        steps = int(key.rpartition(".")[2])
        scheduler = build_euler(META["scheduler"], steps, None, torch.device("cpu"))
        near(scheduler.sigmas, data[key], 1e-5, relative=True)
        near(scheduler.timesteps, data[f"out.timesteps.{steps}"], 1e-5)
        near(torch.as_tensor(scheduler.init_noise_sigma).reshape(1), data[f"out.init_noise_sigma.{steps}"], 1e-5, relative=True)


@pytest.mark.parametrize("name", list_cases("points"))
def test_points(name) -> None:
    data = {key: value.numpy() for key, value in read_case(name).items()}
    size = data["out.map_ref"].shape[::-1]
    chosen, order = data["in.chosen"], data["in.sampled_order"]
    reference, sketch = points.round_to_pixels(data["in.raw_ref"], size), points.round_to_pixels(data["in.raw_sketch"], size)
    assert (reference == data["out.round_ref"]).all() and (sketch == data["out.round_sketch"]).all()
    reference, sketch = reference[chosen], sketch[chosen]
    assert (reference == data["out.selected_ref"]).all() and (sketch == data["out.selected_sketch"]).all()
    assert (points.build_id_map(reference, size) == data["out.map_ref"]).all()
    assert (points.build_id_map(sketch, size) == data["out.map_sketch"]).all()
    tracks, visible = data["in.tracks"][0], data["in.visible"][0]
    kept, probability = points.find_moving_points(tracks, visible)
    assert (kept == data["out.kept"]).all()
    assert probability == pytest.approx(data["out.sampling_probability"], abs=1e-5)
    shown = kept[order]
    tracks, visible, reference = tracks[:, shown], visible[:, shown], reference[shown]
    assert (reference == data["out.sampled_ref"][0]).all()
    assert (tracks == data["out.sampled_tracks"][0]).all() and (visible == data["out.sampled_visible"][0]).all()
    assert (points.build_id_map(reference, size) == data["out.tracked_map_ref"]).all()
    assert (points.build_frame_maps(tracks, visible, size) == data["out.tracked_map_frames"]).all()
    assert (points.build_heatmap(tracks, visible, size) == data["out.heatmap"]).all()


@pytest.mark.parametrize("order", ["released", "correct"])
@pytest.mark.parametrize("name", list_cases("pipeline"))
@torch.inference_mode()
def test_pipeline(name, order) -> None:
    """The whole way from a reference to frames: both halves of the guidance in one batch as released, and one after the other."""
    data = read_case(name)
    all_nets = networks.AniDocNetworks(*(net(part) for part in ("unet", "controlnet", "vae", "image_encoder")), scheduler=META["scheduler"])
    picture = data["in.reference_image"].permute(2, 0, 1)[None].float() / 255
    token = pipeline.encode_token(all_nets, picture)
    latent = pipeline.encode_latent(all_nets, picture, data["in.noise_image"])
    near(torch.cat([torch.zeros_like(token), token]), data["out.image_embeddings"], NETWORK)
    near(latent, data["out.image_latents"], PIPELINE)
    noise = data["in.noise_latents"]
    window = pipeline.AniDocWindow(range(noise.shape[1]), pipeline.EncodedReference(token, latent), lambda: data["in.controlnet_condition"])
    steps = int(read_number(name, r"(\d+) steps", 4))
    ramp = re.search(r"ramp ([\d.]+) -> ([\d.]+)", META["cases"][name])
    prefix = "out." if order == "released" else "out.per_sample."
    stored = {int(key.rpartition(".")[2]): data[key] for key in data if key.startswith(f"{prefix}latents.")}

    def watch(state: DenoisingState) -> None:
        if state.step - 1 in stored:
            near(state.latents, stored[state.step - 1], PIPELINE, relative=True)

    settings = pipeline.AniDocSettings(
        steps=steps,
        guidance=(float(ramp[1]), float(ramp[2])) if ramp else pipeline.GUIDANCE,
        control_scale=read_number(name, r"control scale ([\d.]+\d)", 1.0),
        context_order=order,
        batched_cfg=order == "released",
    )
    made = pipeline.AniDocPipeline(all_nets, Placement(torch.device("cpu"), {}), settings)
    latents = made.denoise_clip([window], noise, DenoisingHooks(keep=watch))
    if f"{prefix}frames" in data:
        chunk = int(read_number(name, r"chunks of (\d+)", 8))
        frames = torch.cat(list(made.decode_latents(latents, chunk)))
        near(frames.permute(0, 2, 3, 1), data[f"{prefix}frames"], PIPELINE)
