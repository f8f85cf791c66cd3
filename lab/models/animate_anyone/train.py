"""Animate Anyone's training: stage `image`, single frames, then stage `motion`, the motion modules on clips.

Loss, noise and dropout are those of the published configuration. Features of the reference are computed for each example and passed to the
loss as values, so that gradients of accumulated examples add up and examples do not affect each other.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor

from engine.diffusion import weights
from engine.diffusion.memory import Placement
from engine.job.errors import BadInput
from engine.models.animate_anyone import networks, pipeline
from engine.models.animate_anyone.networks import (
    AnimateAnyoneNetworks,
    DenoisingUNet,
    build_denoising,
    build_reference,
    collect_features,
    project_keys,
)
from engine.models.animate_anyone.weights import (
    FILES,
    HELP,
    convert_weights,
    fill_denoising,
    load_encoders,
    publish_name,
    read_unet_config,
    read_weights,
)

from ...diffusion import clips, training
from . import lessons
from .lessons import PoseExample

STAGES = ("image", "motion")
DROP = 0.1  # fraction of the examples without reference
OFFSET = 0.05  # scale of noise that is constant over a latent's channel
GAMMA = 5.0  # of the min-SNR weights
NOTE = "These weights were trained here and are not those that Moore Threads published."
UNTAUGHT = (".attn2.to_q.", ".attn2.to_k.", ".transformer_blocks.0.norm2.")  # without effect for a single context token


@dataclass(frozen=True)
class AnimateAnyoneBatch:
    """`target` scaled latents (B, 4, F, h, w) · `poses` (B, 3, F, H, W) in 0..1 · `reference` latents (B, 4, h, w) · `token` (B, 1, C) ·
    `reads_reference` whether the reference is read."""

    target: Tensor
    poses: Tensor
    reference: Tensor
    token: Tensor
    reads_reference: bool = True


def train_model(settings: Mapping[str, Any]) -> Iterator[str]:
    """Train, or resume a training. Yields lines of progress. `settings` are the options of `train animate_anyone`.

    `accelerate launch` uses several GPUs. Raises BadInput.
    """
    stage, size, source = settings["stage"], settings["size"], Path(settings["weights"])
    if size[0] % 64 or size[1] % 64:
        raise BadInput(f"Pictures of {size[0]}x{size[1]} px can't be trained on: give --size in multiples of 64.")
    count = 1 if stage == "image" else settings["frames"]
    found = clips.find_clips(Path(settings["data"]), Path(settings["out"]) / "shots", 2 if stage == "image" else min(8, count))
    found = lessons.select_posed(found)
    torch.manual_seed(settings["seed"])  # for new weights
    loaded = load_trainable(source, stage)

    def draw(rng: np.random.Generator, device: torch.device) -> tuple[PoseExample, AnimateAnyoneBatch]:
        example = lessons.read_example(found[rng.integers(len(found))], size, count, rng)
        return example, build_batch(loaded, example, rng, device)

    taught = ("denoising_unet", "reference_unet", "pose_guider") if stage == "image" else ("denoising_unet",)
    others = [name for name in ("reference_unet", "pose_guider", "vae", "image_encoder") if name not in taught]
    spec = training.TrainingSpec(
        networks={name: getattr(loaded, name) for name in taught},
        frozen=[getattr(loaded, name) for name in others],
        trainable=lambda name: is_trained(name, stage),
        draw_batch=draw,
        compute_loss=lambda drawn, rng: compute_loss(loaded, drawn[1], rng),
        draw_sheet=lambda drawn: draw_sheet(loaded, drawn[0]),
        save_weights=lambda folder, states: save_weights(folder, states, source),
        about=f"{len(found)} clips with poses",
    )
    yield from training.run_training(spec, training.LoopSettings.select_options(settings))


def is_trained(name: str, stage: str) -> bool:
    """Whether a stage trains a parameter: stage `motion` the motion modules alone, stage `image` all others, except those of the
    reference's network after its last attention, and those without effect."""
    if stage == "motion":
        return "motion_modules" in name
    return not name.startswith("reference_unet.up_blocks.3.") and not any(part in name for part in UNTAUGHT)


