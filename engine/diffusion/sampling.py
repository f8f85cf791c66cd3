"""The denoising loop: a scheduler of diffusers', windows over long sequences, progress, and cancelling between any two calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from torch import Tensor

from ..errors import Cancelled
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


def noise(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Noise that depends on the seed alone: drawn on the processor, whatever the device."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=dtype)


def denoise(
    scheduler: Any,
    predict: Predict,
    latents: Tensor,
    spans: list[range],
    on_step: Callable[[int, int], None] = lambda done, count: None,
    should_cancel: Callable[[], bool] = lambda: False,
    watch: Callable[[int, Tensor], None] = lambda index, latents: None,
) -> Tensor:
    """Latents (1, N, C, h, w), from noise of variance 1 to a picture each.

    `spans` are the windows of frames that `predict` is asked for; where they overlap, what is said is blended. `on_step` is told the
    calls done and their number, `watch` the latents after each step. `should_cancel` is asked before each call; Cancelled is raised.
    """
    share = torch.from_numpy(weights(spans, latents.shape[1])).to(latents)
    latents = latents * scheduler.init_noise_sigma
    total = len(scheduler.timesteps) * len(spans)
    for index, timestep in enumerate(scheduler.timesteps):
        noisy = scheduler.scale_model_input(latents, timestep)
        blended = torch.zeros_like(latents)
        for window, span in enumerate(spans):
            if should_cancel():
                raise Cancelled("The job was cancelled; finished pictures stay.")
            part = slice(span.start, span.stop)
            said = predict(window, noisy[:, part], Step(index, len(scheduler.timesteps), timestep)).to(latents.dtype)
            blended[:, part] += said if len(spans) == 1 else said * share[window, part].view(1, -1, 1, 1, 1)
            on_step(index * len(spans) + window + 1, total)
        latents = scheduler.step(blended, timestep, latents).prev_sample
        watch(index, latents)
    return latents
