"""AniDoc's training: the dense stage, its spatial phase at high resolution, and the sparse stage.

The paper gives the stages and the data. It does not mention noise levels, weights and dropout; those of Stable Video Diffusion are used.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.diffusion import parts, weights
from engine.diffusion.memory import Placement
from engine.diffusion.networks import SvdControlNet
from engine.job.errors import BadInput
from engine.models.anidoc import correspondence, networks, pipeline, points
from engine.models.anidoc.condition import build_condition, build_sparse_condition
from engine.models.anidoc.networks import HELP, AniDocNetworks
from engine.models.anidoc.weights import FILES, find_weights, load_networks

from ...diffusion import clips as shots
from ...diffusion import training
from . import clips

LOG_SIGMA = (0.7, 1.6)  # mean and deviation of the noise levels' logarithm
CPU = torch.device("cpu")
DROP = 0.1  # fraction of the clips without token, without latent, and without both
NOTE = "These weights were trained here and are not those that AniDoc's authors published."


@dataclass(frozen=True)
class AniDocBatch:
    """`target` scaled latents (1, F, 4, h, w) · `condition` (1, F, 8 or 9, H, W) · `reference` token and latent."""

    target: Tensor
    condition: Tensor
    reference: pipeline.EncodedReference


def train_model(settings: Mapping[str, Any]) -> Iterator[str]:
    """Train, or resume a training. Yields lines of progress. `settings` are the options of `train anidoc`.

    `accelerate launch` uses several GPUs. Raises BadInput.
    """
    stage, size, source = settings["stage"], settings["size"], Path(settings["weights"])
    if size[0] % 64 or size[1] % 64:
        raise BadInput(f"Pictures of {size[0]}x{size[1]} px can't be trained on: give --size in multiples of 64.")
    found = shots.find_clips(Path(settings["data"]), Path(settings["out"]) / "shots")
    torch.manual_seed(settings["seed"])  # for new weights
    loaded = load_trainable(source, stage)

    def draw(rng: np.random.Generator, device: torch.device) -> tuple[clips.AniDocExample, AniDocBatch]:
        one, exact = found[rng.integers(len(found))], not settings["no_binarization"]
        clip = clips.read_example(one, size, settings["frames"], rng, exact, not settings["no_matching"])
        return clip, build_batch(loaded, clip, stage, rng, device)

    spec = training.TrainingSpec(
        networks={"unet": loaded.unet, "controlnet": loaded.controlnet},
        frozen=(loaded.vae, loaded.image_encoder),
        trainable=lambda name: is_trained(name, stage),
        draw_batch=draw,
        compute_loss=lambda drawn, rng: compute_loss(loaded, drawn[1], rng),
        draw_sheet=lambda drawn: draw_sheet(loaded, *drawn),
        save_weights=lambda folder, states: save_weights(folder, states, loaded, source),
        about=f"{len(found)} clips",
    )
    yield from training.run_training(spec, training.LoopSettings.select_options(settings))


# --- batches and loss ---------------------------------------------------------------------------------------------


def build_batch(
    loaded: AniDocNetworks, clip: clips.AniDocExample, stage: str, rng: np.random.Generator, device: torch.device = CPU
) -> AniDocBatch:
    """The networks' input for a clip: up to 50 points in the dense stages, 5 moving ones in the sparse stage."""
    frames = _normalize_pictures(clip.frames)
    reference = _normalize_pictures(clip.reference[None])
    with torch.no_grad():
        latents = loaded.vae.encode((frames * 2.0 - 1.0).to(device)).latent_dist.sample() * loaded.vae.config.scaling_factor
        encoded = pipeline.EncodedReference(
            pipeline.encode_token(loaded, reference).clone(),
            pipeline.encode_latent(loaded, reference, torch.randn(reference.shape)).clone(),
        )
    if stage == "sparse":
        tracks = correspondence.select_tracks(clip.tracks, "moving", int(rng.integers(1 << 31)), points.SPARSE_TRACKS)
        made = build_sparse_condition(clip.sketches[0] < 255, clip.sketches[-1] < 255, len(frames), clip.reference, tracks)
    else:
        most = int(rng.integers(1, points.MATCHES + 1))
        tracks = clip.tracks.keep_points(points.pick_points(clip.tracks.tracks.shape[1], int(rng.integers(1 << 31)), most))
        made = build_condition(clip.sketches < 255, clip.reference, tracks)
        made[0, :, 0:3] = torch.from_numpy(clip.sketches).float()[:, None] / 127.5 - 1.0  # gray in the ablation
    return AniDocBatch(latents[None], made.to(device), encoded)


