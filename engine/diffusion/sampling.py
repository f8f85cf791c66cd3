"""The denoising loop: a scheduler of diffusers', windows over long sequences, progress, and cancelling between any two calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from torch import Tensor

from ..job.errors import Cancelled
from .windows import weights


@dataclass(frozen=True)
class Step:
    """`index` of `count`, and the network's `timestep`, a number on the device."""

    index: int
    count: int
    timestep: Tensor


class Predict(Protocol):
    def __call__(self, window: int, noisy: Tensor, step: Step) -> Tensor:
        """What the network says of a window's scaled latents (1, F, C, h, w)."""
        ...


def euler(config: Mapping, steps: int, sigmas: Sequence[float] | None, device: torch.device) -> Any:
    """The scheduler of a configuration for so many steps, or for these noise levels, the last of them 0."""
    karras = {} if sigmas is None else {"use_karras_sigmas": False}
    scheduler: Any = EulerDiscreteScheduler.from_config({**config, **karras})
    if sigmas is None:
        scheduler.set_timesteps(steps, device=device)
    else:
        scheduler.set_timesteps(sigmas=list(sigmas), device=device)
    return scheduler


def ddim(config: Mapping, steps: int, device: torch.device) -> Any:
    """The DDIM scheduler of a configuration for so many steps."""
    scheduler: Any = DDIMScheduler.from_config(dict(config))
    scheduler.set_timesteps(steps, device=device)
    return scheduler


def noise(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Noise that depends on the seed alone: drawn on the processor, whatever the device."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=dtype)


@dataclass(frozen=True)
class State:
    """How far denoising has come: `step` steps and `window` calls of the next one are done · `latents` (1, N, C, h, w) · `said` what those
    calls said, blended, of the same shape."""

    step: int
    window: int
    latents: Tensor
    said: Tensor

    def arrays(self) -> dict[str, np.ndarray]:
        """As a cache keeps it."""
        at = np.array([self.step, self.window])
        return {"at": at, "latents": self.latents.cpu().numpy(), "said": self.said.cpu().numpy()}

    @staticmethod
    def of_arrays(kept: Mapping[str, np.ndarray] | None, shape: tuple[int, ...]) -> "State | None":
        """What was kept; None where there is nothing, or latents of another shape."""
        if kept is None or kept["latents"].shape != shape:
            return None
        return State(int(kept["at"][0]), int(kept["at"][1]), *(torch.from_numpy(kept[name].copy()) for name in ("latents", "said")))


def denoise(
    scheduler: Any,
    predict: Predict,
    noise: Tensor,
    spans: Sequence[Sequence[int]],
    on_step: Callable[[int, int], None] = lambda done, count: None,
    should_cancel: Callable[[], bool] = lambda: False,
    keep: Callable[[State], None] = lambda state: None,
    begin: State | None = None,
    even: bool = False,
) -> Tensor:
    """Latents (1, N, C, h, w), from noise of variance 1 to a picture each.

    `spans` are the windows of frames that `predict` is asked for; where they overlap, what is said is blended, or averaged if `even`.
    `on_step` is told the calls done and their number, `keep` the state after each. `should_cancel` is asked before each call; Cancelled is
    raised. From a kept state, `begin`, it goes on as if it had never stopped.
    """
    share = torch.from_numpy(weights(spans, noise.shape[1], even)).to(noise)
    if begin is None:
        begin = State(0, 0, noise * scheduler.init_noise_sigma, torch.zeros_like(noise))
    latents, said, first = begin.latents.to(noise), begin.said.to(noise), begin.window
    if hasattr(scheduler, "set_begin_index"):  # DDIM finds its place by the timestep
        scheduler.set_begin_index(begin.step)
    steps = len(scheduler.timesteps)
    for index in range(begin.step, steps):
        timestep = scheduler.timesteps[index]
        noisy = scheduler.scale_model_input(latents, timestep)
        for window in range(first, len(spans)):
            if should_cancel():
                raise Cancelled("The job was cancelled; finished pictures stay.")
            part = list(spans[window])
            new = predict(window, noisy[:, part], Step(index, steps, timestep)).to(latents.dtype)
            said[:, part] += new if len(spans) == 1 else new * share[window, part].view(1, -1, 1, 1, 1)
            on_step(index * len(spans) + window + 1, steps * len(spans))
            if window + 1 < len(spans):
                keep(State(index, window + 1, latents, said))
        latents = scheduler.step(said, timestep, latents).prev_sample
        said, first = torch.zeros_like(latents), 0
        keep(State(index + 1, 0, latents, said))
    return latents
