"""LVCD's pipeline: a shot is denoised segment by segment, each of which continues the one before.

A segment has T = 15 + overlap slots: the reference, `overlap` frames that the previous segment painted, and 14 frames to be painted, the
first `overlap` of which are the same frames again. These keep their noise, and their model output is replaced by the earlier one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_utils import AysSchedules
from torch import Tensor

from ...diffusion import edm
from ...diffusion.memory import Placement
from ...diffusion.parts import SvdNetworks
from ...diffusion.sampling import NO_HOOKS, DenoisingHooks, draw_noise
from ...diffusion.svd import clip_pixels, decode_frames
from . import slots
from .slots import VIDEO

TIME_IDS = (6.0, 160.0, 0.0)  # frames per second, motion, noise of the reference: the published weights were trained with these only
SCALE = 0.18215  # of the denoised latents, relative to those of the VAE
CHUNK, AGAIN = 10, 3  # latents that are decoded together, the reference's first; how many of a chunk were decoded before


@dataclass(frozen=True)
class SegmentScheme:
    """How segments are connected. `overlap` frames shared with the previous segment, 0 for independent segments · `alpha` how much more
    these count than their own noise · `previous` whether new frames attend to frames before them · `attention` whether frames attend to
    the reference. The defaults are those of the paper, other values its ablations."""

    overlap: int = 4
    alpha: float = slots.ALPHA
    previous: bool = True
    attention: bool = True

    def build_layout(self, segment: int) -> slots.SlotLayout:
        """The layout of a segment's slots."""
        goes_on = segment > 0 and self.overlap > 0 and self.previous
        layout = slots.build_later_layout(self.overlap, self.alpha) if goes_on else slots.build_first_layout(self.overlap)
        return layout if self.attention else slots.drop_reference(layout)


@dataclass(frozen=True)
class LvcdReference:
    """The encoded first frame in color: `token` (1, 1, C) of the image encoder, `latent` (1, 4, h, w), not scaled, and `at_first` the
    latent for the first segment, for which the original takes another sample."""

    token: Tensor
    latent: Tensor
    at_first: Tensor

    @staticmethod
    @torch.inference_mode()
    def encode_picture(networks: SvdNetworks, picture: Tensor) -> "LvcdReference":
        """Encode a picture (1, 3, H, W) in 0..1."""
        pixels = clip_pixels(picture, networks.image_encoder.config.image_size)
        token = networks.image_encoder(pixels.to(networks.image_encoder.device, networks.image_encoder.dtype)).image_embeds[:, None]
        latent = networks.vae.encode((picture * 2.0 - 1.0).to(networks.vae.device, networks.vae.dtype)).latent_dist.mode()
        return LvcdReference(token, latent, latent)


@dataclass(frozen=True)
class LvcdChain:
    """A sequence of `count` drawings, the first in color. `sketch` returns the drawing at an index, (3, 8 h, 8 w), 1 on lines, 0 on
    paper."""

    reference: LvcdReference
    count: int
    sketch: Callable[[int], Tensor] = field(repr=False)


