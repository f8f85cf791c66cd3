"""Animate Anyone's training: stage `image`, single frames, then stage `motion`, the motion modules on clips.

Loss, noise and dropout are those of the published configuration. Features of the reference are made anew in each lesson and given to the
loss as values, so that gradients of accumulated lessons add up and nothing of one lesson is seen by another.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor

from engine.diffusion import weights
from engine.job.errors import BadInput
from engine.models.animate_anyone import nets, sampler
from engine.models.animate_anyone.nets import FILES, HELP, Nets
from engine.models.animate_anyone.networks import UNet, build_denoising, build_reference, features, keys_of

from ...diffusion import clips, training
from . import lessons
from .lessons import Example

STAGES = ("image", "motion")
DROP = 0.1  # of the lessons have no reference
OFFSET = 0.05  # of noise that is the same all over a latent's channel
GAMMA = 5.0  # of the weights of noise levels
NOTE = "These weights were trained here and are not those that Moore Threads published."
UNTAUGHT = (".attn2.to_q.", ".attn2.to_k.", ".transformer_blocks.0.norm2.")  # with a single token of context they change nothing


@dataclass(frozen=True)
class Lesson:
    """`target` scaled latents (B, 4, F, h, w) · `poses` (B, 3, F, H, W) in 0..1 · `reference` latents (B, 4, h, w) · `token` (B, 1, C) ·
    `heard` whether the reference is read."""

    target: Tensor
    poses: Tensor
    reference: Tensor
    token: Tensor
    heard: bool = True


def train(settings: Mapping[str, Any]) -> Iterator[str]:
    """Train, or take up a training again; yields lines about its progress. `settings` are the options of `train animate_anyone`.

    Several cards are used when it is started by `accelerate launch`. Raises BadInput.
    """
    stage, size, source = settings["stage"], settings["size"], Path(settings["weights"])
    if size[0] % 64 or size[1] % 64:
        raise BadInput(f"Pictures of {size[0]}x{size[1]} px can't be trained on: give --size in multiples of 64.")
    count = 1 if stage == "image" else settings["frames"]
    found = clips.find(Path(settings["data"]), Path(settings["out"]) / "shots", 2 if stage == "image" else min(8, count))
    found = lessons.known(found)
    torch.manual_seed(settings["seed"])  # of weights that are new
    loaded = begin(source, stage)

    def draw(rng: np.random.Generator, device: torch.device) -> tuple[Example, Lesson]:
        example = lessons.read(found[rng.integers(len(found))], size, count, rng)
        return example, lesson(loaded, example, rng, device)

    taught = ("denoising_unet", "reference_unet", "pose_guider") if stage == "image" else ("denoising_unet",)
    others = [name for name in ("reference_unet", "pose_guider", "vae", "image_encoder") if name not in taught]
    course = training.Course(
        nets={name: getattr(loaded, name) for name in taught},
        frozen=[getattr(loaded, name) for name in others],
        trainable=lambda name: trained(name, stage),
        lesson=draw,
        loss=lambda drawn, rng: loss(loaded, drawn[1], rng),
        sheet=lambda drawn: sample_sheet(loaded, drawn[0]),
        save=lambda folder, states: save(folder, states, source),
        about=f"{len(found)} clips with poses",
    )
    yield from training.run(course, training.Settings.of(settings))


def trained(name: str, stage: str) -> bool:
    """Whether a stage trains a parameter: stage `motion` the motion modules alone, stage `image` all else, but for what of the reference's
    network no attention comes after, and what changes nothing."""
    if stage == "motion":
        return "motion_modules" in name
    return not name.startswith("reference_unet.up_blocks.3.") and not any(part in name for part in UNTAUGHT)


# --- what is learned ----------------------------------------------------------------------------------------------


def lesson(loaded: Nets, example: Example, rng: np.random.Generator, device: torch.device) -> Lesson:
    """An example as the networks see it; now and then its reference is not heard, and the image encoder sees nothing."""
    vae, encoder, heard = loaded.vae, loaded.image_encoder, rng.random() >= DROP
    frames = (sampler.pixels(example.frames) * 2.0 - 1.0).to(device, vae.dtype)
    reference = (sampler.pixels(example.reference[None]) * 2.0 - 1.0).to(device, vae.dtype)
    seen = sampler.clip_pixels(example.whole, encoder.config.image_size).to(device, encoder.dtype)
    with torch.no_grad():
        target = torch.cat([vae.encode(frame[None]).latent_dist.sample() for frame in frames]) * sampler.SCALING
        shown = vae.encode(reference).latent_dist.sample() * sampler.SCALING
        token = encoder(seen if heard else torch.zeros_like(seen)).image_embeds[:, None]
    poses = sampler.pixels(example.poses).to(device)
    return Lesson(target.transpose(0, 1)[None], poses.transpose(0, 1)[None], shown, token, heard)


def loss(loaded: Nets, of: Lesson, rng: np.random.Generator) -> Tensor:
    """The weighted error of what is said at random noise levels, one for each clip."""
    shape, device = of.target.shape, of.target.device
    noise = rng.standard_normal(shape, dtype=np.float32) + OFFSET * rng.standard_normal((*shape[:2], 1, 1, 1), dtype=np.float32)
    times = torch.from_numpy(rng.integers(0, 1000, shape[0])).to(device)
    return objective(loaded, of, torch.from_numpy(noise).to(device), times)[1]


def objective(loaded: Nets, of: Lesson, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """What the networks say of targets with this noise at these times (B,), and the loss."""
    noisy, wanted, share = taught(of.target, noise, times)
    batch, _, frames = of.poses.shape[:3]
    embedded = loaded.pose_guider(of.poses.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, frames)).transpose(1, 2)
    unet: UNet = loaded.denoising_unet
    keys = keys_of(unet, features(loaded.reference_unet, of.reference, of.token))
    said = unet(noisy, times, of.token, embedded, keys if of.heard else {})
    unheard = 0.0 if of.heard else sum(0.0 * part.mean() for pair in keys.values() for part in pair)  # no parameter is without a gradient
    return said, error(said, wanted, share) + unheard


def taught(latents: Tensor, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy latents, the velocity that is to be said of them, and the weight (B,) of each sample."""
    schedule: Any = DDIMScheduler.from_config({**sampler.SCHEDULER, "beta_schedule": "scaled_linear"})
    kept = schedule.alphas_cumprod.to(times.device)[times]
    ratio = kept / (1.0 - kept)
    share = torch.clamp(ratio + 1.0, max=GAMMA) / (ratio + 1.0)
    return schedule.add_noise(latents, noise, times), schedule.get_velocity(latents, noise, times), share


