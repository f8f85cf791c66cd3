"""Animate Anyone's pipeline: encode a reference, denoise a clip's windows, decode its frames."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from ...diffusion.memory import Placement
from ...diffusion.sampling import NO_HOOKS, DenoisingHooks, DenoisingState, DenoisingStep, build_ddim, denoise_latents, draw_noise
from ...diffusion.windows import split_loop, split_windows
from .networks import AnimateAnyoneNetworks, collect_features, project_keys

LENGTH, OVERLAP = 24, 4  # frames of a window, as in training, and how many neighboring windows share
FEW = 4  # windows whose pose features fit on the GPU
SCALING = 0.18215  # of the VAE's latents
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
    "steps_offset": 1,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}

AttentionKeys = Mapping[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class AnimateAnyoneSettings:
    """`steps` of the scheduler · `guidance` towards the reference, 1 for none · `schedule` of the betas, `linear` or `scaled_linear` ·
    `batched_cfg` whether both halves of the guidance are one batch, which takes more memory."""

    steps: int = 30
    guidance: float = 3.5
    schedule: str = "linear"
    batched_cfg: bool = True


@dataclass(frozen=True)
class ReferenceFeatures:
    """An encoded reference: `token` (1, 1, C) of the image encoder, `features` by self-attention, on the CPU."""

    token: Tensor
    features: Mapping[str, Tensor]


@dataclass(frozen=True)
class PosedWindows:
    """The conditions of a clip: the `reference` · its `windows`, each a sequence of frames · `draw_poses` draws the poses of given frames,
    uint8 (F, H, W, 3) of the size of the networks' pictures."""

    reference: ReferenceFeatures
    windows: Sequence[Sequence[int]]
    draw_poses: Callable[[Sequence[int]], np.ndarray] = field(repr=False)


