"""ToonCrafter's pipeline: encode two keys and a prompt, denoise the clip between them, decode its frames.

Pictures are (N, 3, H, W) in -1..1, H and W multiples of 64. Latents are (1, 16, 4, H / 8, W / 8), those of the autoencoder times `SCALE`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...diffusion.memory import Placement
from ...diffusion.sampling import NO_HOOKS, DenoisingHooks, DenoisingState, DenoisingStep, denoise_latents
from ...diffusion.svd import clip_pixels
from . import text
from .ddim import ShrinkingDdim, apply_guidance
from .networks import FRAMES
from .vae import SCALE, build_references
from .weights import ToonCrafterNetworks

SECOND_PASS = tuple(index for index in range(FRAMES) if index not in (1, FRAMES - 2))  # frames that are decoded a second time
REPLACED = (FRAMES // 2 - 1, FRAMES // 2)  # frames that are taken from the second pass


@dataclass(frozen=True)
class ToonCrafterSettings:
    """`steps` of denoising · `guidance` scale for the prompt and the first key, `rescale` of the guided standard deviation · `fps` frames
    per second of the clip: the fewer, the larger the motion · `eta` amount of noise that is added at each step, 1 as published ·
    `batched_cfg` whether both halves of the guidance are one batch, which takes more memory."""

    steps: int = 50
    guidance: float = 7.5
    rescale: float = 0.7
    fps: float = 10.0
    eta: float = 1.0
    batched_cfg: bool = False


@dataclass(frozen=True)
class EncodedKeys:
    """Two encoded keys: `latents` (2, 4, h, w) scaled · `references` the hidden states that the decoder attends to."""

    latents: Tensor
    references: list[Tensor]


@dataclass(frozen=True)
class ClipConditions:
    """The conditions of a clip: `keys` · `context` (1, 77 + 256, C) of prompt and first key, `free` the unconditioned one · `sketches`
    (1, 16, 1, H, W), 1 on lines, all 0 for frames without one, or None without any · `draw_step_noise` draws the noise of a step."""

    keys: EncodedKeys
    context: Tensor
    free: Tensor
    draw_step_noise: Callable[[int], Tensor] = field(repr=False)
    sketches: Tensor | None = field(default=None, repr=False)


@torch.inference_mode()
def encode_keys(networks: ToonCrafterNetworks, pictures: Tensor, noise: Tensor) -> EncodedKeys:
    """Encode two pictures (2, 3, H, W). `noise` (2, 4, h, w) of variance 1 samples their latents."""
    where = next(networks.vae.parameters())
    mean, variance, hidden = networks.vae.encode_keys(pictures.to(where))
    latents = mean.float() + torch.exp(0.5 * variance.float()) * noise.to(where.device)
    return EncodedKeys(SCALE * latents, build_references(hidden))


@torch.inference_mode()
def encode_image(networks: ToonCrafterNetworks, picture: Tensor) -> Tensor:
    """The image tokens (1, 256, C) of a picture (1, 3, H, W)."""
    where = next(networks.image_encoder.parameters())
    pixels = clip_pixels(picture / 2.0 + 0.5, networks.image_encoder.config.image_size)
    return networks.projector(networks.image_encoder(pixels.to(where)).last_hidden_state)


@torch.inference_mode()
def encode_text(networks: ToonCrafterNetworks, ids: Tensor) -> Tensor:
    """The prompt's tokens (B, 77, C) from their ids (B, 77)."""
    return networks.text_encoder(ids.to(networks.text_encoder.device)).last_hidden_state


def place_keys(latents: Tensor) -> Tensor:
    """The UNet's condition for two keys (2, 4, h, w): their latents at both ends of a clip (1, 16, 4, h, w), zeros between."""
    placed = latents.new_zeros(1, FRAMES, *latents.shape[1:])
    placed[0, 0], placed[0, -1] = latents
    return placed


