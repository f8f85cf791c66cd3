"""AniDoc's pipeline: encode a reference, denoise a clip's windows, decode its frames."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from diffusers.schedulers.scheduling_utils import AysSchedules
from torch import Tensor

from ...diffusion.memory import Placement
from ...diffusion.reuse import AttentionReuse, reuse_attention
from ...diffusion.sampling import NO_HOOKS, DenoisingHooks, DenoisingState, DenoisingStep, build_euler, denoise_latents, draw_noise
from ...diffusion.svd import clip_pixels, decode_frames, set_context_order
from .networks import AniDocNetworks

TIME_IDS = (6.0, 128.0, 0.02)  # frames per second, motion, noise of the reference: the published weights were trained with these only
REFERENCE_NOISE = 0.02
GUIDANCE = (1.0, 3.0)  # of the first and the last frame
FEW = 4  # windows whose hints and reused attention fit on the GPU


@dataclass(frozen=True)
class AniDocSettings:
    """`sigmas` noise levels ending in 0, used instead of `steps` of the scheduler's own · `guidance` of the first and last frame ·
    `cfg_until` the fraction of the steps, from the first on, that are guided; the others take half the time · `context_order` of the
    temporal context, see `set_context_order`; 'released' needs `batched_cfg` · `batched_cfg` whether both halves of the guidance are one
    batch, which takes more memory · `control_scale` of the residuals · `reuse` attention is computed only at every `reuse`-th step in the
    middle, 1 for all.
    """

    steps: int = 25
    sigmas: tuple[float, ...] | None = None
    guidance: tuple[float, float] = GUIDANCE
    cfg_until: float = 1.0
    context_order: str = "correct"
    batched_cfg: bool = True
    control_scale: float = 1.0
    reuse: int = 1

    @property
    def step_count(self) -> int:
        """The number of denoising steps, by `sigmas` or `steps`."""
        return self.steps if self.sigmas is None else len(self.sigmas) - 1


_ALIGNED = tuple(AysSchedules["StableDiffusionVideoSigmas"])  # "align your steps": ten noise levels, then 0

# Trade-offs between speed and similarity to the published pictures.
PRESETS = {
    "reference": AniDocSettings(steps=25),
    "fast": AniDocSettings(sigmas=_ALIGNED),
    "draft": AniDocSettings(sigmas=(*_ALIGNED[:-1:2], 0.0), cfg_until=0.5),
}


@dataclass(frozen=True)
class EncodedReference:
    """An encoded reference: `token` (1, 1, C) of the image encoder, `latent` (1, 4, h, w), not scaled."""

    token: Tensor
    latent: Tensor


@dataclass(frozen=True)
class AniDocWindow:
    """A range of `frames` of the clip, its reference, and a function that builds its condition (1, F, 8 or 9, 8 h, 8 w)."""

    frames: range
    reference: EncodedReference
    condition: Callable[[], Tensor] = field(repr=False)


@torch.inference_mode()
def encode_token(networks: AniDocNetworks, picture: Tensor) -> Tensor:
    """The image encoder's token (1, 1, C) of a picture (1, 3, H, W) in 0..1."""
    encoder = networks.image_encoder
    pixels = clip_pixels(picture, encoder.config.image_size)
    return encoder(pixels.to(encoder.device, encoder.dtype)).image_embeds[:, None]


@torch.inference_mode()
def encode_latent(networks: AniDocNetworks, picture: Tensor, noise: Tensor) -> Tensor:
    """The latent (1, 4, H / 8, W / 8) of a picture (1, 3, H, W) in 0..1, with a little of the given noise, in single precision."""
    noisy = picture * 2.0 - 1.0 + REFERENCE_NOISE * noise
    return networks.vae.encode(noisy.to(networks.vae.device, networks.vae.dtype)).latent_dist.mode()