def error(said: Tensor, wanted: Tensor, share: Tensor) -> Tensor:
    return (((said.float() - wanted.float()) ** 2).flatten(1).mean(1) * share).mean()


# --- weights ------------------------------------------------------------------------------------------------------


def begin(folder: Path, stage: str) -> Nets:
    """Networks to train, in single precision: from weights of Animate Anyone, or for stage `image` from those of Stable Diffusion's image
    variations, with which both UNets begin. Raises BadInput."""
    config = nets.unet_config(folder)
    unet, reference = build_denoising(config, motion=stage == "motion"), build_reference(config)
    guider = nets.build_guider(nets.guider_config(config))
    if stage == "motion":
        nets.fill_denoising(unet, nets.read(folder, "denoising_unet"), nets.read(folder, "motion_module"), torch.float32)
    if stage == "motion" or any((folder / file).is_file() for file in FILES["denoising_unet"]):
        for name, net in (("reference_unet", reference), ("pose_guider", guider), ("denoising_unet", unet)):
            if name != "denoising_unet" or stage == "image":
                weights.fill(net, nets.read(folder, name), name, torch.float32, HELP)
    else:
        path = folder / "unet" / "diffusion_pytorch_model.safetensors"
        state = dict(weights.tensors(path, "give Animate Anyone's weights, or those of Stable Diffusion's image variations"))
        weights.fill(unet, state, path.name, torch.float32, HELP)
        headless = {name: value.clone() for name, value in state.items() if not name.startswith(("conv_norm_out.", "conv_out."))}
        weights.fill(reference, headless, path.name, torch.float32, HELP)
    return Nets(unet, reference, guider, *nets.load_encoders(folder, torch.float32), note=NOTE)


def save(folder: Path, states: training.States, source: Path) -> None:
    """Weights in the published layout; what was not trained is taken from `source`."""
    for part, state in states.items():
        spatial = {name: value for name, value in state.items() if "motion_modules" not in name}
        training.write(folder / FILES[part][0], spatial)
        if len(spatial) < len(state):
            motion = {nets.published("motion_module", name): value for name, value in state.items() if name not in spatial}
            training.write(folder / FILES["motion_module"][0], motion)
    for name in FILES:
        target = folder / FILES[name][0]
        if not target.exists() and any((source / file).is_file() for file in FILES[name]):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(nets.safe(source, name), target)
    for name in ("unet", "vae", "image_encoder"):
        config = source / name / "config.json"
        if config.is_file() and not (folder / name / "config.json").exists():
            (folder / name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(config, folder / name / "config.json")
    (folder / "about.json").write_text(json.dumps({"note": NOTE}), encoding="utf-8")


def sample_sheet(loaded: Nets, example: Example, steps: int = 8) -> np.ndarray:
    """What the networks make of an example now: reference, poses, truth, result."""
    count, size = len(example.frames), example.frames.shape[2:0:-1]
    device = next(loaded.denoising_unet.parameters()).device
    token = sampler.encode_token(loaded, example.whole)
    reference = sampler.encode_reference(loaded, token, sampler.encode_latent(loaded, example.reference, size))
    settings = replace(sampler.Settings(steps, schedule="scaled_linear"), together=False)
    windows = sampler.spans(count)
    latents = sampler.sample(
        loaded, reference, lambda frames: example.poses[list(frames)], sampler.start(count, size, 0), windows, settings, device
    )
    made = torch.cat(list(sampler.decode_frames(loaded, latents)))
    frames = (made.permute(0, 2, 3, 1).numpy() * 255.0).astype(np.uint8)
    return clips.sheet([example.reference[None], example.poses, example.frames, frames])
