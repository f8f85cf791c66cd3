"""Animate Anyone against what its original networks made of the same inputs and weights. Every case of the fixtures is run."""

import functools
import json
import re

import numpy as np
import pytest
import synthetic
import torch
from torch import nn

from engine.diffusion import weights
from engine.diffusion.memory import Placement
from engine.diffusion.sampling import DenoisingHooks, build_ddim
from engine.diffusion.windows import split_loop
from engine.job.pose import Pose
from engine.models.animate_anyone import networks, pipeline, pose_image
from engine.models.animate_anyone.weights import fill_denoising, is_constant, publish_name, rename_tensor
from lab.diffusion import training
from lab.models.animate_anyone import train

FOLDER = synthetic.FOLDER / "animate_anyone"
META = synthetic.meta("animate_anyone")
list_cases, read_case, keep_stored, read_number = (
    functools.partial(f, "animate_anyone")
    for f in (synthetic.list_cases, synthetic.read_case, synthetic.keep_stored, synthetic.read_number)
)
NETWORK, PIPELINE, LOSS, GRADIENT, TABLE = 1e-5, 2e-4, 1e-5, 1e-4, 1e-5
CPU = torch.device("cpu")


def state(component: str) -> dict[str, torch.Tensor]:
    """The weights of a component under our names."""
    return {rename_tensor(component, name): tensor for name, tensor in synthetic.state("animate_anyone", component).items()}


@functools.cache
def net(component: str, motion: bool = True):
    config = META["components"][component]["config"]
    if component == "denoising_unet":
        made = networks.build_denoising(config, motion)
        if motion:
            return fill_denoising(made, state("denoising_unet"), state("motion_module"), torch.float32)
        return weights.fill_weights(made, state("denoising_unet"), component, torch.float32, "")
    build = {
        "reference_unet": networks.build_reference,
        "pose_guider": networks.build_guider,
        "vae": networks.build_vae,
        "image_encoder": networks.build_image_encoder,
    }
    return weights.fill_weights(build[component](config), state(component), component, torch.float32, "")


@functools.cache
def whole() -> networks.AnimateAnyoneNetworks:
    return networks.AnimateAnyoneNetworks(
        *(net(part) for part in ("denoising_unet", "reference_unet", "pose_guider", "vae", "image_encoder"))
    )


def near(got: torch.Tensor, wanted: torch.Tensor, limit: float) -> None:
    assert got.shape == wanted.shape
    worst = (got.detach() - wanted).abs().max().item()
    assert worst <= limit, f"{worst:.2e}"


def same(got: torch.Tensor, wanted: torch.Tensor) -> None:
    assert got.shape == wanted.shape and (got == wanted).all()


def test_every_case_is_known() -> None:
    kinds = ("nets", "context_windows", "pipeline", "scheduler", "training_s", "pose_drawing")
    assert META["cases"]
    assert [name for name in META["cases"] if not name.startswith(kinds)] == []


# --- networks -----------------------------------------------------------------------------------------------------


def poses(data) -> torch.Tensor:
    images = data["in.pose_images"]
    batch, _, frames = images.shape[:3]
    return net("pose_guider")(images.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, frames)).transpose(1, 2)


def guided(data, unet, half: bool = False, posed: bool = True) -> torch.Tensor:
    token, latents = data["in.clip_embeds"], data["in.noisy_latents"]
    keys = networks.project_keys(unet, networks.collect_features(net("reference_unet"), data["in.ref_latents"], token), half)
    tokens = torch.cat([torch.zeros_like(token), token])
    return unet(torch.cat([latents, latents]), data["in.timestep"], tokens, poses(data) if posed else None, keys)


@pytest.mark.parametrize("name", list_cases("nets"))
@torch.inference_mode()
def test_networks(name) -> None:
    data, unet = read_case(name), net("denoising_unet")
    latents, token, time = data["in.noisy_latents"], data["in.clip_embeds"], data["in.timestep"]
    written = networks.collect_features(net("reference_unet"), data["in.ref_latents"], token)
    keys = networks.project_keys(unet, written)
    made = {
        "out.pose_features": lambda: poses(data),
        "out.cfg": lambda: guided(data, unet),
        "out.cfg_fp16_bank": lambda: guided(data, unet, half=True),
        "out.cfg_no_pose": lambda: guided(data, unet, posed=False),
        "out.no_cfg": lambda: unet(latents, time, token, poses(data), keys),
        "out.no_reference": lambda: unet(latents, time, token, poses(data)),
    }
    stored = {key for key in data if key.startswith("out.")}
    assert "out.cfg" in stored and stored <= made.keys()
    for key in stored:
        near(made[key](), data[key], NETWORK)
    for key in [key for key in data if key.startswith("trace.bank.")]:
        near(written[key.removeprefix("trace.bank.") + ".attn1"], data[key], NETWORK)