@dataclass(frozen=True)
class FinishedSegment:
    """What a segment passes on to the next: `noise` and `latents` (T, 4, h, w) at its start and end · `model_output`
    (steps, overlap, 4, h, w) of its last frames at each step, as clean latents."""

    noise: Tensor
    latents: Tensor
    model_output: Tensor

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that a cache keeps, as `from_arrays` reads them. 'said' is the model output: caches of earlier versions have this
        name."""
        kept = {"noise": self.noise, "latents": self.latents, "said": self.model_output}
        return {name: tensor.cpu().numpy() for name, tensor in kept.items()}

    @staticmethod
    def from_arrays(kept: Mapping[str, np.ndarray]) -> "FinishedSegment":
        """The cached segment, on the CPU."""
        return FinishedSegment(*(torch.from_numpy(kept[name].copy()) for name in ("noise", "latents", "said")))


@dataclass(frozen=True)
class SegmentTask:
    """A segment to be denoised: `denoiser` predicts clean latents from noisy ones (T, 4, h, w) at a noise level · `pinned`
    (steps, overlap, 4, h, w) replaces its predictions for the frames that it shares with the previous segment."""

    noise: Tensor
    denoiser: Callable[[Tensor, Tensor], Tensor] = field(repr=False)
    pinned: Tensor | None = field(repr=False)


@dataclass(frozen=True)
class TiedFrame:
    """A frame that is in two segments, in slot `one` of the first and `other` of the second, whose weight is `share`."""

    one: int
    other: int
    share: float


def split_segments(count: int, overlap: int = SegmentScheme.overlap) -> list[range]:
    """The frames that each segment paints, by index. Frame 0 is the reference. The last segment may extend beyond the last drawing."""
    ends = [VIDEO + 1]
    while ends[-1] < count:
        ends.append(ends[-1] + VIDEO - overlap)
    return [range(end - VIDEO, end) for end in ends]


@torch.inference_mode()
def begin_segment(
    networks: SvdNetworks,
    chain: LvcdChain,
    segment: int,
    before: FinishedSegment | None,
    noise: Tensor,
    scheme: SegmentScheme,
    device: torch.device,
) -> SegmentTask:
    """Prepare a segment of a chain. `before` is the finished segment before it, None for the first, which starts from `noise` (T, 4, h,
    w)."""
    overlap, reference = scheme.overlap, chain.reference
    span, layout = split_segments(chain.count, overlap)[segment], scheme.build_layout(segment)
    shared = range(span.start, span.start + overlap) if segment else [0] * overlap
    frames = [min(frame, chain.count - 1) for frame in (0, *shared, *span)]
    if segment:
        assert before is not None
        latent = reference.latent.to(device)
        given = torch.cat([latent, before.latents[VIDEO + 1 :].to(device) / SCALE, latent.expand(VIDEO, -1, -1, -1)])
        last = before.noise[VIDEO + 1 :]
        noise = torch.cat([before.noise[:1], last, last, before.noise[overlap + 1 : VIDEO + 1]])
    else:
        given = reference.at_first.to(device).expand(layout.count, -1, -1, -1)
    drawn = sorted(set(frames))
    sketches = torch.stack([chain.sketch(frame) for frame in drawn])[None].to(device, networks.dtype)
    hint = networks.controlnet.embed_condition(sketches)[[drawn.index(frame) for frame in frames]]
    token = reference.token.to(device, networks.dtype)
    ids = torch.tensor([TIME_IDS], device=device, dtype=networks.dtype)

    def denoiser(noisy: Tensor, sigma: Tensor) -> Tensor:
        slots.set_slot_layout(layout, networks.unet, networks.controlnet)
        scale = edm.compute_scalings(sigma)
        latents = torch.cat([scale.c_in * noisy, given], dim=1)[None].to(networks.dtype)
        residuals = networks.controlnet(latents, scale.c_noise, token, ids, hint)
        return scale.c_skip * noisy + scale.c_out * networks.unet(latents, scale.c_noise, token, ids, residuals)[0].float()

    return SegmentTask(noise.to(device), denoiser, before.model_output.to(device) if before is not None and overlap else None)


@torch.inference_mode()
def denoise_segments(
    tasks: Sequence[SegmentTask],
    sigmas: Tensor,
    scheme: SegmentScheme,
    ties: Sequence[TiedFrame] = (),
    hooks: DenoisingHooks = NO_HOOKS,
) -> list[FinishedSegment]:
    """Denoise a segment, or two that are tied, step by step together: predictions for a tied frame are mixed.

    `sigmas` are noise levels, the last of them 0. Nothing is cached between the steps of a segment. Raises Cancelled.
    """
    sigmas = sigmas.to(tasks[0].noise)
    tasks = [tasks[0], *(replace(other, noise=_tie_noise(tasks[0].noise, other.noise, ties)) for other in tasks[1:])]
    latents, outputs = [task.noise * (1 + sigmas[0] ** 2) ** 0.5 for task in tasks], [[] for _ in tasks]
    calls = (len(sigmas) - 1) * len(tasks)
    for step, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        clean = []
        for number, task in enumerate(tasks):
            hooks.check()
            made = task.denoiser(latents[number], sigma)
            outputs[number].append(made[len(made) - scheme.overlap :].clone())
            if task.pinned is not None:
                made[scheme.overlap + 1 : 2 * scheme.overlap + 1] = task.pinned[step]
            clean.append(made)
            hooks.on_call(step * len(tasks) + number + 1, calls)
        for tie in ties:
            mixed = torch.lerp(clean[0][tie.one], clean[1][tie.other], tie.share)
            clean[0][tie.one] = clean[1][tie.other] = mixed
        latents = [edm.step_euler(noisy, predicted, sigma, following) for noisy, predicted in zip(latents, clean, strict=True)]
    return [FinishedSegment(task.noise, end, torch.stack(kept)) for task, end, kept in zip(tasks, latents, outputs, strict=True)]


def _tie_noise(one: Tensor, other: Tensor, ties: Sequence[TiedFrame]) -> Tensor:
    """The second segment's noise, with that of the first for tied frames."""
    other = other.clone()
    for tie in ties:
        other[tie.other] = one[tie.one]
    return other


