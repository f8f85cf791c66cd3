"""LVCD against what its original networks made of the same inputs and weights. Every case of the fixtures is run, whatever its sizes."""

import contextlib
import functools
import json
from dataclasses import replace

import pytest
import synthetic
import torch

from engine.diffusion import edm, parts, weights
from engine.diffusion.parts import SvdNetworks
from engine.models.lvcd import naming, networks, pipeline, slots
from engine.models.lvcd.weights import CONFIGS
from lab.diffusion import training
from lab.models.lvcd import train

FOLDER = synthetic.FOLDER / "lvcd"
META = synthetic.meta("lvcd")
list_cases, read_case, read_number = (
    functools.partial(f, "lvcd") for f in (synthetic.list_cases, synthetic.read_case, synthetic.read_number)
)
NETWORK, SAMPLED, LOSS, GRADIENT = 1e-4, 1e-4, 1e-5, 1e-3
CPU = torch.device("cpu")


def stripped(component: str, prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in synthetic.state("lvcd", component).items()}


@functools.cache
@torch.inference_mode(False)  # gradients are asked for as well
def net(component: str) -> torch.nn.Module:
    about = META["components"]
    if component == "vae":
        built = parts.build_vae(about["vae_decoder"]["config"]["diffusers"])
        state = naming.rename_vae(stripped("vae_encoder", naming.VAE) | stripped("vae_decoder", naming.VAE))
    else:
        prefix = naming.UNET if component == "unet" else naming.CONTROL
        state = naming.rename_denoisers(stripped(component, prefix))
        built = networks.BUILDERS["unet" if component == "unet" else "controlnet"](about[component]["config"]["diffusers"])
    built.load_state_dict(state, strict=True)
    return built.eval()


def all_nets() -> SvdNetworks:
    return SvdNetworks(net("unet"), net("control_model"), net("vae"), None)


def near(got: torch.Tensor, wanted: torch.Tensor, limit: float, relative: bool = False) -> None:
    """`relative` to the largest wanted value, if that is above 1."""
    assert got.shape == wanted.shape
    worst = (got.detach() - wanted).abs().max().item()
    assert worst <= limit * (max(1.0, wanted.abs().max().item()) if relative else 1.0), f"{worst:.2e}"


def test_every_case_is_known() -> None:
    kinds = ("fwd_", "unit", "sampling_", "train_step", "vae", "decode_video")
    assert META["cases"]
    assert [name for name in META["cases"] if not name.startswith(kinds)] == []


# --- networks -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def added(vector: torch.Tensor):
    """The added vector is a case's own, instead of that of frames a second and motion."""
    each = net("unet"), net("control_model")
    hooks = [one.add_time_proj.register_forward_hook(lambda net, ids, made: vector.reshape(made.shape)) for one in each]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def forward(data, layout: slots.SlotLayout, control: bool = True) -> torch.Tensor:
    """The UNet's output of a case, (B * T, 4, h, w)."""
    unet, controlnet = net("unet"), net("control_model")
    slots.set_slot_layout(layout, unet, controlnet)
    token, time, ids = data["in.clip_embedding"], data["in.timesteps"], torch.zeros(len(data["in.clip_embedding"]), 3)
    noisy = data["in.sample"].unflatten(0, (-1, layout.count))
    given = torch.cat([noisy, data["in.concat_latent"][:, None].expand_as(noisy)], dim=2)
    with added(data["in.vector"]):
        residuals = None
        if control:
            sketch = data["in.sketch"].float().expand(-1, 3, -1, -1).unflatten(0, (-1, layout.count))
            residuals = controlnet(given, time, token, ids, controlnet.embed_condition(sketch))
        return unet(given, time, token, ids, residuals).flatten(0, 1)