@pytest.mark.parametrize("name", list_cases("nets"))
@torch.inference_mode()
def test_the_group_norm_of_diffusers_is_another_network(name) -> None:
    """The negative control: normalized over all frames the result is far off, but for a single frame."""
    data, config = read_case(name), META["components"]["denoising_unet"]["config"]
    unet = networks.build_denoising(config)
    fill_denoising(unet, state("denoising_unet"), state("motion_module"), torch.float32)
    for module in unet.modules():
        if isinstance(module, networks.FrameNorm):
            module.__class__ = nn.GroupNorm
    worst = (guided(data, unet) - data["out.cfg"]).abs().max()
    assert worst > 0.05 if data["in.noisy_latents"].shape[2] > 1 else worst <= NETWORK


def test_full_size_networks_have_the_published_names_and_shapes() -> None:
    tables = json.loads((FOLDER / "full_size_keys.json").read_text("utf-8"))
    configs = META["full_size_configs"]
    unet = weights.build_empty(lambda: networks.build_denoising(networks.UNET))
    named = {name: list(value.shape) for name, value in unet.state_dict().items()}
    motion = {publish_name("motion_module", name): shape for name, shape in named.items() if "motion_modules" in name}
    constants = {name for name in tables["motion_module"] if is_constant(name)}
    assert motion == {name: shape for name, shape in tables["motion_module"].items() if name not in constants}
    assert {rename_tensor("motion_module", name) for name in motion} | {n for n in named if "motion_modules" not in n} == named.keys()
    assert {name: shape for name, shape in named.items() if "motion_modules" not in name} == tables["denoising_unet"]
    for component, build, config in (
        ("reference_unet", networks.build_reference, networks.UNET),
        ("pose_guider", networks.build_guider, networks.build_guider_config(networks.UNET)),
    ):
        made = weights.build_empty(lambda build=build, config=config: build(config)).state_dict()
        assert {name: list(value.shape) for name, value in made.items()} == tables[component], component
    for name in ("block_out_channels", "layers_per_block", "cross_attention_dim", "attention_head_dim"):
        assert networks.UNET[name] == configs["denoising_unet"][name]


# --- the rest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_cases("pose_drawing"))
def test_poses_are_drawn_to_the_pixel(name) -> None:
    data = {key: value.numpy() for key, value in read_case(name).items()}
    size = data["out.body"].shape[1::-1]

    def points(values: np.ndarray) -> tuple:
        return tuple((x * size[0], y * size[1]) for x, y in values.tolist())

    body = points(data["in.body"])
    hidden = tuple(None if left < 0 else point for point, left in zip(body, data["in.subset_missing"][0], strict=True))
    full = Pose(body, points(data["in.hands"][0]), points(data["in.hands"][1]), points(data["in.face"][0]))
    for pose, key in ((Pose(body), "out.body"), (Pose(hidden), "out.missing"), (full, "out.full")):
        assert (pose_image.draw_pose(pose, size) == data[key]).all(), key


@pytest.mark.parametrize("name", list_cases("context_windows", ".json"))
def test_windows(name) -> None:
    for said, wanted in json.loads(synthetic.read_fixture(FOLDER / name)).items():
        count, length, stride, overlap = (int(digits) for digits in re.findall(r"\d+", said))
        assert split_loop(count, length, overlap, stride) == wanted, said