# --- examples and loss --------------------------------------------------------------------------------------------


def build_batch(loaded: AnimateAnyoneNetworks, example: PoseExample, rng: np.random.Generator, device: torch.device) -> AnimateAnyoneBatch:
    """The networks' input for an example. At random its reference is not read, and the image encoder gets zeros."""
    vae, encoder, reads = loaded.vae, loaded.image_encoder, rng.random() >= DROP
    frames = (pipeline.normalize_pictures(example.frames) * 2.0 - 1.0).to(device, vae.dtype)
    reference = (pipeline.normalize_pictures(example.reference[None]) * 2.0 - 1.0).to(device, vae.dtype)
    clip_pixels = pipeline.prepare_clip_pixels(example.whole, encoder.config.image_size).to(device, encoder.dtype)
    with torch.no_grad():
        target = torch.cat([vae.encode(frame[None]).latent_dist.sample() for frame in frames]) * pipeline.SCALING
        shown = vae.encode(reference).latent_dist.sample() * pipeline.SCALING
        token = encoder(clip_pixels if reads else torch.zeros_like(clip_pixels)).image_embeds[:, None]
    poses = pipeline.normalize_pictures(example.poses).to(device)
    return AnimateAnyoneBatch(target.transpose(0, 1)[None], poses.transpose(0, 1)[None], shown, token, reads)


def compute_loss(loaded: AnimateAnyoneNetworks, batch: AnimateAnyoneBatch, rng: np.random.Generator) -> Tensor:
    """The weighted error of the output at random noise levels, one for each clip."""
    shape, device = batch.target.shape, batch.target.device
    noise = rng.standard_normal(shape, dtype=np.float32) + OFFSET * rng.standard_normal((*shape[:2], 1, 1, 1), dtype=np.float32)
    times = torch.from_numpy(rng.integers(0, 1000, shape[0])).to(device)
    return compute_objective(loaded, batch, torch.from_numpy(noise).to(device), times)[1]


