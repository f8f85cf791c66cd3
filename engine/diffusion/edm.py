"""The noise levels and preconditioning of Stable Video Diffusion, after Karras and others (arXiv 2206.00364): network outputs are v."""

from dataclasses import dataclass

import torch
from torch import Tensor

LOW, HIGH, RHO = 0.002, 700.0, 7.0


@dataclass(frozen=True)
class Scalings:
    """The preconditioning of a network at noise levels, each of their shape: its input is `c_in` x noisy latents and the time `c_noise`,
    and the clean latents are `c_skip` x noisy ones + `c_out` x its output."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


def build_sigmas(steps: int) -> Tensor:
    """Noise levels float32 (steps + 1,), from the highest to the lowest, then 0."""
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    high, low = HIGH ** (1 / RHO), LOW ** (1 / RHO)
    return torch.cat([(high + ramp * (low - high)) ** RHO, torch.zeros(1, dtype=torch.float64)]).float()


def compute_scalings(sigma: Tensor) -> Scalings:
    """The preconditioning for noise levels of any shape, all above 0."""
    whole = sigma**2 + 1
    return Scalings(c_skip=1 / whole, c_out=-sigma / whole**0.5, c_in=1 / whole**0.5, c_noise=0.25 * sigma.log())


def step_euler(noisy: Tensor, clean: Tensor, sigma: Tensor, following: Tensor) -> Tensor:
    """An Euler step from one noise level to the next, given the network's prediction of the clean latents."""
    return noisy + (noisy - clean) / sigma * (following - sigma)