@pytest.mark.parametrize("name", list_cases("fwd_"))
@torch.inference_mode()
def test_networks(name) -> None:
    data = read_case(name)
    frames = len(data["in.sample"]) // len(data["in.timesteps"])
    layouts = {"model_output": slots.build_plain_layout(frames) if "plain" in name else slots.build_first_layout(frames - 15)}
    if "overlap" in META["cases"][name]:
        overlap = frames - 15
        layouts |= {
            "normal": slots.build_first_layout(overlap),
            "prevref": slots.build_later_layout(overlap),
            "prevref_late": replace(slots.build_first_layout(overlap), gain=slots.build_later_layout(overlap).gain),
            "prevref_alpha1": slots.build_later_layout(overlap, 1.0),
        }
        if "out.prevref" not in data:
            layouts["model_output"] = layouts["prevref"]
    wanted = {key: value for key, value in data.items() if key.startswith("out.")}
    assert wanted
    for key, value in wanted.items():
        near(forward(data, layouts[key.removeprefix("out.")], control="plain" not in name), value, NETWORK)


@pytest.mark.parametrize("name", list_cases("unit"))
@torch.inference_mode()
def test_layers(name) -> None:
    data, about = read_case(name), META["components"]
    held = slots.LayoutHolder()
    config = about["unit_conv"]["config"]
    conv = slots.VideoConv(
        held, torch.nn.Conv3d(config["in_channels"], config["out_channels"], config["kernel"], padding=config["padding"])
    )
    conv.load_state_dict(synthetic.state("lvcd", "unit_conv"))
    layers = {}
    for kind, processor in (("temporal", slots.VideoAttention(held)), ("reference", slots.ReferenceAttention(held, gained=True))):
        config = about[f"unit_{kind}_attention"]["config"]
        layer = slots.Attention(config["dim"], heads=config["heads"], dim_head=config["dim_head"], processor=processor)
        layer.load_state_dict(synthetic.state("lvcd", f"unit_{kind}_attention"))
        layers[f"{kind}_attention"] = layer.eval()
    layers["conv"] = conv
    for key in (key for key in data if key.startswith("in.")):
        kind, _, frames = key.removeprefix("in.").partition("_T")
        held.layout = slots.build_plain_layout(14) if frames == "14" else slots.build_first_layout(int(frames or 15) - 15)
        near(layers[kind](data[key]), data[key.replace("in.", "out.")], 1e-5)
    for key in (key for key in data if key.startswith("out.sigmas_")):
        near(edm.build_sigmas(int(key.rpartition("_")[2])), data[key], 1e-5, relative=True)
    made = edm.compute_scalings(data["out.sigmas_25"][:-1])
    for key in ("c_skip", "c_out", "c_in", "c_noise"):
        near(getattr(made, key), data[f"out.{key}"], 1e-5)
    vector = net("unet").add_time_proj(torch.tensor([pipeline.TIME_IDS]).flatten()).reshape(1, -1)
    near(vector, data["out.vector_32"], 1e-5)


@pytest.mark.parametrize("name", list_cases("train_step"))
def test_training_step(name) -> None:
    data, loaded = read_case(name), all_nets()
    learned = training.select_parameters({"unet": loaded.unet, "controlnet": loaded.controlnet}, train.select_trained(loaded).__contains__)
    target, noise, sketch = (data[key].unflatten(0, (-1, slots.VIDEO + 1)) for key in ("in.latents", "in.noise", "in.sketch"))
    lesson = train.LvcdBatch(
        target, sketch.float().expand(-1, -1, networks.CHANNELS, -1, -1), data["in.clip_embedding"], data["in.concat_latent"]
    )
    with added(data["in.vector"]):
        found = train.compute_errors(loaded, lesson, data["in.sigma"], noise)
    near(found.flatten(), data["out.loss_per_frame"], LOSS, relative=True)
    near(found.mean(), data["out.loss"].squeeze(), LOSS)
    found.mean().backward()
    wanted = {key.removeprefix("out.grad."): value for key, value in data.items() if key.startswith("out.grad.")}
    assert wanted
    for key, value in wanted.items():
        part, prefix = ("controlnet", naming.CONTROL) if key.startswith(naming.CONTROL) else ("unet", naming.UNET)
        got = learned[f"{part}.{naming.rename_denoiser(key.removeprefix(prefix))}"].grad
        assert got is not None and (got - value).norm() <= GRADIENT * value.norm(), key
    for each in (loaded.unet, loaded.controlnet):
        each.zero_grad(set_to_none=True)
        each.requires_grad_(False)