def plan_windows(count: int, length: int = LENGTH, overlap: int = OVERLAP, cyclic: bool = False, stride: int = 1) -> list[list[int]]:
    """The windows of a clip. Those of a cycle wrap around. A cycle that fits into one window gets a second one that starts in its middle,
    so that the seam is not at the end of both. With `stride` above 1 there are also windows of every 2nd, 4th … frame."""
    if cyclic:
        if 2 < count <= length:
            return [list(range(count)), [(count // 2 + place) % count for place in range(count)]]
        return split_loop(count, length, overlap, stride)
    found = []
    for every in (1 << level for level in range(stride)):
        if every > 1 and count <= length * every // 2:
            break  # the previous level has one window over everything
        for first in range(every):
            part = range(first, count, every)
            found += [[part[place] for place in span] for span in split_windows(len(part), length, min(overlap, length - 1))]
    return found


# --- from pictures ------------------------------------------------------------------------------------------------


def resize_picture(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a picture uint8 (H, W, 3) to `size` (width, height), whatever its aspect ratio: uint8."""
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def normalize_pictures(pictures: np.ndarray) -> Tensor:
    """uint8 (n, H, W, 3) as (n, 3, H, W) in 0..1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255.0


def prepare_clip_pixels(picture: np.ndarray, side: int = 224) -> Tensor:
    """The image encoder's input, (1, 3, 224, 224), for a picture uint8 (H, W, 3): stretched to a square, as published."""
    small = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    return (normalize_pictures(small[None]) - mean) / std


@torch.inference_mode()
def encode_token(networks: AnimateAnyoneNetworks, picture: np.ndarray) -> Tensor:
    """The image encoder's token (1, 1, C) of a picture uint8 (H, W, 3)."""
    encoder = networks.image_encoder
    return encoder(prepare_clip_pixels(picture, encoder.config.image_size).to(encoder.device, encoder.dtype)).image_embeds[:, None]


@torch.inference_mode()
def encode_latent(networks: AnimateAnyoneNetworks, picture: np.ndarray, size: tuple[int, int]) -> Tensor:
    """The latent (1, 4, h, w) of a picture uint8 (H, W, 3) at `size` (width, height), in single precision."""
    given = normalize_pictures(resize_picture(picture, size)[None]) * 2.0 - 1.0
    return networks.vae.encode(given.to(networks.vae.device, networks.vae.dtype)).latent_dist.mean * SCALING


@torch.inference_mode()
def encode_features(networks: AnimateAnyoneNetworks, token: Tensor, latent: Tensor) -> ReferenceFeatures:
    """Run the reference's own network, once, and collect its features."""
    net = networks.reference_unet
    written = collect_features(net, latent.to(net.device, net.dtype), token.to(net.device, net.dtype))
    return ReferenceFeatures(token.cpu(), {name: tensor.half().cpu() for name, tensor in written.items()})


@torch.inference_mode()
def embed_poses(networks: AnimateAnyoneNetworks, pictures: np.ndarray) -> Tensor:
    """Features (1, C, F, h, w) of pictures of poses uint8 (F, H, W, 3) of the size of the frames."""
    guider = networks.pose_guider
    weight = guider.conv_in.weight
    return guider(normalize_pictures(pictures).to(weight.device, weight.dtype)).transpose(0, 1)[None]


def draw_clip_noise(count: int, size: tuple[int, int], seed: int) -> Tensor:
    """Noise (1, N, 4, h, w), drawn for all frames at once in the order of the published pipeline, so that seeds give the same noise."""
    return draw_noise((1, 4, count, size[1] // 8, size[0] // 8), seed).transpose(1, 2)


# --- the pipeline -------------------------------------------------------------------------------------------------


class AnimateAnyonePipeline:
    """An `engine.diffusion.pipeline.VideoPipeline`: a reference is the features of its own UNet, conditions are poses in windows."""

    def __init__(self, networks: AnimateAnyoneNetworks, placement: Placement, settings: AnimateAnyoneSettings) -> None:
        self.networks, self.placement, self.settings = networks, placement, settings

    @property
    def step_count(self) -> int:
        return self.settings.steps

    def draw_noise(self, count: int, size: tuple[int, int], seed: int) -> Tensor:
        """Noise float32 (1, count, 4, h / 8, w / 8) for frames of `size` (width, height) px."""
        return draw_clip_noise(count, size, seed)

    def encode_reference(self, picture: np.ndarray, seed: int = 0) -> ReferenceFeatures:
        """Encode a picture uint8 (H, W, 3) of the size of the frames, without randomness. The networks that read it are unloaded
        afterwards."""
        networks, height, width = self.networks, *picture.shape[:2]
        with self.placement.hold_networks(networks.vae):
            latent = encode_latent(networks, picture, (width, height))
        with self.placement.hold_networks(networks.image_encoder):
            token = encode_token(networks, picture)
        with self.placement.hold_networks(networks.reference_unet):
            return encode_features(networks, token, latent)

    @torch.inference_mode()
    def denoise_clip(
        self, conditions: PosedWindows, noise: Tensor, hooks: DenoisingHooks = NO_HOOKS, begin: DenoisingState | None = None
    ) -> Tensor:
        """Latents (1, N, 4, h, w) of a clip, from noise of that shape or from a cached state. Raises Cancelled."""
        settings, device = self.settings, self.placement.device
        scheduler = build_ddim({**SCHEDULER, "beta_schedule": settings.schedule}, settings.steps, device)
        with self.placement.hold_networks(self.networks.denoising_unet, self.networks.pose_guider):
            denoiser = AnimateAnyoneDenoiser(self.networks, conditions, settings, device)
            start = noise.to(device, torch.float32)
            return denoise_latents(scheduler, denoiser, start, conditions.windows, hooks, begin, even=True)

    def decode_latents(self, latents: Tensor, chunk: int = 1) -> Iterator[Tensor]:
        """Decode latents (1, N, 4, h, w) to frames (n, 3, H, W) in 0..1, on the CPU, `chunk` at a time. Frames are decoded
        independently."""
        vae: Any = self.networks.vae
        with self.placement.hold_networks(vae):
            for part in latents[0].split(chunk):
                with torch.inference_mode():
                    decoded = vae.decode(part.to(vae.device, vae.dtype) / SCALING).sample
                yield (decoded.float() / 2.0 + 0.5).clamp(0.0, 1.0).cpu()


class AnimateAnyoneDenoiser:
    """An `engine.diffusion.sampling.Denoiser`. What depends on neither step nor window is computed once."""

    def __init__(
        self, networks: AnimateAnyoneNetworks, conditions: PosedWindows, settings: AnimateAnyoneSettings, device: torch.device
    ) -> None:
        self.networks, self.settings = networks, settings
        self.token = conditions.reference.token.to(device, networks.dtype)
        there = {name: tensor.to(device, networks.dtype) for name, tensor in conditions.reference.features.items()}
        self.keys: AttentionKeys = project_keys(networks.denoising_unet, there)
        draw, spans = conditions.draw_poses, conditions.windows
        self.embed_window = functools.lru_cache(FEW)(lambda window: embed_poses(networks, draw(spans[window])))

    def __call__(self, window: int, noisy: Tensor, step: DenoisingStep) -> Tensor:
        given, guidance = noisy.transpose(1, 2).to(self.networks.dtype), self.settings.guidance
        if guidance == 1.0:
            return self._call_unet(given, self.token, step, window, self.keys)
        nothing = torch.zeros_like(self.token)
        if self.settings.batched_cfg:
            tokens = torch.cat([nothing, self.token])
            unconditioned, conditioned = self._call_unet(torch.cat([given, given]), tokens, step, window, self.keys).chunk(2)
        else:
            unconditioned = self._call_unet(given, nothing, step, window, {})
            conditioned = self._call_unet(given, self.token, step, window, self.keys)
        return unconditioned + guidance * (conditioned - unconditioned)

    def _call_unet(self, given: Tensor, token: Tensor, step: DenoisingStep, window: int, keys: AttentionKeys) -> Tensor:
        output = self.networks.denoising_unet(given, step.timestep, token, self.embed_window(window), keys)
        return output.transpose(1, 2).float()
