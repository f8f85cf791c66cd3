"""What the networks paint of a cel: segments, kept as they are finished, and frames, decoded when they are asked for."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers.schedulers.scheduling_utils import AysSchedules

from ...diffusion import canvas, edm, memory
from ...diffusion.needs import explained, needs, prepare
from ...diffusion.sampling import noise
from ...job.files import digest
from . import sampler
from .nets import Nets
from .plan import Stretch, Way, segment_of
from .sampler import Chain, Done, Reference, Scheme
from .slots import VIDEO

if TYPE_CHECKING:
    from .model import Run

SCHEME = Scheme()
SLOTS = VIDEO + 1 + SCHEME.overlap
MORE = 6  # copies of the widest layer that attention to two slots takes beside what it takes anyway
_ALIGNED = tuple(AysSchedules["StableDiffusionVideoSigmas"])  # "align your steps": ten noise levels, then 0
PRESETS: Mapping[str, torch.Tensor] = {
    "reference": edm.sigmas(25),
    "fast": torch.tensor(_ALIGNED),
    "draft": torch.tensor((*_ALIGNED[:-1:2], 0.0)),
}


@dataclass(frozen=True)
class Ready:
    """Networks in their place."""

    nets: Nets
    plan: memory.Plan
    placement: memory.Placement

    @staticmethod
    def of(nets: Nets, sizes: Sequence[tuple[int, int]], device: torch.device, wanted: str) -> "Ready":
        """Where they can paint the largest of pictures of these sizes (width, height). Raises JobFailed when there is no room for it."""
        largest = max(sizes, key=lambda size: size[0] * size[1])
        plan = memory.plan(needs(nets, largest, SLOTS, more=MORE), memory.free_bytes(device), wanted, sampler.CHUNK, sampler.AGAIN + 2)
        prepare(nets)
        return Ready(nets, plan, memory.Placement(plan.mode, device, nets.all))


@dataclass(frozen=True)
class Shot:
    """`key` what all depends on beside the drawings · `size` (width, height) px of the network's pictures · `drawings` their ids, in
    order · `references` the keys, by their numbers, with the sha of each · `shown` makes the picture uint8 (H, W, 3) of a key, `sketch` the
    lines float32 (H, W) in 0..1 of a drawing."""

    key: str
    size: tuple[int, int]
    drawings: Sequence[str]
    references: Mapping[int, str]
    stretches: Sequence[Stretch]
    shown: Callable[[int], np.ndarray] = field(repr=False)
    sketch: Callable[[int], np.ndarray] = field(repr=False)


@dataclass(frozen=True)
class Place:
    """Where a drawing is painted: in way number `way` of a stretch, `local` drawings from its key."""

    stretch: Stretch
    way: int
    local: int

    @property
    def of(self) -> Way:
        return self.stretch.ways[self.way]


class Painting:
    """The frames of a shot. Nothing is computed before it is asked for, and segments that an earlier run has finished are taken up.

    A segment is known by its drawings and by all before it on its way, so that a drawing made anew lets those stand that come before.
    """

    def __init__(self, run: "Run", shot: Shot) -> None:
        self.run, self.shot = run, shot
        self.places: dict[int, Place] = {}
        for stretch in shot.stretches:
            for number, way in enumerate(stretch.ways):
                self.places |= {way.order[local]: Place(stretch, number, local) for local in range(1, way.frames)}
        self.names = {stretch: tuple(self._names(stretch)) for stretch in shot.stretches}
        self._decoded: dict[int, np.ndarray] = {}
        self._segment = functools.lru_cache(4)(self._load)
        self._reference = functools.lru_cache(2)(self._encode)

    # --- what depends on what ---

    def _names(self, stretch: Stretch) -> Iterator[list[str]]:
        """For each way the names, in the cache, of its segments."""
        drawings, ways = self.shot.drawings, []
        for way in stretch.ways:
            names, before = [], digest(self.shot.key, self.shot.references[way.order[0]], drawings[way.order[0]])
            for span in sampler.segments(len(way.order), SCHEME.overlap)[: way.segments]:
                before = digest(before, [drawings[way.order[min(local, len(way.order) - 1)]] for local in span])
                names.append(before)
            ways.append(names)
        if stretch.ties:  # the last of both are one
            both = digest(ways[0][-1], ways[1][-1])
            ways = [[*names[:-1], digest(both, number)] for number, names in enumerate(ways)]
        for names in ways:
            yield [f"lvcd-{name[:24]}" for name in names]

    def basis(self, number: int) -> str:
        """A key of what a drawing's frame depends on: the last segment that it can be decoded together with."""
        place = self.places[number]
        last = min(max(sampler.CHUNK - 1, place.local + sampler.CHUNK - 2 - sampler.AGAIN), place.of.frames - 1)
        return self.names[place.stretch][place.way][segment_of(last, SCHEME.overlap)]

    def kept(self) -> list[str]:
        """The names of what lies in the cache."""
        return [name for ways in self.names.values() for names in ways for name in names]

    # --- frames ---

    def frame(self, number: int) -> np.ndarray:
        """A drawing's frame, uint8 (H, W, 3). Raises Cancelled, BadInput, JobFailed."""
        if number not in self._decoded:
            place, ready = self.places[number], self.run.ready
            chunk = sampler.chunk_of(place.local, place.of.frames, ready.plan.chunk)
            latents = {local: self._latent(place, local) for local in chunk.frames}
            self.run.check()
            with self._at_work(ready), ready.placement.on(ready.nets.vae):
                frames = sampler.decode_chunk(ready.nets.vae, chunk, latents.__getitem__)
            self._decoded = {place.of.order[local]: canvas.to_uint8(frame.numpy()) for local, frame in frames.items()}
        return self._decoded[number]

    def _latent(self, place: Place, local: int) -> torch.Tensor:
        """Scaled latents (4, h, w) of the drawing so far from the key."""
        if local == 0:
            return self._reference(place.of.order[0]).latent[0].cpu() * sampler.SCALE
        number = segment_of(local, SCHEME.overlap)
        span = sampler.segments(len(place.of.order), SCHEME.overlap)[number]
        return self._segment(place.stretch, place.way, number).latents[SCHEME.overlap + 1 + local - span.start]

    # --- segments ---

    def _load(self, stretch: Stretch, way: int, number: int) -> Done:
        """A segment, on the processor; all before it on its way are finished first, and so is the other way if they meet in it."""
        names = self.names[stretch]
        kept = self.run.cache.get(names[way][number])
        if kept is None:
            both = bool(stretch.ties) and number == stretch.ways[way].segments - 1
            asked = [(each, stretch.ways[each].segments - 1) for each in (0, 1)] if both else [(way, number)]
            before = []
            for each, last in asked:
                for earlier in range(last):  # one after the other: each goes on from the one before
                    if earlier == last - 1 or not self.run.cache.has(names[each][earlier]):
                        self._segment(stretch, each, earlier)
                before.append(self._segment(stretch, each, last - 1) if last else None)
            for (each, last), done in zip(asked, self._denoised(stretch, asked, before), strict=True):
                self.run.cache.put(
                    names[each][last], {field.name: getattr(done, field.name).cpu().numpy() for field in fields(Done)}, level=0
                )
            kept = self.run.cache.get(names[way][number]) or {}
        return Done(*(torch.from_numpy(kept[field.name].copy()) for field in fields(Done)))

    def _denoised(self, stretch: Stretch, asked: Sequence[tuple[int, int]], before: Sequence[Done | None]) -> list[Done]:
        run, ready = self.run, self.run.ready
        chains = [self._chain(stretch.ways[way]) for way, _ in asked]
        unet = ready.nets.unet
        shape = (SLOTS, unet.config["out_channels"], self.shot.size[1] // 8, self.shot.size[0] // 8)
        begin, device = noise(shape, run.job.seed + 1), ready.placement.device
        with self._at_work(ready), ready.placement.on(unet, ready.nets.controlnet):
            parts = [
                sampler.part(ready.nets, chain, number, earlier, begin, SCHEME, device)
                for chain, (_, number), earlier in zip(chains, asked, before, strict=True)
            ]
            return sampler.denoise(
                parts,
                PRESETS[str(run.job.options["preset"])],
                SCHEME,
                stretch.ties if len(asked) > 1 else (),
                lambda done, count: run.denoised(len(asked) * done / count, done == count),
                run.should_cancel,
            )

    def _chain(self, way: Way) -> Chain:
        def sketch(local: int) -> torch.Tensor:
            return torch.from_numpy(self.shot.sketch(way.order[local])).expand(3, -1, -1)

        return Chain(self._reference(way.order[0]), len(way.order), sketch)

    def _encode(self, number: int) -> Reference:
        ready = self.run.ready
        picture = torch.from_numpy(self.shot.shown(number)).permute(2, 0, 1)[None].float() / 255.0
        with self._at_work(ready), ready.placement.on(ready.nets.image_encoder, ready.nets.vae):
            return Reference.of(ready.nets, picture)

    def _at_work(self, ready: Ready):
        return explained(ready.plan, ready.placement.device, self.shot.size, SLOTS)