# --- the VAE ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_cases("vae"))
@torch.inference_mode()
def test_vae(name) -> None:
    data, vae = read_case(name), net("vae")
    found = vae.encode(data["in.images"]).latent_dist
    near(found.parameters, data["out.moments"], NETWORK)
    near(vae.decode(data["in.latents"], num_frames=len(data["in.latents"])).sample, data["out.decoded"], NETWORK)


@pytest.mark.parametrize("name", list_cases("decode_video"))
@torch.inference_mode()
def test_decoding(name) -> None:
    data = read_case(name)
    latents = data["in.latents"]
    made = {}
    for index in range(len(latents)):
        if index not in made:
            made |= pipeline.decode_chunk(all_nets().vae, pipeline.find_chunk(index, len(latents)), latents.__getitem__)
    frames = torch.stack([made[index] for index in range(len(latents))])
    near(frames * 2 - 1, data["out.frames"], NETWORK)


# --- sampling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_cases("sampling_"))
@torch.inference_mode()
def test_sampling(name) -> None:
    data = read_case(name)
    sketches = data["in.sketches"].float().expand(-1, 3, -1, -1)
    scheme = pipeline.SegmentScheme(overlap=int(read_number(name, r"overlap (\d+)")), alpha=read_number(name, r"alpha ([\d.]+\d|\d+)"))
    reference = pipeline.LvcdReference(data["in.clip_embedding"], data["in.latent_sample"], data["in.latent_mode"])
    sigmas = edm.build_sigmas(int(read_number(name, r"(\d+) Euler steps")))
    chain = pipeline.LvcdChain(reference, len(sketches), lambda place: sketches[place])
    wanted = data["out.latents"]
    latents, before = [], None
    for index, span in enumerate(pipeline.split_segments(len(sketches), scheme.overlap)):
        if index == read_number(name, r"(\d+) segment"):
            break  # the original leaves the last drawings out
        part = pipeline.begin_segment(all_nets(), chain, index, before, data["in.x_T"], scheme, CPU)
        (before,) = pipeline.denoise_segments([part], sigmas, scheme)
        for field in ("noise", "latents"):
            near(getattr(before, field), data.get(f"out.segment{index}_{field}", getattr(before, field)), SAMPLED)
        latents[span.start - 1 :] = before.latents[-slots.VIDEO :]
    near(torch.stack([data["in.latent_sample"][0] * pipeline.SCALE, *latents]), wanted, SAMPLED)
    assert len(wanted) == 1 + len(latents)


# --- full size ----------------------------------------------------------------------------------------------------


def test_full_size_networks_have_the_published_names_and_shapes() -> None:
    tables = json.loads((FOLDER / "full_size_keys.json").read_text("utf-8"))
    base, over = (
        {name: torch.empty(shape, device="meta") for name, shape in tables[file].items()} for file in ("svd.safetensors", "lvcd.ckpt")
    )
    known = tuple(prefix for prefix, _ in naming.PARTS.values())
    assert [name for name in base if not name.startswith(known + naming.UNUSED)] == []
    built = {name: weights.build_empty(lambda name=name: networks.BUILDERS[name](CONFIGS[name])) for name in naming.PARTS}
    for part, (prefix, rename) in naming.PARTS.items():
        state = rename({name.removeprefix(prefix): tensor for name, tensor in base.items() if name.startswith(prefix)})
        assert shapes(state) == shapes(built[part].state_dict()), part
    tuned = naming.rename_denoisers({name.removeprefix(naming.UNET): t for name, t in over.items() if name.startswith(naming.UNET)})
    assert shapes(tuned) == shapes(dict(slots.list_self_attention(built["unet"])))
    control = naming.rename_denoisers(
        {name.removeprefix(naming.CONTROL): t for name, t in over.items() if not name.startswith(naming.UNET)}
    )
    assert shapes(control) == shapes(weights.build_empty(lambda: networks.build_controlnet(parts.UNET)).state_dict())


def shapes(state) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
