"""Animate Anyone's pipeline between pictures and tensors: encode a reference, denoise a shot's windows, decode its frames."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from ...diffusion.sampling import State, Step, ddim, denoise, noise
from ...diffusion.windows import closed, windows
from .nets import Nets
from .networks import features, keys_of

LENGTH, OVERLAP = 24, 4  # frames of a window, as trained, and how many neighbors share
FEW = 4  # windows whose pose features have room on the card
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

Keys = Mapping[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Settings:
    """`steps` of the scheduler · `guidance` towards the reference, 1 for none · `schedule` of the betas, `linear` or `scaled_linear` ·
    `together` whether both halves of the guidance are one batch, which takes more memory."""

    steps: int = 30
    guidance: float = 3.5
    schedule: str = "linear"
    together: bool = True


@dataclass(frozen=True)
class Reference:
    """What the networks keep of a reference: `token` (1, 1, C) of the image encoder, `features` by self-attention, on the processor."""

    token: Tensor
    features: Mapping[str, Tensor]


def spans(count: int, length: int = LENGTH, overlap: int = OVERLAP, cyclic: bool = False, stride: int = 1) -> list[list[int]]:
    """The windows of a shot. Those of a cycle go on with its begin; a cycle in one window has another one that begins in its middle, so
    that its seam is no end to both. With `stride` there are windows of every 2nd, 4th … frame as well."""
    if cyclic:
        if 2 < count <= length:
            return [list(range(count)), [(count // 2 + place) % count for place in range(count)]]
        return closed(count, length, overlap, stride)
    found = []
    for every in (1 << level for level in range(stride)):
        if every > 1 and count <= length * every // 2:
            break  # the level before has seen all at once
        for first in range(every):
            part = range(first, count, every)
            found += [[part[place] for place in span] for span in windows(len(part), length, min(overlap, length - 1))]
    return found


# --- from pictures ------------------------------------------------------------------------------------------------


def fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture uint8 (H, W, 3) at `size` (width, height), whatever its shape: uint8."""
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def pixels(pictures: np.ndarray) -> Tensor:
    """uint8 (n, H, W, 3) as (n, 3, H, W) in 0..1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255.0


def clip_pixels(picture: np.ndarray, side: int = 224) -> Tensor:
    """What the image encoder sees, (1, 3, 224, 224), of a picture uint8 (H, W, 3): squeezed into a square, as published."""
    small = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    return (pixels(small[None]) - mean) / std


@torch.inference_mode()
def encode_token(nets: Nets, picture: np.ndarray) -> Tensor:
    """What the image encoder says, (1, 1, C), of a picture uint8 (H, W, 3)."""
    seen = clip_pixels(picture, nets.image_encoder.config.image_size)
    return nets.image_encoder(seen.to(nets.image_encoder.device, nets.image_encoder.dtype)).image_embeds[:, None]


@torch.inference_mode()
def encode_latent(nets: Nets, picture: np.ndarray, size: tuple[int, int]) -> Tensor:
    """The latent (1, 4, h, w) of a picture uint8 (H, W, 3) at `size`; in single precision."""
    given = pixels(fitted(picture, size)[None]) * 2.0 - 1.0
    return nets.vae.encode(given.to(nets.vae.device, nets.vae.dtype)).latent_dist.mean * SCALING


@torch.inference_mode()
def encode_reference(nets: Nets, token: Tensor, latent: Tensor) -> Reference:
    """The one time that the reference's own network runs."""
    net = nets.reference_unet
    written = features(net, latent.to(net.device, net.dtype), token.to(net.device, net.dtype))
    return Reference(token.cpu(), {name: tensor.half().cpu() for name, tensor in written.items()})


@torch.inference_mode()
def embed_poses(nets: Nets, pictures: np.ndarray) -> Tensor:
    """Features (1, C, F, h, w) of pictures of poses uint8 (F, H, W, 3) of the size of the frames."""
    guider = nets.pose_guider
    weight = guider.conv_in.weight
    return guider(pixels(pictures).to(weight.device, weight.dtype)).transpose(0, 1)[None]


# --- denoising ----------------------------------------------------------------------------------------------------


@torch.inference_mode()
def sample(
    nets: Nets,
    reference: Reference,
    poses: Callable[[Sequence[int]], np.ndarray],
    given: Tensor,
    windows: Sequence[Sequence[int]],
    settings: Settings,
    device: torch.device,
    on_step: Callable[[int, int], None] = lambda done, count: None,
    should_cancel: Callable[[], bool] = lambda: False,
    keep: Callable[[State], None] = lambda state: None,
    begin: State | None = None,
) -> Tensor:
    """Latents (1, N, 4, h, w) of a shot, from noise of that shape. `poses` draws the poses of some frames, uint8 (F, H, W, 3) of the size
    of the network's pictures; the rest as in `denoise`. Raises Cancelled."""
    scheduler = ddim({**SCHEDULER, "beta_schedule": settings.schedule}, settings.steps, device)
    predict = Prediction(nets, reference, poses, windows, settings, device)
    return denoise(scheduler, predict, given.to(device, torch.float32), windows, on_step, should_cancel, keep, begin, even=True)


class Prediction:
    """`engine.diffusion.sampling.Predict`; what depends on neither step nor window is computed once."""

    def __init__(
        self,
        nets: Nets,
        reference: Reference,
        poses: Callable[[Sequence[int]], np.ndarray],
        windows: Sequence[Sequence[int]],
        settings: Settings,
        device: torch.device,
    ) -> None:
        self.nets, self.settings = nets, settings
        self.token = reference.token.to(device, nets.dtype)
        there = {name: tensor.to(device, nets.dtype) for name, tensor in reference.features.items()}
        self.keys: Keys = keys_of(nets.denoising_unet, there)
        self.features = functools.lru_cache(FEW)(lambda window: embed_poses(nets, poses(windows[window])))

    def __call__(self, window: int, noisy: Tensor, step: Step) -> Tensor:
        given, guidance = noisy.transpose(1, 2).to(self.nets.dtype), self.settings.guidance
        if guidance == 1.0:
            return self._call(given, self.token, step, window, self.keys)
        nothing = torch.zeros_like(self.token)
        if self.settings.together:
            tokens = torch.cat([nothing, self.token])
            free, led = self._call(torch.cat([given, given]), tokens, step, window, self.keys).chunk(2)
        else:
            free = self._call(given, nothing, step, window, {})
            led = self._call(given, self.token, step, window, self.keys)
        return free + guidance * (led - free)

    def _call(self, given: Tensor, token: Tensor, step: Step, window: int, keys: Keys) -> Tensor:
        said = self.nets.denoising_unet(given, step.timestep, token, self.features(window), keys)
        return said.transpose(1, 2).float()


def start(count: int, size: tuple[int, int], seed: int) -> Tensor:
    """Noise (1, N, 4, h, w), one draw for all frames in the order of the published pipeline, so that seeds mean the same."""
    return noise((1, 4, count, size[1] // 8, size[0] // 8), seed).transpose(1, 2)


def decode_frames(nets: Nets, latents: Tensor, chunk: int = 1) -> Iterator[Tensor]:
    """Frames (n, 3, H, W) in 0..1, on the processor, of latents (1, N, 4, h, w), `chunk` at a time; no frame knows of another."""
    vae: Any = nets.vae
    for part in latents[0].split(chunk):
        with torch.inference_mode():
            made = vae.decode(part.to(vae.device, vae.dtype) / SCALING).sample
        yield (made.float() / 2.0 + 0.5).clamp(0.0, 1.0).cpu()