def compute_objective(loaded: AnimateAnyoneNetworks, batch: AnimateAnyoneBatch, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """The networks' output for targets with this noise at these times (B,), and the loss."""
    noisy, wanted, share = build_targets(batch.target, noise, times)
    samples, _, frames = batch.poses.shape[:3]
    embedded = loaded.pose_guider(batch.poses.transpose(1, 2).flatten(0, 1)).unflatten(0, (samples, frames)).transpose(1, 2)
    unet: DenoisingUNet = loaded.denoising_unet
    keys = project_keys(unet, collect_features(loaded.reference_unet, batch.reference, batch.token))
    output = unet(noisy, times, batch.token, embedded, keys if batch.reads_reference else {})
    unused = (
        0.0 if batch.reads_reference else sum(0.0 * part.mean() for pair in keys.values() for part in pair)
    )  # so that all parameters have a gradient
    return output, weighted_error(output, wanted, share) + unused


def build_targets(latents: Tensor, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy latents, their target velocity, and the weight (B,) of each sample."""
    schedule: Any = DDIMScheduler.from_config({**pipeline.SCHEDULER, "beta_schedule": "scaled_linear"})
    kept = schedule.alphas_cumprod.to(times.device)[times]
    ratio = kept / (1.0 - kept)
    share = torch.clamp(ratio + 1.0, max=GAMMA) / (ratio + 1.0)
    return schedule.add_noise(latents, noise, times), schedule.get_velocity(latents, noise, times), share


def weighted_error(output: Tensor, wanted: Tensor, share: Tensor) -> Tensor:
    """The mean squared difference, with each sample weighted by its `share` (B,)."""
    return (((output.float() - wanted.float()) ** 2).flatten(1).mean(1) * share).mean()


# --- weights ------------------------------------------------------------------------------------------------------


def load_trainable(folder: Path, stage: str) -> AnimateAnyoneNetworks:
    """Load networks to train, in single precision: from weights of Animate Anyone, or for stage `image` from those of Stable Diffusion's
    image variations, from which both UNets start. Raises BadInput."""
    config = read_unet_config(folder)
    unet, reference = build_denoising(config, motion=stage == "motion"), build_reference(config)
    guider = networks.build_guider(networks.build_guider_config(config))
    if stage == "motion":
        fill_denoising(unet, read_weights(folder, "denoising_unet"), read_weights(folder, "motion_module"), torch.float32)
    if stage == "motion" or any((folder / file).is_file() for file in FILES["denoising_unet"]):
        for name, net in (("reference_unet", reference), ("pose_guider", guider), ("denoising_unet", unet)):
            if name != "denoising_unet" or stage == "image":
                weights.fill_weights(net, read_weights(folder, name), name, torch.float32, HELP)
    else:
        path = folder / "unet" / "diffusion_pytorch_model.safetensors"
        state = dict(weights.read_tensors(path, "give Animate Anyone's weights, or those of Stable Diffusion's image variations"))
        weights.fill_weights(unet, state, path.name, torch.float32, HELP)
        headless = {name: value.clone() for name, value in state.items() if not name.startswith(("conv_norm_out.", "conv_out."))}
        weights.fill_weights(reference, headless, path.name, torch.float32, HELP)
    return AnimateAnyoneNetworks(unet, reference, guider, *load_encoders(folder, torch.float32), note=NOTE)


def save_weights(folder: Path, states: training.States, source: Path) -> None:
    """Write weights in the published layout. Parts that were not trained are copied from `source`."""
    for part, state in states.items():
        spatial = {name: value for name, value in state.items() if "motion_modules" not in name}
        training.write_weights(folder / FILES[part][0], spatial)
        if len(spatial) < len(state):
            motion = {publish_name("motion_module", name): value for name, value in state.items() if name not in spatial}
            training.write_weights(folder / FILES["motion_module"][0], motion)
    for name in FILES:
        target = folder / FILES[name][0]
        if not target.exists() and any((source / file).is_file() for file in FILES[name]):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(convert_weights(source, name), target)
    for name in ("unet", "vae", "image_encoder"):
        config = source / name / "config.json"
        if config.is_file() and not (folder / name / "config.json").exists():
            (folder / name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(config, folder / name / "config.json")
    (folder / "about.json").write_text(json.dumps({"note": NOTE}), encoding="utf-8")


def draw_sheet(loaded: AnimateAnyoneNetworks, example: PoseExample, steps: int = 8) -> np.ndarray:
    """A sheet of the networks' current result for an example: reference, poses, truth, result."""
    count, size = len(example.frames), example.frames.shape[2:0:-1]
    device = next(loaded.denoising_unet.parameters()).device
    token = pipeline.encode_token(loaded, example.whole)
    reference = pipeline.encode_features(loaded, token, pipeline.encode_latent(loaded, example.reference, size))
    settings = pipeline.AnimateAnyoneSettings(steps, schedule="scaled_linear", batched_cfg=False)
    current = pipeline.AnimateAnyonePipeline(loaded, Placement(device, {}), settings)
    conditions = pipeline.PosedWindows(reference, pipeline.plan_windows(count), lambda frames: example.poses[list(frames)])
    latents = current.denoise_clip(conditions, pipeline.draw_clip_noise(count, size, 0))
    made = torch.cat(list(current.decode_latents(latents)))
    frames = (made.permute(0, 2, 3, 1).numpy() * 255.0).astype(np.uint8)
    return clips.build_sheet([example.reference[None], example.poses, example.frames, frames])
