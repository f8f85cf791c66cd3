"""The published schedule: DDIM whose last noise level has no signal left, and whose clean latents are scaled down towards the noisy end."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

TRAINED = 1000  # timesteps
SHRUNK, LEAST = 400, 0.7  # within so many timesteps clean latents are scaled from 1 to this
MOST_STEPS = 60


def compute_alphas() -> np.ndarray:
    """The power of the signal, float64 (1000,), at each timestep; 0 at the last."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, TRAINED) ** 2
    root = np.sqrt(np.cumprod(1.0 - betas))
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2


def compute_shrinkage() -> np.ndarray:
    """The scale of clean latents, float64 (1000,), at each timestep."""
    return np.concatenate([np.linspace(1.0, LEAST, SHRUNK), np.full(TRAINED - SHRUNK, LEAST)])


def compute_timesteps(steps: int) -> np.ndarray:
    """The timesteps of a run, int64 (steps,), starting with the noisiest."""
    return np.round(np.arange(TRAINED, 0, -TRAINED / steps)).astype(np.int64) - 1


def compute_end_scale(steps: int) -> float:
    """The scale of the latents at the end of a run of `steps` steps."""
    return float(compute_shrinkage()[compute_timesteps(steps)[-1]])


class ShrinkingDdim:
    """A scheduler for `engine.diffusion.sampling.denoise_latents`. `noise` draws the noise that is added at a step, of the latents' shape.
    `eta` is its amount: 0 none, 1 as published."""

    init_noise_sigma = 1.0

    def __init__(self, steps: int, noise: Callable[[int], Tensor], eta: float = 1.0, device: torch.device | None = None) -> None:
        times = compute_timesteps(steps)
        signal, scale = compute_alphas(), compute_shrinkage()
        self.timesteps = torch.from_numpy(times).to(device)
        self.now = signal[times]
        self.next = np.append(signal[times[1:]], signal[0])
        # Rounding can make this slightly negative at the first step, and its root NaN.
        self.sigma = eta * np.sqrt(np.maximum((1 - self.next) / (1 - self.now) * (1 - self.now / self.next), 0.0))
        self.rest = np.sqrt(np.maximum(1.0 - self.next - self.sigma**2, 0.0))
        self.shrink = np.append(scale[times[1:]] / scale[times[:-1]], 1.0)
        self.noise = noise
        self.index = 0

    def set_begin_index(self, index: int) -> None:
        self.index = index

    def scale_model_input(self, latents: Tensor, timestep: Tensor) -> Tensor:
        return latents

    def estimate_clean(self, output: Tensor, latents: Tensor) -> Tensor:
        """The estimated clean latents, at the scale of the next step, from the network's output v."""
        now = self.now[self.index]
        return (now**0.5 * latents - (1.0 - now) ** 0.5 * output) * self.shrink[self.index]

    def step(self, output: Tensor, timestep: Tensor, latents: Tensor) -> SimpleNamespace:
        """`prev_sample`, the latents of the next step, and `pred_original_sample`, the clean ones."""
        i = self.index
        noisy = self.now[i] ** 0.5 * output + (1.0 - self.now[i]) ** 0.5 * latents
        clean = self.estimate_clean(output, latents)
        result = self.next[i] ** 0.5 * clean + self.rest[i] * noisy
        if self.sigma[i] > 0:
            result = result + self.sigma[i] * self.noise(i).to(result)
        self.index += 1
        return SimpleNamespace(prev_sample=result, pred_original_sample=clean)


def apply_guidance(unconditioned: Tensor, conditioned: Tensor, scale: float, rescale: float) -> Tensor:
    """Guided v (B, F, C, h, w). Its standard deviation is moved by the fraction `rescale` towards that without guidance."""
    guided = unconditioned + scale * (conditioned - unconditioned)
    if rescale == 0.0:
        return guided
    spread = [v.flatten(1).std(dim=1).view(-1, 1, 1, 1, 1) for v in (conditioned, guided)]
    return guided * (rescale * spread[0] / spread[1] + 1.0 - rescale)
