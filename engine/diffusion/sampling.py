"""The denoising loop: a diffusers scheduler, windows over long sequences, progress, and cancellation between any two calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from torch import Tensor

from .windows import blend_weights


@dataclass(frozen=True)
class DenoisingStep:
    """Step `index` of `count`, and the network's `timestep`, a scalar on the device."""

    index: int
    count: int
    timestep: Tensor


class Denoiser(Protocol):
    """Calls the networks of a clip for one window."""

    def __call__(self, window: int, noisy: Tensor, step: DenoisingStep) -> Tensor:
        """The networks' output (1, F, C, h, w) for the scaled latents of a window, of the same shape."""
        ...


def build_euler(config: Mapping, steps: int, sigmas: Sequence[float] | None, device: torch.device) -> Any:
    """The scheduler of a configuration for a number of steps, or for given noise levels, the last of them 0."""
    karras = {} if sigmas is None else {"use_karras_sigmas": False}
    scheduler: Any = EulerDiscreteScheduler.from_config({**config, **karras})
    if sigmas is None:
        scheduler.set_timesteps(steps, device=device)
    else:
        scheduler.set_timesteps(sigmas=list(sigmas), device=device)
    return scheduler


def build_ddim(config: Mapping, steps: int, device: torch.device) -> Any:
    """The DDIM scheduler of a configuration for a number of steps."""
    scheduler: Any = DDIMScheduler.from_config(dict(config))
    scheduler.set_timesteps(steps, device=device)
    return scheduler


def draw_noise(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Noise that depends on the seed alone: drawn on the CPU, whatever the device."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=dtype)


@dataclass(frozen=True)
class DenoisingState:
    """The progress of denoising: `step` steps and `window` calls of the next one are done · `latents` (1, N, C, h, w) · `model_output` of
    those calls, blended, of the same shape."""

    step: int
    window: int
    latents: Tensor
    model_output: Tensor

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that a cache keeps, as `from_arrays` reads them. 'said' is the model output: caches of earlier versions have this
        name."""
        at = np.array([self.step, self.window])
        return {"at": at, "latents": self.latents.cpu().numpy(), "said": self.model_output.cpu().numpy()}

    @staticmethod
    def from_arrays(kept: Mapping[str, np.ndarray] | None, shape: tuple[int, ...]) -> "DenoisingState | None":
        """The cached state; None when there is none, or its latents have another shape."""
        if kept is None or kept["latents"].shape != shape:
            return None
        return DenoisingState(
            int(kept["at"][0]), int(kept["at"][1]), *(torch.from_numpy(kept[name].copy()) for name in ("latents", "said"))
        )


@dataclass(frozen=True)
class DenoisingHooks:
    """Callbacks between two calls of the networks: `on_call` gets the number of calls done and their total · `check` is called before each
    call, and raises Cancelled when the result is no longer wanted · `keep` gets the state after each call."""

    on_call: Callable[[int, int], None] = lambda done, count: None
    check: Callable[[], None] = lambda: None
    keep: Callable[[DenoisingState], None] = lambda state: None


NO_HOOKS = DenoisingHooks()


def denoise_latents(
    scheduler: Any,
    denoiser: Denoiser,
    noise: Tensor,
    spans: Sequence[Sequence[int]],
    hooks: DenoisingHooks = NO_HOOKS,
    begin: DenoisingState | None = None,
    even: bool = False,
) -> Tensor:
    """Denoise latents (1, N, C, h, w), starting from noise of variance 1.

    `spans` are the windows of frames, for each of which the `denoiser` is called. Where they overlap, its outputs are blended, or averaged
    if `even`. With a kept state `begin` it continues as if it had never stopped. Raises Cancelled.
    """
    share = torch.from_numpy(blend_weights(spans, noise.shape[1], even)).to(noise)
    if begin is None:
        begin = DenoisingState(0, 0, noise * scheduler.init_noise_sigma, torch.zeros_like(noise))
    latents, output, first = begin.latents.to(noise), begin.model_output.to(noise), begin.window
    if hasattr(scheduler, "set_begin_index"):  # DDIM finds its place by the timestep
        scheduler.set_begin_index(begin.step)
    steps = len(scheduler.timesteps)
    for index in range(begin.step, steps):
        timestep = scheduler.timesteps[index]
        noisy = scheduler.scale_model_input(latents, timestep)
        for window in range(first, len(spans)):
            hooks.check()
            part = list(spans[window])
            new = denoiser(window, noisy[:, part], DenoisingStep(index, steps, timestep)).to(latents.dtype)
            output[:, part] += new if len(spans) == 1 else new * share[window, part].view(1, -1, 1, 1, 1)
            hooks.on_call(index * len(spans) + window + 1, steps * len(spans))
            if window + 1 < len(spans):
                hooks.keep(DenoisingState(index, window + 1, latents, output))
        latents = scheduler.step(output, timestep, latents).prev_sample
        output, first = torch.zeros_like(latents), 0
        hooks.keep(DenoisingState(index + 1, 0, latents, output))
    return latents