# --- decoding -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DecodingChunk:
    """Frames that are decoded together, by index. Those before `first` only give context."""

    frames: tuple[int, ...]
    first: int


def find_chunk(index: int, count: int, length: int = CHUNK) -> DecodingChunk:
    """The chunk that decodes frame `index` of `count`: `length` frames, 5 or more, the reference and others, three of which an earlier
    chunk has decoded."""
    stride = length - 1 - AGAIN
    if index < length:
        return DecodingChunk(tuple(range(min(length, count))), 0)
    start = length + (index - length) // stride * stride - AGAIN
    return DecodingChunk((0, *range(start, min(start + length - 1, count))), start + AGAIN)


@torch.inference_mode()
def decode_chunk(vae: Any, chunk: DecodingChunk, latent: Callable[[int], Tensor]) -> dict[int, Tensor]:
    """Decode a chunk: frames (3, H, W) in 0..1 by index. `latent` returns the scaled latents (4, h, w) of each."""
    made = decode_frames(vae, torch.stack([latent(index) for index in chunk.frames]).to(vae.device))
    return {index: frame for index, frame in zip(chunk.frames, made, strict=True) if index >= chunk.first}


# --- whole chains -------------------------------------------------------------------------------------------------


def run_chain(
    networks: SvdNetworks, chain: LvcdChain, noise: Tensor, sigmas: Tensor, scheme: SegmentScheme, device: torch.device
) -> Iterator[tuple[range, Tensor]]:
    """Denoise all segments of a chain in order: the indices that are new in each, and their latents (n, 4, h, w). Index 0 is the
    reference itself."""
    yield range(1), chain.reference.latent.to(device) * SCALE
    before, done = None, 1
    for number, span in enumerate(split_segments(chain.count, scheme.overlap)):
        (before,) = denoise_segments([begin_segment(networks, chain, number, before, noise, scheme, device)], sigmas, scheme)
        new = range(done, min(span.stop, chain.count))
        yield new, before.latents[len(before.latents) - (span.stop - new.start) :][: len(new)]
        done = span.stop


# --- the pipeline -------------------------------------------------------------------------------------------------

SCHEME = SegmentScheme()
SLOTS = VIDEO + 1 + SCHEME.overlap
_ALIGNED = tuple(AysSchedules["StableDiffusionVideoSigmas"])  # "align your steps": ten noise levels, then 0
PRESETS: Mapping[str, Tensor] = {
    "reference": edm.build_sigmas(25),
    "fast": torch.tensor(_ALIGNED),
    "draft": torch.tensor((*_ALIGNED[:-1:2], 0.0)),
}


class LvcdPipeline:
    """The stages of a chain of segments. For each stage it moves its networks to the device, by their placement."""

    def __init__(self, networks: SvdNetworks, placement: Placement, sigmas: Tensor) -> None:
        """`sigmas` are the noise levels of each segment, the last of them 0."""
        self.networks, self.placement, self.sigmas = networks, placement, sigmas

    def encode_reference(self, picture: np.ndarray) -> LvcdReference:
        """Encode a picture uint8 (H, W, 3) of the size of the frames."""
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255.0
        with self.placement.hold_networks(self.networks.image_encoder, self.networks.vae):
            return LvcdReference.encode_picture(self.networks, pixels)

    def draw_noise(self, size: tuple[int, int], seed: int) -> Tensor:
        """Noise (T, 4, h / 8, w / 8) from which the segments start, for frames of `size` (width, height) px."""
        return draw_noise((SLOTS, self.networks.unet.config["out_channels"], size[1] // 8, size[0] // 8), seed + 1)

    def denoise_segments(
        self,
        begun: Sequence[tuple[LvcdChain, int, FinishedSegment | None]],
        noise: Tensor,
        ties: Sequence[TiedFrame],
        hooks: DenoisingHooks,
    ) -> list[FinishedSegment]:
        """Denoise a segment, or two that are tied. Each is given as its chain, its number there, and the segment before it. Raises
        Cancelled."""
        networks, device = self.networks, self.placement.device
        with self.placement.hold_networks(networks.unet, networks.controlnet):
            tasks = [begin_segment(networks, chain, number, before, noise, SCHEME, device) for chain, number, before in begun]
            return denoise_segments(tasks, self.sigmas, SCHEME, ties, hooks)

    def decode_chunk(self, chunk: DecodingChunk, latent: Callable[[int], Tensor]) -> dict[int, Tensor]:
        """Decode a chunk: frames float32 (3, H, W) in 0..1, on the CPU, by index. `latent` returns the scaled latents (4, h, w) of each."""
        with self.placement.hold_networks(self.networks.vae):
            return decode_chunk(self.networks.vae, chunk, latent)
