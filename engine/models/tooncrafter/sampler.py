"""ToonCrafter's pipeline between pictures and tensors: encode two keys and a prompt, denoise the clip between them, decode its frames.

Pictures are (N, 3, H, W) in -1..1, H and W multiples of 64; latents (1, 16, 4, H / 8, W / 8), those of the autoencoder times `SCALE`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...diffusion.sampling import State, Step, denoise
from ...diffusion.svd import clip_pixels
from .ddim import Ddim, guide
from .nets import Nets
from .networks import FRAMES
from .vae import SCALE, ends

SECOND_PASS = tuple(index for index in range(FRAMES) if index not in (1, FRAMES - 2))  # frames that are decoded once more
REPLACED = (FRAMES // 2 - 1, FRAMES // 2)  # those that are taken of it


@dataclass(frozen=True)
class Settings:
    """`steps` of denoising · `guidance` how much the prompt and the first key count, `rescale` how far the guided spread is taken back ·
    `fps` frames a second of the clip: the fewer, the larger the motion · `eta` noise that is added at each step, 1 as published ·
    `together` whether both halves of the guidance are one batch, which takes more memory."""

    steps: int = 50
    guidance: float = 7.5
    rescale: float = 0.7
    fps: float = 10.0
    eta: float = 1.0
    together: bool = False


@dataclass(frozen=True)
class Keys:
    """Two keys: `latents` (2, 4, h, w) scaled · `references` what the decoder looks at."""

    latents: Tensor
    references: list[Tensor]


@dataclass(frozen=True)
class Clip:
    """What a clip is made of: `keys` · `context` (1, 77 + 256, C) of prompt and first key, `free` that of nothing · `sketches`
    (1, 16, 1, H, W), 1 on lines, all 0 where there is none, or None without any."""

    keys: Keys
    context: Tensor
    free: Tensor
    sketches: Tensor | None = field(default=None, repr=False)


@torch.inference_mode()
def encode_keys(nets: Nets, pictures: Tensor, noise: Tensor) -> Keys:
    """Two pictures (2, 3, H, W); their latents are drawn by `noise` (2, 4, h, w) of variance 1."""
    where = next(nets.vae.parameters())
    mean, variance, hidden = nets.vae.encode_keys(pictures.to(where))
    latents = mean.float() + torch.exp(0.5 * variance.float()) * noise.to(where.device)
    return Keys(SCALE * latents, ends(hidden))


@torch.inference_mode()
def encode_image(nets: Nets, picture: Tensor) -> Tensor:
    """The image tokens (1, 256, C) of a picture (1, 3, H, W)."""
    where = next(nets.image_encoder.parameters())
    pixels = clip_pixels(picture / 2.0 + 0.5, nets.image_encoder.config.image_size)
    return nets.projector(nets.image_encoder(pixels.to(where)).last_hidden_state)


@torch.inference_mode()
def encode_text(nets: Nets, ids: Tensor) -> Tensor:
    """The prompt's tokens (B, 77, C), of their ids (B, 77)."""
    return nets.text_encoder(ids.to(nets.text_encoder.device)).last_hidden_state


def concat(latents: Tensor) -> Tensor:
    """What the UNet is told of two keys (2, 4, h, w): their latents at both ends of a clip (1, 16, 4, h, w), nothing between."""
    told = latents.new_zeros(1, FRAMES, *latents.shape[1:])
    told[0, 0], told[0, -1] = latents
    return told


@torch.inference_mode()
def sample(
    nets: Nets,
    clip: Clip,
    noise: Tensor,
    draws: Callable[[int], Tensor],
    settings: Settings,
    device: torch.device,
    on_step: Callable[[int, int], None] = lambda done, count: None,
    should_cancel: Callable[[], bool] = lambda: False,
    keep: Callable[[State], None] = lambda state: None,
    begin: State | None = None,
) -> Tensor:
    """Latents of the clip from noise (1, 16, 4, h, w); `draws` makes what is added at each step. The rest as in `denoise`, which is given
    one window. Raises Cancelled."""
    scheduler = Ddim(settings.steps, draws, settings.eta, device)
    told = concat(clip.keys.latents.to(device, torch.float32))
    context, free = (tokens.to(device, nets.dtype) for tokens in (clip.context, clip.free))
    sketches = None if clip.sketches is None else clip.sketches.to(device, nets.dtype)

    def say(given: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        batch = len(tokens)
        given, times = given.expand(batch, -1, -1, -1, -1), timestep.reshape(1).expand(batch)
        residuals = None
        if sketches is not None and nets.sketch_encoder is not None:
            drawn = sketches.expand(batch, -1, -1, -1, -1)
            residuals = nets.sketch_encoder.residuals(given[:, :, :4], times, tokens, drawn)
        return nets.unet(given, times, torch.full((batch,), settings.fps, device=device), tokens, residuals).float()

    def predict(window: int, noisy: Tensor, step: Step) -> Tensor:
        given = torch.cat([noisy, told], dim=2).to(nets.dtype)
        if settings.guidance == 1.0:
            return say(given, step.timestep, context)
        if settings.together:
            without, with_ = say(given, step.timestep, torch.cat([free, context])).chunk(2)
        else:
            without, with_ = say(given, step.timestep, free), say(given, step.timestep, context)
        return guide(without, with_, settings.guidance, settings.rescale)

    start = noise.to(device, torch.float32)
    return denoise(scheduler, predict, start, [range(FRAMES)], on_step, should_cancel, keep, begin)


@torch.inference_mode()
def decode(nets: Nets, latents: Tensor, references: list[Tensor], two_passes: bool, scale: float = 1.0) -> Tensor:
    """Frames (16, 3, H, W), float32 on the processor, about -1..1.

    As published in `two_passes`: the two in the middle are taken from a second one, without the second frame and the last but one.
    `scale` is what the latents are divided by. What overflows half precision is decoded once more in single.
    """
    given = latents[0] / (SCALE * scale)
    frames = _decoded(nets, given, references, two_passes)
    if not frames.isfinite().all() and nets.vae.dtype == torch.float16:
        nets.vae.float()
        frames = _decoded(nets, given, references, two_passes)
        nets.vae.half()
    return frames.cpu()


def _decoded(nets: Nets, latents: Tensor, references: list[Tensor], two_passes: bool) -> Tensor:
    where = next(nets.vae.parameters())
    given, seen = latents.to(where), [level.to(where) for level in references]
    frames = nets.vae.decode_clip(given, seen, FRAMES).float()
    if two_passes:
        again = nets.vae.decode_clip(given[list(SECOND_PASS)], seen, len(SECOND_PASS)).float()
        for index in REPLACED:
            frames[index] = again[SECOND_PASS.index(index)]
    return frames
