"""LVCD's training, after its paper and code, with sketch augmentation as its authors and AniDoc's suggest.

An example has fifteen slots: an earlier frame as the reference, and fourteen consecutive frames. All of them, including the reference, get
noise of the same level and are denoised. Only the ControlNet and the UNet's self-attention in space and time are trained.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from skimage.morphology import skeletonize
from torch import Tensor

from engine.diffusion import edm, parts
from engine.diffusion.parts import SvdNetworks
from engine.diffusion.svd import decode_frames
from engine.job.errors import BadInput
from engine.models.lvcd import networks, pipeline, slots
from engine.models.lvcd.networks import HELP
from engine.models.lvcd.slots import VIDEO, SlotLayout
from engine.models.lvcd.weights import OVER, load_networks

from ...diffusion import clips, training

LOG_SIGMA = (1.0, 1.6)  # mean and standard deviation of the noise levels' logarithm
QUARTER = 0.25  # the released code takes the reference from this first part of the frames before a run, the paper from all
THICKEST = 4  # px by which lines are thickened at most
NOTE = "These weights were trained here and are not those that LVCD's authors published."
REFERENCES = ("early", "any")
LEARNED = slots.build_first_layout()


@dataclass(frozen=True)
class LvcdBatch:
    """B runs: `target` scaled latents (B, 15, 4, h, w), the reference's first · `sketches` (B, 15, 3, 8 h, 8 w), 1 on lines ·
    `token` (B, 1, C) and `latent` (B, 4, h, w), not scaled, of the reference."""

    target: Tensor
    sketches: Tensor
    token: Tensor
    latent: Tensor


def train_model(settings: Mapping[str, Any]) -> Iterator[str]:
    """Train, or resume a training. Yields lines of progress. `settings` are the options of `train lvcd`.

    `accelerate launch` uses several GPUs. Raises BadInput.
    """
    size, source = settings["size"], Path(settings["weights"])
    if size[0] % 64 or size[1] % 64:
        raise BadInput(f"Pictures of {size[0]}x{size[1]} px can't be trained on: give --size in multiples of 64.")
    found = clips.find_clips(Path(settings["data"]), Path(settings["out"]) / "shots", least=VIDEO + 1)
    torch.manual_seed(settings["seed"])  # for new weights
    loaded = load_trainable(source)
    layout = slots.drop_reference(LEARNED) if settings["no_reference_attention"] else LEARNED

    def draw(rng: np.random.Generator, device: torch.device) -> LvcdBatch:
        frames, sketches = read_example(found[rng.integers(len(found))], size, settings["reference"], not settings["as_drawn"], rng)
        return build_batch(loaded, frames, sketches, device)

    spec = training.TrainingSpec(
        networks={"unet": loaded.unet, "controlnet": loaded.controlnet},
        frozen=(loaded.vae, loaded.image_encoder),
        trainable=select_trained(loaded).__contains__,
        draw_batch=draw,
        compute_loss=lambda drawn, rng: compute_loss(loaded, drawn, rng, layout),
        draw_sheet=lambda drawn: draw_sheet(loaded, drawn, layout),
        save_weights=lambda folder, states: save_weights(folder, states, loaded, source),
        about=f"{len(found)} clips",
    )
    yield from training.run_training(spec, training.LoopSettings.select_options(settings, clip=0.0))


# --- examples and loss --------------------------------------------------------------------------------------------


def load_trainable(folder: Path) -> SvdNetworks:
    """Load networks to train, from LVCD's weights or Stable Video Diffusion's in diffusers' layout, in single precision. Raises
    BadInput."""
    if parts.find_part(folder, "controlnet").is_file() or any((folder / name).is_file() for name in OVER):
        return replace(load_networks(folder, torch.float32), note=NOTE)
    unet, vae, image_encoder = (
        parts.load_part(folder, part, torch.float32, HELP, networks.BUILDERS[part]) for part in ("unet", "vae", "image_encoder")
    )
    return SvdNetworks(unet, networks.copy_controlnet(unet), vae, image_encoder, NOTE)


def select_trained(loaded: SvdNetworks) -> set[str]:
    """The names of the trained parameters: all of the ControlNet, and those that LVCD changes in the UNet."""
    of_unet, all_of = (
        (name for name, _ in slots.list_self_attention(loaded.unet)),
        (name for name, _ in loaded.controlnet.named_parameters()),
    )
    return {*(f"unet.{name}" for name in of_unet), *(f"controlnet.{name}" for name in all_of)}


def read_example(
    clip: clips.TrainingClip, size: tuple[int, int], reference: str, vary: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A reference and fourteen frames of a random run after it: uint8 (15, H, W, 3), and their sketches (15, H, W), dark on 255.

    `reference` is a frame of the first quarter of those before the run ('early') or 'any' of them. Raises BadInput.
    """
    start = int(rng.integers(1, len(clip.frames) - VIDEO + 1))
    before = max(1, int(QUARTER * start)) if reference == "early" else start
    paths = [clip.frames[rng.integers(before)], *clip.frames[start : start + VIDEO]]
    sketches = clips.load_sketches(paths, size)
    return clips.flatten_pictures(clips.load_pictures(paths, size)), vary_sketches(sketches, rng) if vary else sketches


