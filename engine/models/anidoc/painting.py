"""What the networks paint of a cel: latents, kept after each of their calls, and frames, decoded when they are asked for."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...diffusion import canvas, memory
from ...diffusion.needs import explained, prepare
from ...diffusion.sampling import State, noise
from . import needs, sampler
from .nets import Nets
from .presets import PRESETS
from .sampler import Settings

if TYPE_CHECKING:
    from .model import Run


@dataclass(frozen=True)
class Ready:
    """Networks in their place, and the settings that go with it."""

    nets: Nets
    plan: memory.Plan
    placement: memory.Placement
    settings: Settings
    frames: int  # of a window

    def at_work(self, size: tuple[int, int]) -> AbstractContextManager[None]:
        """Whatever runs out of memory here is told as what to do about it."""
        return explained(self.plan, self.placement.device, size, self.frames, f" or Window to {max(2, self.frames // 2)}")


@dataclass(frozen=True)
class Shot:
    """`size` (width, height) px of the network's pictures · `count` of them · `spans` the windows · `chosen` the figure that each is
    painted after · `shown` makes the picture uint8 (H, W, 3) of a figure, `condition` the condition of a window."""

    key: str
    size: tuple[int, int]
    count: int
    spans: Sequence[range]
    chosen: Sequence[int]
    shown: Callable[[int], np.ndarray] = field(repr=False)
    condition: Callable[[range, int, bool], torch.Tensor] = field(repr=False)


class Painting:
    """The frames of a shot. Nothing is computed before the first is asked for, and what an earlier run has done is taken up."""

    def __init__(self, run: "Run", shot: Shot) -> None:
        self.run, self.shot = run, shot
        self._latents: torch.Tensor | None = None
        self._decoded: dict[int, np.ndarray] = {}

    def frame(self, index: int) -> np.ndarray:
        """A frame, uint8 (H, W, 3). Raises Cancelled, BadInput, JobFailed."""
        if index not in self._decoded:
            ready = self.run.ready
            if self._latents is None:
                with ready.at_work(self.shot.size):
                    self._latents = self._sampled(ready)
            chunk = range(index // ready.plan.chunk * ready.plan.chunk, self.shot.count)[: ready.plan.chunk]
            self.run.check()
            with ready.at_work(self.shot.size), ready.placement.on(ready.nets.vae):
                frames = sampler.decode_frames(ready.nets, self._latents[:, chunk.start : chunk.stop], len(chunk))
                self._decoded = dict(zip(chunk, (canvas.to_uint8(frame.numpy()) for part in frames for frame in part), strict=True))
        return self._decoded[index]

    def _sampled(self, ready: Ready) -> torch.Tensor:
        run, shot, nets = self.run, self.shot, ready.nets
        shape = (1, shot.count, nets.unet.config["out_channels"], shot.size[1] // 8, shot.size[0] // 8)
        key = entry(shot.key)
        begin = State.of_arrays(run.cache.get(key), shape)
        encoded = self._encoded(ready)
        parts = [
            sampler.Window(span, encoded[which], lambda span=span, which=which: shot.condition(span, which, nets.sparse))
            for span, which in zip(shot.spans, shot.chosen, strict=True)
        ]
        with ready.placement.on(nets.unet, nets.controlnet):
            return sampler.sample(
                nets,
                parts,
                noise(shape, run.job.seed + 1),
                ready.settings,
                ready.placement.device,
                lambda done, count: run.progress("Denoising", done / count),
                run.should_cancel,
                lambda state: run.cache.put(key, state.arrays(), level=0),
                begin,
            )

    def _encoded(self, ready: Ready) -> dict[int, sampler.Encoded]:
        encoded = {}
        for which in sorted(set(self.shot.chosen)):
            self.run.check()
            picture = torch.from_numpy(self.shot.shown(which)).permute(2, 0, 1)[None].float() / 255.0
            with ready.placement.on(ready.nets.image_encoder, ready.nets.vae):
                token = sampler.encode_token(ready.nets, picture)
                latent = sampler.encode_latent(ready.nets, picture, noise(tuple(picture.shape), self.run.job.seed))
            encoded[which] = sampler.Encoded(token, latent)
        return encoded


def entry(cel: str) -> str:
    """The name in the cache of the latents of the cel with this key."""
    return f"anidoc-latents-{cel[:24]}"


def settled(nets: Nets, shots: Sequence[Shot], options: Mapping[str, object], device: torch.device) -> Ready:
    """Networks where they can paint the largest of these shots. Raises JobFailed when there is no room for it."""
    largest = max(shots, key=lambda shot: shot.size[0] * shot.size[1] * len(shot.spans[0]))
    frames = len(largest.spans[0])
    settings = replace(PRESETS[str(options["preset"])], order=str(options["context_order"]), reuse=int(str(options["reuse"])))
    plan, settings = needs.plan(nets, largest.size, frames, settings, device, str(options["memory"]))
    prepare(nets, bool(options["compile"]))
    return Ready(nets, plan, memory.Placement(plan.mode, device, nets.all), settings, frames)