def compute_loss(loaded: AniDocNetworks, batch: AniDocBatch, rng: np.random.Generator, drop: float = DROP) -> Tensor:
    """The weighted error of the denoised latents at a random noise level."""
    target, device = batch.target, batch.target.device
    sigma = float(np.exp(rng.normal(*LOG_SIGMA)))
    noisy = target + sigma * torch.from_numpy(rng.standard_normal(target.shape, dtype=np.float32)).to(device)
    chance = rng.random()
    token = batch.reference.token.to(device) * float(chance >= 2 * drop)
    latent = batch.reference.latent.to(device) * float(not drop <= chance < 3 * drop)
    given = torch.cat([noisy / (sigma**2 + 1) ** 0.5, latent[:, None].expand_as(noisy)], dim=2)
    timestep = torch.tensor(0.25 * np.log(sigma), dtype=torch.float32, device=device)
    ids = torch.tensor([pipeline.TIME_IDS], device=device)
    hint = loaded.controlnet.embed_condition(batch.condition)
    output = loaded.unet(given, timestep, token, ids, loaded.controlnet(given, timestep, token, ids, hint))
    denoised = noisy / (sigma**2 + 1) - sigma / (sigma**2 + 1) ** 0.5 * output
    return ((1 + sigma**2) / sigma**2 * (denoised - target) ** 2).mean()


def load_trainable(folder: Path, stage: str) -> AniDocNetworks:
    """Load networks to train from weights of Stable Video Diffusion, of AniDoc, or of an earlier stage, in single precision."""
    if (folder / "controlnet" / "config.json").is_file():
        loaded = load_networks(folder, torch.float32)
        unet, controlnet = loaded.unet, loaded.controlnet
    else:
        unet = _load_network(folder, "unet")
        controlnet = SvdControlNet.from_unet(unet)
        parts = {name: _load_network(folder, name) for name in ("vae", "image_encoder")}
        scheduler = weights.read_config(folder / "scheduler" / "scheduler_config.json", HELP)
        loaded = AniDocNetworks(unet, controlnet, **parts, scheduler=scheduler)
    if stage == "sparse" and not loaded.sparse:
        controlnet = _widen_controlnet(controlnet)
    return AniDocNetworks(unet, controlnet, loaded.vae, loaded.image_encoder, NOTE, scheduler=loaded.scheduler)


def is_trained(name: str, stage: str) -> bool:
    """Whether a stage trains a parameter: all, except temporal ones in the spatial phase."""
    return stage != "spatial" or not any(part in name for part in ("temporal", "time_mixer", "time_pos_embed"))


def _load_network(folder: Path, name: str) -> Any:
    find_weights(folder, name)  # its error says where the file should be
    return parts.load_part(folder, name, torch.float32, HELP, networks.BUILDERS[name])


def _widen_controlnet(dense: SvdControlNet) -> SvdControlNet:
    """A ControlNet with one more input channel, for heatmaps, whose weights start at 0."""
    config = {name: value for name, value in dense.config.items() if not name.startswith("_")}
    wider = SvdControlNet(**{**config, "conditioning_channels": config["conditioning_channels"] + 1})
    state = dict(dense.state_dict())
    name = "controlnet_cond_embedding.conv_in.weight"
    state[name] = torch.cat([state[name], torch.zeros_like(state[name][:, :1])], dim=1)
    wider.load_state_dict(state, strict=True)
    return wider


def _normalize_pictures(pictures: np.ndarray) -> Tensor:
    """uint8 (n, H, W, 3) as (n, 3, H, W) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255.0


# --- weights and sheets -------------------------------------------------------------------------------------------


def save_weights(folder: Path, states: training.States, loaded: AniDocNetworks, source: Path) -> None:
    """Write weights in the published layout. Parts that were not trained are copied from `source`."""
    for part, state in states.items():
        config = {name: value for name, value in getattr(loaded, part).config.items() if not name.startswith("_")}
        training.write_weights(folder / part / FILES[part][0], state)
        (folder / part / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for part in ("vae", "image_encoder", "scheduler"):
        if not (folder / part).exists():
            shutil.copytree(source / part, folder / part)
    (folder / "about.json").write_text(json.dumps({"note": NOTE}), encoding="utf-8")


def draw_sheet(loaded: AniDocNetworks, clip: clips.AniDocExample, batch: AniDocBatch, steps: int = 8) -> np.ndarray:
    """A sheet of the networks' current result for a clip: reference, sketches, truth, result."""
    device = batch.target.device
    window = pipeline.AniDocWindow(range(batch.target.shape[1]), batch.reference, lambda: batch.condition)
    settings = pipeline.AniDocSettings(steps=steps, batched_cfg=False)
    current = pipeline.AniDocPipeline(loaded, Placement(device, {}), settings)
    latents = current.denoise_clip([window], torch.randn(batch.target.shape))
    made = torch.cat(list(current.decode_latents(latents, 4)))
    frames = (made.permute(0, 2, 3, 1).numpy() * 255.0).astype(np.uint8)
    return shots.build_sheet([clip.reference[None], np.repeat(clip.sketches[..., None], 3, axis=3), clip.frames, frames])
