"""What the networks paint of a cel: latents, kept after each of their calls, and frames, decoded when they are asked for."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...diffusion import memory
from ...diffusion.canvas import to_uint8
from ...diffusion.needs import explained
from ...diffusion.sampling import State
from . import needs, sampler
from .nets import Nets
from .sampler import Settings

if TYPE_CHECKING:
    from .model import Run

LARGE = 32 << 20  # bytes of latents that take long to write
PAUSE = 30.0  # seconds between two writings of such


@dataclass(frozen=True)
class Ready:
    """Networks in their places, and the settings that go with it."""

    nets: Nets
    plan: memory.Plan
    places: needs.Places
    settings: Settings
    frames: int  # of a window

    def at_work(self, size: tuple[int, int]) -> AbstractContextManager[None]:
        """Whatever runs out of memory here is told as what to do about it."""
        return explained(self.plan, self.places.late.device, size, self.frames, f" or Window to {max(2, self.frames // 2)}")


@dataclass(frozen=True)
class Shot:
    """`size` (width, height) px of the network's pictures · `count` of them · `spans` the windows · `shown` makes the picture of the
    reference, uint8 (H, W, 3), `poses` those of the poses of some frames, uint8 (F, H, W, 3)."""

    key: str
    size: tuple[int, int]
    count: int
    spans: Sequence[Sequence[int]]
    shown: Callable[[], np.ndarray] = field(repr=False)
    poses: Callable[[Sequence[int]], np.ndarray] = field(repr=False)


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
            with ready.at_work(self.shot.size), ready.places.late.on(ready.nets.vae):
                frames = sampler.decode_frames(ready.nets, self._latents[:, chunk.start : chunk.stop], len(chunk))
                self._decoded = dict(zip(chunk, (to_uint8(frame.numpy()) for part in frames for frame in part), strict=True))
        return self._decoded[index]

    def _sampled(self, ready: Ready) -> torch.Tensor:
        run, shot, nets = self.run, self.shot, ready.nets
        noise, key = sampler.start(shot.count, shot.size, run.job.seed), entry(shot.key)
        begin = State.of_arrays(run.cache.get(key), tuple(noise.shape))
        if begin is not None and begin.step == ready.settings.steps:
            return begin.latents
        reference = self._encoded(ready)
        with ready.places.late.on(nets.denoising_unet, nets.pose_guider):
            return sampler.sample(
                nets,
                reference,
                shot.poses,
                noise,
                shot.spans,
                ready.settings,
                ready.places.late.device,
                lambda done, count: run.progress("Denoising", done / count),
                run.should_cancel,
                self._keeper(key, ready.settings.steps),
                begin,
            )

    def _keeper(self, key: str, steps: int) -> Callable[[State], None]:
        """Keeps the state after each call; that of a long shot, which is large, only now and then."""
        last = time.monotonic()

        def keep(state: State) -> None:
            nonlocal last
            if state.latents.nbytes < LARGE or state.step == steps or time.monotonic() - last > PAUSE:
                self.run.cache.put(key, state.arrays(), level=0)
                last = time.monotonic()

        return keep

    def _encoded(self, ready: Ready) -> sampler.Reference:
        """The reference, read once; what has read it leaves the card."""
        nets, picture = ready.nets, self.shot.shown()
        self.run.check()
        with ready.places.late.on(nets.vae):
            latent = sampler.encode_latent(nets, picture, self.shot.size)
        with ready.places.early.on(nets.image_encoder):
            token = sampler.encode_token(nets, picture)
        with ready.places.early.on(nets.reference_unet):
            return sampler.encode_reference(nets, token, latent)


def entry(cel: str) -> str:
    """The name in the cache of the latents of the cel with this key."""
    return f"animate-latents-{cel[:24]}"


def settled(nets: Nets, shots: Sequence[Shot], options: Mapping[str, object], device: torch.device) -> Ready:
    """Networks where they can paint the largest of these shots. Raises JobFailed when there is no room for it."""
    largest = max(shots, key=lambda shot: shot.size[0] * shot.size[1] * len(shot.spans[0]))
    frames = len(largest.spans[0])
    settings = Settings(int(str(options["steps"])), float(str(options["guidance"])), str(options["schedule"]))
    plan, settings = needs.plan(nets, largest.size, frames, settings, device, str(options["memory"]))
    needs.prepare(nets)
    return Ready(nets, plan, needs.place(nets, plan.mode, device), settings, frames)