class AniDocPipeline:
    """An `engine.diffusion.pipeline.VideoPipeline`: a reference is a token and a latent, conditions are the windows of the clip."""

    def __init__(self, networks: AniDocNetworks, placement: Placement, settings: AniDocSettings) -> None:
        self.networks, self.placement, self.settings = networks, placement, settings

    @property
    def step_count(self) -> int:
        return self.settings.step_count

    def draw_noise(self, count: int, size: tuple[int, int], seed: int) -> Tensor:
        """Noise float32 (1, count, 4, h / 8, w / 8) for frames of `size` (width, height) px."""
        return draw_noise((1, count, self.networks.unet.config["out_channels"], size[1] // 8, size[0] // 8), seed + 1)

    def encode_reference(self, picture: np.ndarray, seed: int) -> EncodedReference:
        """Encode a picture uint8 (H, W, 3). `seed` is for the small noise that is added before its latent is encoded."""
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255.0
        with self.placement.hold_networks(self.networks.image_encoder, self.networks.vae):
            token = encode_token(self.networks, pixels)
            return EncodedReference(token, encode_latent(self.networks, pixels, draw_noise(tuple(pixels.shape), seed)))

    @torch.inference_mode()
    def denoise_clip(
        self, conditions: Sequence[AniDocWindow], noise: Tensor, hooks: DenoisingHooks = NO_HOOKS, begin: DenoisingState | None = None
    ) -> Tensor:
        """Latents (1, N, 4, h, w) of a clip, from noise of that shape or from a cached state. Raises Cancelled."""
        unet, controlnet, device = self.networks.unet, self.networks.controlnet, self.placement.device
        for net in (unet, controlnet):
            set_context_order(net, self.settings.context_order)
        scheduler = build_euler(self.networks.scheduler, self.settings.steps, self.settings.sigmas, device)
        every = self.settings.reuse if len(conditions) <= FEW else 1
        with self.placement.hold_networks(unet, controlnet), reuse_attention(every, unet, controlnet) as reuse:
            denoiser = AniDocDenoiser(self.networks, conditions, noise.shape[1], self.settings, device, reuse)
            spans = [window.frames for window in conditions]
            return denoise_latents(scheduler, denoiser, noise.to(device, torch.float32), spans, hooks, begin)

    def decode_latents(self, latents: Tensor, chunk: int) -> Iterator[Tensor]:
        """Decode latents (1, N, 4, h, w) to frames (n, 3, H, W) in 0..1, `chunk` at a time. Each chunk is decoded as a clip of its own."""
        vae = self.networks.vae
        with self.placement.hold_networks(vae):
            for part in latents[0].split(chunk):
                with torch.inference_mode():
                    frames = decode_frames(vae, part.to(vae.device))
                yield frames


class AniDocDenoiser:
    """An `engine.diffusion.sampling.Denoiser`. What does not depend on the step is computed once."""

    def __init__(
        self,
        networks: AniDocNetworks,
        windows: Sequence[AniDocWindow],
        count: int,
        settings: AniDocSettings,
        device: torch.device,
        reuse: AttentionReuse,
    ) -> None:
        """`count` is the number of frames in all windows together."""
        self.networks, self.windows, self.settings, self.device, self.reuse = networks, windows, settings, device, reuse
        self.guidance = torch.linspace(*settings.guidance, count, device=device).view(1, -1, 1, 1, 1)
        self.time_ids = torch.tensor([TIME_IDS], dtype=networks.dtype, device=device)
        self.store = device if len(windows) <= FEW else torch.device("cpu")  # hints of long clips are kept in main memory
        self.hints: dict[int, Tensor] = {}

    def __call__(self, window: int, noisy: Tensor, step: DenoisingStep) -> Tensor:
        span = self.windows[window].frames
        reference = self.windows[window].reference
        latent = reference.latent.to(noisy)[:, None].expand(-1, noisy.shape[1], -1, -1, -1)
        token = reference.token.to(self.device, self.networks.dtype)
        given = torch.cat([noisy, latent], dim=2)
        if step.index >= self.settings.cfg_until * step.count or self.settings.guidance == (1.0, 1.0):
            return self._call_networks(given, token, step, window, "conditioned")
        free = torch.cat([noisy, torch.zeros_like(latent)], dim=2)
        if self.settings.batched_cfg:
            tokens = torch.cat([torch.zeros_like(token), token])
            unconditioned, conditioned = self._call_networks(torch.cat([free, given]), tokens, step, window, "both").chunk(2)
        else:
            unconditioned = self._call_networks(free, torch.zeros_like(token), step, window, "unconditioned")
            conditioned = self._call_networks(given, token, step, window, "conditioned")
        return unconditioned + self.guidance[:, span.start : span.stop] * (conditioned - unconditioned)

    def _call_networks(self, latents: Tensor, token: Tensor, step: DenoisingStep, window: int, half: str) -> Tensor:
        networks = self.networks
        self.reuse.begin_step(step.index, step.count, (window, half))
        latents, ids = latents.to(networks.dtype), self.time_ids.expand(len(latents), -1)
        residuals = networks.controlnet(latents, step.timestep, token, ids, self._embed_hint(window), self.settings.control_scale)
        return networks.unet(latents, step.timestep, token, ids, residuals).float()

    def _embed_hint(self, window: int) -> Tensor:
        if window not in self.hints:
            condition = self.windows[window].condition().to(self.device, self.networks.dtype)
            self.hints[window] = self.networks.controlnet.embed_condition(condition).to(self.store)
        return self.hints[window].to(self.device)
