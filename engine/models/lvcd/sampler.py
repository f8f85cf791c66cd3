"""LVCD's pipeline between pictures and tensors: a shot is denoised segment by segment, each of which goes on from the one before.

A segment is T = 15 + overlap slots: the reference, `overlap` frames that the segment before painted, and 14 frames to be painted, the first
`overlap` of which are those again. These keep their noise and are held to what was said of them before.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ...diffusion import edm
from ...diffusion.svd import clip_pixels, decode
from ...job.errors import Cancelled
from . import slots
from .nets import Nets
from .slots import VIDEO

TIME_IDS = (6.0, 160.0, 0.0)  # frames a second, motion, noise of the reference: the published weights know no others
SCALE = 0.18215  # of latents that are denoised, against those of the VAE
CHUNK, AGAIN = 10, 3  # latents that are decoded together, the reference's the first; those of a chunk that were decoded already


@dataclass(frozen=True)
class Scheme:
    """How segments hang together. `overlap` frames of the segment before, 0 for segments that know nothing of each other · `alpha` how much
    more these count than their own noise · `previous` whether new frames look at frames before them · `attention` whether anything looks
    at the reference. The defaults are those of the paper, the others its ablations."""

    overlap: int = 4
    alpha: float = slots.ALPHA
    previous: bool = True
    attention: bool = True

    def layout(self, segment: int) -> slots.Layout:
        """Of a segment's slots."""
        goes_on = segment > 0 and self.overlap > 0 and self.previous
        layout = slots.later(self.overlap, self.alpha) if goes_on else slots.beginning(self.overlap)
        return layout if self.attention else slots.without_reference(layout)


@dataclass(frozen=True)
class Reference:
    """The colored first frame: `token` (1, 1, C) of the image encoder, `latent` (1, 4, h, w), not scaled, and `at_first` the same for the
    first segment, where the original takes another draw of it."""

    token: Tensor
    latent: Tensor
    at_first: Tensor

    @staticmethod
    @torch.inference_mode()
    def of(nets: Nets, picture: Tensor) -> "Reference":
        """Of a picture (1, 3, H, W) in 0..1."""
        pixels = clip_pixels(picture, nets.image_encoder.config.image_size)
        token = nets.image_encoder(pixels.to(nets.image_encoder.device, nets.image_encoder.dtype)).image_embeds[:, None]
        latent = nets.vae.encode((picture * 2.0 - 1.0).to(nets.vae.device, nets.vae.dtype)).latent_dist.mode()
        return Reference(token, latent, latent)


@dataclass(frozen=True)
class Chain:
    """A run of `count` drawings from a colored first one: `sketch` makes that at an index as (3, 8 h, 8 w), 1 on lines, 0 on paper."""

    reference: Reference
    count: int
    sketch: Callable[[int], Tensor] = field(repr=False)


@dataclass(frozen=True)
class Done:
    """What a segment leaves to the next: `noise` and `latents` (T, 4, h, w) at its start and end · `said` (steps, overlap, 4, h, w) of its
    last frames at each step."""

    noise: Tensor
    latents: Tensor
    said: Tensor


@dataclass(frozen=True)
class Part:
    """A segment to be denoised: `predict` says what clean latents it sees in (T, 4, h, w) noisy ones at a noise level, `pinned`
    (steps, overlap, 4, h, w) what it must say of the frames that it shares with the segment before."""

    noise: Tensor
    predict: Callable[[Tensor, Tensor], Tensor] = field(repr=False)
    pinned: Tensor | None = field(repr=False)


@dataclass(frozen=True)
class Tie:
    """A frame that two parts see, in the slot `one` of the first and `other` of the second, which counts `share`."""

    one: int
    other: int
    share: float


def segments(count: int, overlap: int = Scheme.overlap) -> list[range]:
    """The frames that each segment paints, by index; frame 0 is the reference. The last may reach beyond the last drawing."""
    ends = [VIDEO + 1]
    while ends[-1] < count:
        ends.append(ends[-1] + VIDEO - overlap)
    return [range(end - VIDEO, end) for end in ends]