def vary_sketches(sketches: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Augment the line art (n, H, W) of a run, dark on 255, all frames in the same way: unchanged, a pixel thin, or up to THICKEST px
    thicker, and binary in half of the cases."""
    kind, thicker = rng.random(), int(rng.integers(1, THICKEST + 1))
    if kind < 0.25:
        sketches = np.stack([np.where(skeletonize(one <= clips.PAPER), 0, 255).astype(np.uint8) for one in sketches])
    elif kind < 0.5:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thicker + 1, thicker + 1))
        sketches = np.stack([cv2.erode(one, disc) for one in sketches])
    return clips.binarize_gray(sketches) if rng.random() < 0.5 else sketches


def build_batch(loaded: SvdNetworks, frames: np.ndarray, sketches: np.ndarray, device: torch.device) -> LvcdBatch:
    """The networks' input for a run, from the frames and sketches of `read_example`."""
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255.0
    with torch.no_grad():
        encoded = loaded.vae.encode((pictures * 2.0 - 1.0).to(device)).latent_dist.sample()
    reference = pipeline.LvcdReference.encode_picture(loaded, pictures[:1])
    lines = 1.0 - torch.from_numpy(sketches).float() / 255.0
    return LvcdBatch(
        target=(encoded * pipeline.SCALE)[None],
        sketches=lines[None, :, None].expand(-1, -1, networks.CHANNELS, -1, -1).to(device),
        token=reference.token.clone(),
        latent=reference.latent.clone(),
    )


def compute_loss(loaded: SvdNetworks, batch: LvcdBatch, rng: np.random.Generator, layout: SlotLayout = LEARNED) -> Tensor:
    """The mean error, with a random noise level for each run."""
    device = batch.target.device
    sigma = torch.from_numpy(np.exp(rng.normal(*LOG_SIGMA, len(batch.target))).astype(np.float32)).to(device)
    noise = torch.from_numpy(rng.standard_normal(batch.target.shape, dtype=np.float32)).to(device)
    return compute_errors(loaded, batch, sigma, noise, layout).mean()


def compute_errors(loaded: SvdNetworks, batch: LvcdBatch, sigma: Tensor, noise: Tensor, layout: SlotLayout = LEARNED) -> Tensor:
    """The weighted error of each slot (B, 15), at noise levels (B,) and with noise like the target."""
    slots.set_slot_layout(layout, loaded.unet, loaded.controlnet)
    level = sigma.view(-1, 1, 1, 1, 1)
    scale = edm.compute_scalings(level)
    noisy = batch.target + level * noise
    given = torch.cat([scale.c_in * noisy, batch.latent[:, None].expand_as(noisy)], dim=2)
    time, token = edm.compute_scalings(sigma).c_noise, batch.token
    ids = torch.tensor([pipeline.TIME_IDS], device=noisy.device).expand(len(noisy), -1)
    residuals = loaded.controlnet(given, time, token, ids, loaded.controlnet.embed_condition(batch.sketches))
    clean = scale.c_skip * noisy + scale.c_out * loaded.unet(given, time, token, ids, residuals)
    return ((level**2 + 1) / level**2 * (clean - batch.target) ** 2).mean((2, 3, 4))


# --- sheets and weights -------------------------------------------------------------------------------------------


def draw_sheet(loaded: SvdNetworks, batch: LvcdBatch, layout: SlotLayout = LEARNED, steps: int = 8) -> np.ndarray:
    """A sheet of the networks' current result for a run: sketches, truth, result, each with the reference first."""
    chain = pipeline.LvcdChain(
        pipeline.LvcdReference(batch.token, batch.latent, batch.latent), VIDEO + 1, lambda index: batch.sketches[0, index]
    )
    scheme = pipeline.SegmentScheme(overlap=0, attention=layout == LEARNED)
    noise = torch.randn(batch.target.shape[1:])
    made = torch.cat([new for _, new in pipeline.run_chain(loaded, chain, noise, edm.build_sigmas(steps), scheme, batch.target.device)])
    rows = [batch.sketches[0].cpu(), *(decode_frames(loaded.vae, latents) for latents in (batch.target[0], made))]
    rows[0] = 1.0 - rows[0]
    return clips.build_sheet([(row.permute(0, 2, 3, 1).numpy() * 255.0).astype(np.uint8) for row in rows])


def save_weights(folder: Path, states: training.States, loaded: SvdNetworks, source: Path) -> None:
    """Write weights in diffusers' layout, UNet and ControlNet whole. Parts that were not trained are written as they were loaded."""
    kept = {"vae": loaded.vae, "image_encoder": loaded.image_encoder}
    for part, state in (*states.items(), *((name, net.state_dict()) for name, net in kept.items() if not (folder / name).exists())):
        net = getattr(loaded, part)
        training.write_weights(folder / part / parts.FILES[part][-1 if part in kept else 0], state)
        config = net.config.to_dict() if part == "image_encoder" else {k: v for k, v in net.config.items() if not k.startswith("_")}
        (folder / part / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "about.json").write_text(json.dumps({"note": NOTE}), encoding="utf-8")
