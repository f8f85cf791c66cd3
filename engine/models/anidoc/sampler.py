"""AniDoc's pipeline between pictures and tensors: encode a reference, denoise a shot's windows, decode its frames."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...diffusion.reuse import Reuse, reusing
from ...diffusion.sampling import State, Step, denoise, euler
from ...diffusion.svd import clip_pixels, decode, set_context_order
from .nets import Nets

TIME_IDS = (6.0, 128.0, 0.02)  # frames a second, motion, noise of the reference: the published weights know no others
REFERENCE_NOISE = 0.02
GUIDANCE = (1.0, 3.0)  # of the first and the last frame
FEW = 4  # windows whose hints and kept attention have room on the card


@dataclass(frozen=True)
class Settings:
    """`sigmas` noise levels ending in 0, instead of `steps` of the scheduler's own · `guidance` of the first and last frame ·
    `guided` the share of the steps, from the first on, that are guided; the others take half the time · `order` of the temporal
    context, see `set_context_order` · `together` whether both halves of the guidance are one batch, which takes more memory ·
    `scale` of the residuals · `reuse` attention is computed at every so many steps in the middle, 1 for all.
    """

    steps: int = 25
    sigmas: tuple[float, ...] | None = None
    guidance: tuple[float, float] = GUIDANCE
    guided: float = 1.0
    order: str = "correct"
    together: bool = True
    scale: float = 1.0
    reuse: int = 1


@dataclass(frozen=True)
class Encoded:
    """A reference: `token` (1, 1, C) of the image encoder, `latent` (1, 4, h, w), not scaled."""

    token: Tensor
    latent: Tensor


@dataclass(frozen=True)
class Window:
    """A run of `frames` of the shot, its reference, and the function that makes its condition (1, F, 8, 8 h, 8 w)."""

    frames: range
    reference: Encoded
    condition: Callable[[], Tensor] = field(repr=False)


@torch.inference_mode()
def encode_token(nets: Nets, picture: Tensor) -> Tensor:
    """What the image encoder says, (1, 1, C), of a picture (1, 3, H, W) in 0..1."""
    pixels = clip_pixels(picture, nets.image_encoder.config.image_size)
    return nets.image_encoder(pixels.to(nets.image_encoder.device, nets.image_encoder.dtype)).image_embeds[:, None]


@torch.inference_mode()
def encode_latent(nets: Nets, picture: Tensor, noise: Tensor) -> Tensor:
    """The latent (1, 4, H / 8, W / 8) of a picture (1, 3, H, W) in 0..1, with a little of the given noise; in single precision."""
    noisy = picture * 2.0 - 1.0 + REFERENCE_NOISE * noise
    return nets.vae.encode(noisy.to(nets.vae.device, nets.vae.dtype)).latent_dist.mode()


@torch.inference_mode()
def sample(
    nets: Nets,
    windows: Sequence[Window],
    noise: Tensor,
    settings: Settings,
    device: torch.device,
    on_step: Callable[[int, int], None] = lambda done, count: None,
    should_cancel: Callable[[], bool] = lambda: False,
    keep: Callable[[State], None] = lambda state: None,
    begin: State | None = None,
) -> Tensor:
    """Latents (1, N, 4, h, w) of a shot, from noise of that shape; the rest as in `denoise`. Raises Cancelled."""
    for net in (nets.unet, nets.controlnet):
        set_context_order(net, settings.order)
    scheduler = euler(nets.scheduler, settings.steps, settings.sigmas, device)
    spans = [window.frames for window in windows]
    with reusing(settings.reuse if len(windows) <= FEW else 1, nets.unet, nets.controlnet) as reuse:
        predict = Prediction(nets, windows, noise.shape[1], settings, device, reuse)
        return denoise(scheduler, predict, noise.to(device, torch.float32), spans, on_step, should_cancel, keep, begin)


class Prediction:
    """`engine.diffusion.sampling.Predict` for AniDoc; what does not depend on the step is computed once."""

    def __init__(self, nets: Nets, windows: Sequence[Window], count: int, settings: Settings, device: torch.device, reuse: Reuse) -> None:
        self.nets, self.windows, self.settings, self.device, self.reuse = nets, windows, settings, device, reuse
        self.ramp = torch.linspace(*settings.guidance, count, device=device).view(1, -1, 1, 1, 1)
        self.ids = torch.tensor([TIME_IDS], dtype=nets.dtype, device=device)
        self.store = device if len(windows) <= FEW else torch.device("cpu")  # hints of long shots wait outside the card
        self.hints: dict[int, Tensor] = {}

    def __call__(self, window: int, noisy: Tensor, step: Step) -> Tensor:
        span = self.windows[window].frames
        reference = self.windows[window].reference
        latent = reference.latent.to(noisy)[:, None].expand(-1, noisy.shape[1], -1, -1, -1)
        token = reference.token.to(self.device, self.nets.dtype)
        given = torch.cat([noisy, latent], dim=2)
        if step.index >= self.settings.guided * step.count or self.settings.guidance == (1.0, 1.0):
            return self._call(given, token, step, window, "with")
        free = torch.cat([noisy, torch.zeros_like(latent)], dim=2)
        if self.settings.together or self.settings.order != "correct":
            tokens = torch.cat([torch.zeros_like(token), token])
            without, with_ = self._call(torch.cat([free, given]), tokens, step, window, "both").chunk(2)
        else:
            without = self._call(free, torch.zeros_like(token), step, window, "without")
            with_ = self._call(given, token, step, window, "with")
        return without + self.ramp[:, span.start : span.stop] * (with_ - without)

    def _call(self, latents: Tensor, token: Tensor, step: Step, window: int, half: str) -> Tensor:
        nets = self.nets
        self.reuse.at(step.index, step.count, (window, half))
        latents, ids = latents.to(nets.dtype), self.ids.expand(len(latents), -1)
        residuals = nets.controlnet(latents, step.timestep, token, ids, self._hint(window), self.settings.scale)
        return nets.unet(latents, step.timestep, token, ids, residuals).float()

    def _hint(self, window: int) -> Tensor:
        if window not in self.hints:
            condition = self.windows[window].condition().to(self.device, self.nets.dtype)
            self.hints[window] = self.nets.controlnet.embed_condition(condition).to(self.store)
        return self.hints[window].to(self.device)


def decode_frames(nets: Nets, latents: Tensor, chunk: int) -> Iterator[Tensor]:
    """Frames (n, 3, H, W) in 0..1 of latents (1, N, 4, h, w), `chunk` at a time; each chunk is decoded as a clip of its own."""
    for part in latents[0].split(chunk):
        with torch.inference_mode():
            frames = decode(nets.vae, part.to(nets.vae.device))
        yield frames