@torch.inference_mode()
def part(nets: Nets, chain: Chain, segment: int, before: Done | None, noise: Tensor, scheme: Scheme, device: torch.device) -> Part:
    """A segment of a chain, `before` what the one before it left, None for the first, which begins from `noise` (T, 4, h, w)."""
    overlap, reference = scheme.overlap, chain.reference
    span, layout = segments(chain.count, overlap)[segment], scheme.layout(segment)
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
    sketches = torch.stack([chain.sketch(frame) for frame in drawn])[None].to(device, nets.dtype)
    hint = nets.controlnet.embed_condition(sketches)[[drawn.index(frame) for frame in frames]]
    token = reference.token.to(device, nets.dtype)
    ids = torch.tensor([TIME_IDS], device=device, dtype=nets.dtype)

    def predict(noisy: Tensor, sigma: Tensor) -> Tensor:
        slots.use(layout, nets.unet, nets.controlnet)
        scale = edm.scalings(sigma)
        latents = torch.cat([scale.into * noisy, given], dim=1)[None].to(nets.dtype)
        residuals = nets.controlnet(latents, scale.time, token, ids, hint)
        return scale.skip * noisy + scale.out * nets.unet(latents, scale.time, token, ids, residuals)[0].float()

    return Part(noise.to(device), predict, before.said.to(device) if before is not None and overlap else None)


@torch.inference_mode()
def denoise(
    parts: Sequence[Part],
    sigmas: Tensor,
    scheme: Scheme,
    ties: Sequence[Tie] = (),
    on_call: Callable[[int, int], None] = lambda done, count: None,
    should_cancel: Callable[[], bool] = lambda: False,
) -> list[Done]:
    """Denoise a segment, or two that are tied, step by step together: what they say of a tied frame is mixed.

    `sigmas` are noise levels, the last of them 0. `on_call` is told the calls done and their number. `should_cancel` is asked before each
    call; Cancelled is raised.
    """
    sigmas = sigmas.to(parts[0].noise)
    parts = [parts[0], *(replace(other, noise=_tied(parts[0].noise, other.noise, ties)) for other in parts[1:])]
    latents, said = [part.noise * (1 + sigmas[0] ** 2) ** 0.5 for part in parts], [[] for _ in parts]
    calls = (len(sigmas) - 1) * len(parts)
    for step, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        clean = []
        for number, part in enumerate(parts):
            if should_cancel():
                raise Cancelled("The job was cancelled; finished pictures stay.")
            made = part.predict(latents[number], sigma)
            said[number].append(made[len(made) - scheme.overlap :].clone())
            if part.pinned is not None:
                made[scheme.overlap + 1 : 2 * scheme.overlap + 1] = part.pinned[step]
            clean.append(made)
            on_call(step * len(parts) + number + 1, calls)
        for tie in ties:
            mixed = torch.lerp(clean[0][tie.one], clean[1][tie.other], tie.share)
            clean[0][tie.one] = clean[1][tie.other] = mixed
        latents = [edm.euler(noisy, seen, sigma, following) for noisy, seen in zip(latents, clean, strict=True)]
    return [Done(part.noise, end, torch.stack(kept)) for part, end, kept in zip(parts, latents, said, strict=True)]


def _tied(one: Tensor, other: Tensor, ties: Sequence[Tie]) -> Tensor:
    """The second part's noise, with that of the first where they see the same frame."""
    other = other.clone()
    for tie in ties:
        other[tie.other] = one[tie.one]
    return other


# --- decoding -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chunk:
    """Frames that are decoded together, by index; those before `first` are only looked at."""

    frames: tuple[int, ...]
    first: int


def chunk_of(index: int, count: int, length: int = CHUNK) -> Chunk:
    """The chunk of `length` frames, 5 or more, that decodes a frame of so many: the reference and others, three of which an earlier chunk
    has decoded."""
    stride = length - 1 - AGAIN
    if index < length:
        return Chunk(tuple(range(min(length, count))), 0)
    start = length + (index - length) // stride * stride - AGAIN
    return Chunk((0, *range(start, min(start + length - 1, count))), start + AGAIN)


@torch.inference_mode()
def decode_chunk(vae: Any, chunk: Chunk, latent: Callable[[int], Tensor]) -> dict[int, Tensor]:
    """Frames (3, H, W) in 0..1 by index; `latent` gives the scaled latents (4, h, w) of each."""
    made = decode(vae, torch.stack([latent(index) for index in chunk.frames]).to(vae.device))
    return {index: frame for index, frame in zip(chunk.frames, made, strict=True) if index >= chunk.first}


# --- whole chains -------------------------------------------------------------------------------------------------


def run(nets: Nets, chain: Chain, noise: Tensor, sigmas: Tensor, scheme: Scheme, device: torch.device) -> Iterator[tuple[range, Tensor]]:
    """All segments of a chain, one after the other: the indices that are new in each, and their latents (n, 4, h, w). Index 0 is the
    reference's own."""
    yield range(1), chain.reference.latent.to(device) * SCALE
    before, done = None, 1
    for number, span in enumerate(segments(chain.count, scheme.overlap)):
        (before,) = denoise([part(nets, chain, number, before, noise, scheme, device)], sigmas, scheme)
        new = range(done, min(span.stop, chain.count))
        yield new, before.latents[len(before.latents) - (span.stop - new.start) :][: len(new)]
        done = span.stop
