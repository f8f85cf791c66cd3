"""The clip that LVCD renders for a cel: segments, cached when they are finished, and frames, decoded on demand."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ...diffusion.canvas import to_uint8
from ...diffusion.clip import ClipRenderer, ClipSpec, choose_chunk
from ...diffusion.loaded import LoadedPipeline
from ...diffusion.sampling import DenoisingHooks
from ...job.files import compute_digest
from ...pictures.context import JobContext
from .pipeline import AGAIN, CHUNK, SCALE, SCHEME, FinishedSegment, LvcdChain, LvcdPipeline, LvcdReference, find_chunk, split_segments
from .plan import KeyStretch, SegmentChain, find_segment


@dataclass(frozen=True)
class LvcdClip(ClipSpec):
    """`fingerprint` of everything except the drawings · `drawings` their ids, in order · `references` the sha of each key, by number ·
    `stretches` how the drawings are painted from the keys · `show_key` returns the picture uint8 (H, W, 3) of a key, `draw_lines` the
    lines float32 (H, W) in 0..1 of a drawing · `report` gets the fraction of a segment that is denoised, and whether it is finished."""

    drawings: Sequence[str]
    references: Mapping[int, str]
    stretches: Sequence[KeyStretch]
    show_key: Callable[[int], np.ndarray] = field(repr=False)
    draw_lines: Callable[[int], np.ndarray] = field(repr=False)
    report: Callable[[float, bool], None] = field(repr=False)


@dataclass(frozen=True)
class ChainPosition:
    """The position of a drawing: in chain number `way` of a stretch, `local` drawings from its key."""

    stretch: KeyStretch
    way: int
    local: int

    @property
    def chain(self) -> SegmentChain:
        return self.stretch.ways[self.way]


class LvcdRenderer(ClipRenderer[LvcdPipeline, LvcdClip]):
    """Renders the frames of a cel in segments that continue each other.

    The cache key of a segment depends on its drawings and on all before them in its chain, so a redrawn drawing keeps earlier segments.
    """

    def __init__(self, context: JobContext, load_pipeline: Callable[[], LoadedPipeline[LvcdPipeline]], spec: LvcdClip) -> None:
        super().__init__(context, load_pipeline, spec)
        self.places: dict[int, ChainPosition] = {}
        for stretch in spec.stretches:
            for number, chain in enumerate(stretch.ways):
                self.places |= {chain.order[local]: ChainPosition(stretch, number, local) for local in range(1, chain.frames)}
        self.names = {stretch: tuple(self._name_segments(stretch)) for stretch in spec.stretches}
        self._segment = functools.lru_cache(4)(self._load_segment)
        self._reference = functools.lru_cache(2)(self._encode_key)

    # --- cache keys ---

    def _name_segments(self, stretch: KeyStretch) -> Iterator[list[str]]:
        """For each chain the cache keys of its segments."""
        drawings, chains = self.spec.drawings, []
        for chain in stretch.ways:
            names, before = [], compute_digest(self.spec.fingerprint, self.spec.references[chain.order[0]], drawings[chain.order[0]])
            for span in split_segments(len(chain.order), SCHEME.overlap)[: chain.segments]:
                before = compute_digest(before, [drawings[chain.order[min(local, len(chain.order) - 1)]] for local in span])
                names.append(before)
            chains.append(names)
        if stretch.ties:  # the last segments of both chains depend on each other
            both = compute_digest(chains[0][-1], chains[1][-1])
            chains = [[*names[:-1], compute_digest(both, number)] for number, names in enumerate(chains)]
        for names in chains:
            yield [f"lvcd-{name[:24]}" for name in names]

    def fingerprint_frame(self, number: int) -> str:
        """The fingerprint of a drawing's frame: of the last segment that it can be decoded with."""
        place = self.places[number]
        last = min(max(CHUNK - 1, place.local + CHUNK - 2 - AGAIN), place.chain.frames - 1)
        return self.names[place.stretch][place.way][find_segment(last, SCHEME.overlap)]

    def cache_keys(self) -> list[str]:
        return [name for chains in self.names.values() for names in chains for name in names]

    # --- frames ---

    def _decode_chunk(self, loaded: LoadedPipeline[LvcdPipeline], index: int) -> dict[int, np.ndarray]:
        place = self.places[index]
        first = self.names[place.stretch][place.way][0]
        length = choose_chunk(self.context.cache.get(first, "chunk"), loaded.plan.chunk)
        chunk = find_chunk(place.local, place.chain.frames, length)
        latents = {local: self._find_latent(place, local) for local in chunk.frames}
        self.context.check()
        frames = loaded.pipeline.decode_chunk(chunk, latents.__getitem__)
        return {place.chain.order[local]: to_uint8(frame.numpy()) for local, frame in frames.items()}

    def _find_latent(self, place: ChainPosition, local: int) -> Tensor:
        """Scaled latents (4, h, w) of the drawing that is `local` drawings from the key."""
        if local == 0:
            return self._reference(place.chain.order[0]).latent[0].cpu() * SCALE
        number = find_segment(local, SCHEME.overlap)
        span = split_segments(len(place.chain.order), SCHEME.overlap)[number]
        return self._segment(place.stretch, place.way, number).latents[SCHEME.overlap + 1 + local - span.start]

    # --- segments ---

    def _load_segment(self, stretch: KeyStretch, way: int, number: int) -> FinishedSegment:
        """A segment, on the CPU. All before it in its chain are denoised first, and so is the other chain if both meet in it."""
        names, cache = self.names[stretch], self.context.cache
        kept = cache.get(names[way][number])
        if kept is None:
            both = bool(stretch.ties) and number == stretch.ways[way].segments - 1
            requests = [(each, stretch.ways[each].segments - 1) for each in (0, 1)] if both else [(way, number)]
            before = []
            for each, last in requests:
                for earlier in range(last):  # in order: each continues the one before
                    if earlier == last - 1 or not cache.has(names[each][earlier]):
                        self._segment(stretch, each, earlier)
                before.append(self._segment(stretch, each, last - 1) if last else None)
            length = np.array(self.load_pipeline().plan.chunk)
            for (each, last), done in zip(requests, self._denoise_segments(stretch, requests, before), strict=True):
                cache.put(names[each][last], {**done.arrays(), "chunk": length}, level=0)
            kept = cache.get(names[way][number]) or {}
        return FinishedSegment.from_arrays(kept)

    def _denoise_segments(
        self, stretch: KeyStretch, requests: Sequence[tuple[int, int]], before: Sequence[FinishedSegment | None]
    ) -> list[FinishedSegment]:
        pipeline = self.load_pipeline().pipeline
        begun = [(self._build_chain(stretch.ways[way]), number, earlier) for (way, number), earlier in zip(requests, before, strict=True)]
        hooks = DenoisingHooks(
            on_call=lambda done, count: self.spec.report(len(requests) * done / count, done == count), check=self.context.check
        )
        noise = pipeline.draw_noise(self.spec.size, self.context.job.seed)
        return pipeline.denoise_segments(begun, noise, stretch.ties if len(requests) > 1 else (), hooks)

    def _build_chain(self, chain: SegmentChain) -> LvcdChain:
        def sketch(local: int) -> Tensor:
            return torch.from_numpy(self.spec.draw_lines(chain.order[local])).expand(3, -1, -1)

        return LvcdChain(self._reference(chain.order[0]), len(chain.order), sketch)

    def _encode_key(self, number: int) -> LvcdReference:
        return self.load_pipeline().pipeline.encode_reference(self.spec.show_key(number))