@pytest.mark.parametrize("name", list_cases("scheduler"))
def test_scheduler(name) -> None:
    for key, wanted in read_case(name).items():
        _, schedule, table, *steps = key.split(".")
        scheduler = build_ddim({**pipeline.SCHEDULER, "beta_schedule": schedule}, int(steps[0]) if steps else 30, CPU)
        made = getattr(scheduler, table).reshape(wanted.shape)
        if wanted.is_floating_point():
            near(made, wanted, TABLE)  # the last digits of their sums and roots depend on the processor
        else:
            assert (made == wanted).all(), key


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("name", list_cases("pipeline"))
@torch.inference_mode()
def test_pipeline(name, together) -> None:
    """The whole way from a reference to frames, with both halves of the guidance in one batch or one after the other."""
    data = read_case(name)
    picture, drawn = data["in.reference_image"].numpy(), data["in.pose_images"].numpy()
    size = drawn.shape[2:0:-1]
    patterns = (r"(\d+) DDIM", r"guidance ([\d.]+\d)", r"of (\d+) with", r"overlap (\d+)", r"seeded (\d+)")
    steps, guidance, length, overlap, seed = (read_number(name, pattern) for pattern in patterns)
    schedule = "scaled_linear" if "scaled_linear" in META["cases"][name] else "linear"
    same(keep_stored(name, "out.clip_pixel_values", pipeline.prepare_clip_pixels(picture)), data["out.clip_pixel_values"])
    fitted = pipeline.normalize_pictures(pipeline.resize_picture(picture, size)[None]) * 2 - 1
    same(keep_stored(name, "out.reference_tensor", fitted), data["out.reference_tensor"])
    token, latent = pipeline.encode_token(whole(), picture), pipeline.encode_latent(whole(), picture, size)
    near(token[0], data["out.clip_image_embeds"], NETWORK)
    near(latent, data["out.reference_latents"], NETWORK)
    fitted = pipeline.normalize_pictures(pipeline.resize_picture(drawn[0], size)[None])
    same(keep_stored(name, "out.pose_tensor_frame0", fitted), data["out.pose_tensor_frame0"])
    near(pipeline.embed_poses(whole(), drawn[:1])[:, :, 0], data["out.pose_features_frame0"], NETWORK)
    count = len(drawn)
    same(pipeline.draw_clip_noise(count, size, int(seed)).transpose(1, 2), data["in.initial_noise"])
    stored = {int(key.rpartition(".")[2]) for key in data if key.startswith("out.latents.")}
    assert {0, int(steps) - 1} <= stored
    seen = []

    def watch(state) -> None:
        if state.window == 0:
            seen.append(state.step)
            if state.step - 1 in stored:
                near(state.latents.transpose(1, 2), data[f"out.latents.{state.step - 1}"], PIPELINE)

    settings = pipeline.AnimateAnyoneSettings(int(steps), guidance, schedule, together)
    made = pipeline.AnimateAnyonePipeline(whole(), Placement(CPU, {}), settings)
    reference = pipeline.encode_features(whole(), token, latent)
    windows = split_loop(count, int(length), int(overlap))
    conditions = pipeline.PosedWindows(reference, windows, lambda frames: drawn[list(frames)])
    latents = made.denoise_clip(conditions, data["in.initial_noise"].transpose(1, 2), DenoisingHooks(keep=watch))
    assert seen == list(range(1, int(steps) + 1))
    frames = torch.cat(list(made.decode_latents(latents)))
    near(keep_stored(name, "out.video", frames.transpose(0, 1)[None]), data["out.video"], PIPELINE)


# --- training -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_cases("training_step"))
def test_training_step(name) -> None:
    data = read_case(name)
    noisy, wanted, share = train.build_targets(data["in.latents"], data["in.noise"], data["in.timesteps"])
    near(noisy, data["out.noisy"], LOSS)
    near(wanted, data["out.target_v"], LOSS)
    near(share, data["out.weights"], LOSS)
    near(train.weighted_error(data["in.pred"], wanted, share).reshape(1), data["out.loss"], LOSS)


@pytest.mark.parametrize("name", list_cases("training_stage1") + list_cases("training_stage2"))
def test_loss_and_gradients(name) -> None:
    data, first = read_case(name), "stage1" in name
    unet = net.__wrapped__("denoising_unet", motion=not first)  # others were made for inference
    loaded = networks.AnimateAnyoneNetworks(unet, *(net.__wrapped__(part) for part in ("reference_unet", "pose_guider")), None, None)
    taught = {"denoising_unet": unet} | ({"reference_unet": loaded.reference_unet, "pose_guider": loaded.pose_guider} if first else {})
    learned = training.select_parameters(taught, lambda key: train.is_trained(key, "image" if first else "motion"))
    lesson = train.AnimateAnyoneBatch(data["in.latents"], data["in.pose_images"], data["in.ref_latents"], data["in.clip_embeds"])
    said, loss = train.compute_objective(loaded, lesson, data["in.noise"], data["in.timesteps"])
    near(said, data["out.pred"], NETWORK)
    near(loss.reshape(1), data["out.loss"], LOSS)
    loss.backward()
    found = {}
    for key, parameter in learned.items():
        component, _, own = key.partition(".")
        if "motion_modules" in own:
            component, own = "motion_module", publish_name("motion_module", own)
        found[f"{component}.{own}"] = parameter.grad
    wanted = synthetic.read_norms("animate_anyone", name.replace(".safetensors", "_gradnorms.json"))
    floor = 1e-5 * max(norm for norm in wanted.values() if norm is not None)
    for key, norm in wanted.items():
        got = 0.0 if found.get(key) is None else found[key].norm().item()
        norm = norm or 0.0
        assert abs(got - norm) <= GRADIENT * norm or max(got, norm) < floor, f"{key}: {got} instead of {norm}"
    assert found.keys() <= wanted.keys() and all(gradient is not None for gradient in found.values())
    for key in data:
        if key.startswith("out.grad."):
            gradient = found[key.removeprefix("out.grad.")]
            assert (gradient - data[key]).norm() <= GRADIENT * data[key].norm(), key