class ToonCrafterPipeline:
    """The stages of a clip between two keys. For each stage it moves its networks to the device, by their placement."""

    def __init__(self, networks: ToonCrafterNetworks, placement: Placement, settings: ToonCrafterSettings) -> None:
        self.networks, self.placement, self.settings = networks, placement, settings
        self._free: Tensor | None = None

    @property
    def step_count(self) -> int:
        """The number of denoising steps."""
        return self.settings.steps

    def encode_keys(self, pictures: Tensor, noise: Tensor) -> EncodedKeys:
        """Encode two pictures (2, 3, H, W). `noise` (2, 4, h, w) of variance 1 samples their latents."""
        with self.placement.hold_networks(self.networks.vae):
            return encode_keys(self.networks, pictures, noise)

    def encode_contexts(self, prompt: str, first: Tensor) -> tuple[Tensor, Tensor]:
        """The context (1, 77 + 256, C) of a prompt and the first key (1, 3, H, W), and the unconditioned one, which is computed once.
        Raises BadInput for a prompt that can't be tokenized."""
        networks, device = self.networks, self.placement.device
        with self.placement.hold_networks(networks.text_encoder, networks.image_encoder, networks.projector):
            words = encode_text(networks, text.tokenize_prompt(prompt, networks.folder / "tokenizer"))
            context = torch.cat([words, encode_image(networks, first.to(device))], dim=1)
            if self._free is None:
                nothing = encode_text(networks, text.tokenize_prompt("", networks.folder / "tokenizer"))
                self._free = torch.cat([nothing, encode_image(networks, torch.zeros_like(first, device=device))], dim=1)
        return context, self._free

    @torch.inference_mode()
    def denoise_clip(
        self, conditions: ClipConditions, noise: Tensor, hooks: DenoisingHooks = NO_HOOKS, begin: DenoisingState | None = None
    ) -> Tensor:
        """Latents of the clip from noise (1, 16, 4, h, w) or from a cached state. Raises Cancelled."""
        networks, settings, device = self.networks, self.settings, self.placement.device
        scheduler = ShrinkingDdim(settings.steps, conditions.draw_step_noise, settings.eta, device)
        with self.placement.hold_networks(*filter(None, (networks.unet, networks.sketch_encoder))):
            denoiser = ToonCrafterDenoiser(networks, conditions, settings, device)
            return denoise_latents(scheduler, denoiser, noise.to(device, torch.float32), [range(FRAMES)], hooks, begin)

    @torch.inference_mode()
    def decode_clip(self, latents: Tensor, references: list[Tensor], two_passes: bool, scale: float = 1.0) -> Tensor:
        """Decode latents to frames (16, 3, H, W), float32 on the CPU, about -1..1.

        With `two_passes`, as published, the two middle frames are taken from a second pass, without the second and the last but one frame.
        Latents are divided by `scale`. If half precision overflows, the clip is decoded again in single precision.
        """
        vae, given = self.networks.vae, latents[0] / (SCALE * scale)
        with self.placement.hold_networks(vae):
            frames = self._decode_passes(given, references, two_passes)
            if not frames.isfinite().all() and vae.dtype == torch.float16:
                vae.float()
                frames = self._decode_passes(given, references, two_passes)
                vae.half()
            return frames.cpu()

    def _decode_passes(self, latents: Tensor, references: list[Tensor], two_passes: bool) -> Tensor:
        vae = self.networks.vae
        where = next(vae.parameters())
        given, levels = latents.to(where), [level.to(where) for level in references]
        frames = vae.decode_clip(given, levels, FRAMES).float()
        if two_passes:
            again = vae.decode_clip(given[list(SECOND_PASS)], levels, len(SECOND_PASS)).float()
            for index in REPLACED:
                frames[index] = again[SECOND_PASS.index(index)]
        return frames


class ToonCrafterDenoiser:
    """An `engine.diffusion.sampling.Denoiser`. A clip is a single window."""

    def __init__(
        self, networks: ToonCrafterNetworks, conditions: ClipConditions, settings: ToonCrafterSettings, device: torch.device
    ) -> None:
        self.networks, self.settings, self.device = networks, settings, device
        self.keys = place_keys(conditions.keys.latents.to(device, torch.float32))
        self.context, self.free = (tokens.to(device, networks.dtype) for tokens in (conditions.context, conditions.free))
        self.sketches = None if conditions.sketches is None else conditions.sketches.to(device, networks.dtype)

    def __call__(self, window: int, noisy: Tensor, step: DenoisingStep) -> Tensor:
        given = torch.cat([noisy, self.keys], dim=2).to(self.networks.dtype)
        if self.settings.guidance == 1.0:
            return self._call_networks(given, step.timestep, self.context)
        if self.settings.batched_cfg:
            both = torch.cat([self.free, self.context])
            unconditioned, conditioned = self._call_networks(given, step.timestep, both).chunk(2)
        else:
            unconditioned, conditioned = (self._call_networks(given, step.timestep, tokens) for tokens in (self.free, self.context))
        return apply_guidance(unconditioned, conditioned, self.settings.guidance, self.settings.rescale)

    def _call_networks(self, given: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        networks, batch = self.networks, len(tokens)
        given, times = given.expand(batch, -1, -1, -1, -1), timestep.reshape(1).expand(batch)
        residuals = None
        if self.sketches is not None and networks.sketch_encoder is not None:
            drawn = self.sketches.expand(batch, -1, -1, -1, -1)
            residuals = networks.sketch_encoder.compute_residuals(given[:, :, :4], times, tokens, drawn)
        return networks.unet(given, times, torch.full((batch,), self.settings.fps, device=self.device), tokens, residuals).float()
