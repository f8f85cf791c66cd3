"""ToonCrafter's trainings, after the paper's description."""

from dataclasses import dataclass

import torch
from torch import Tensor

from . import ddim


@dataclass(frozen=True)
class Noised:
    """Clean latents (B, 16, 4, h, w) as the UNet is shown them: `noisy`, `given` with the conditions beside, and `target`, what v is."""

    noisy: Tensor
    given: Tensor
    target: Tensor

    @staticmethod
    def of(latents: Tensor, noise: Tensor, timesteps: Tensor) -> "Noised":
        """With noise of variance 1, at timesteps (B,). The conditions do not shrink, as everything else does."""
        tables = (torch.from_numpy(table).to(latents) for table in (ddim.alphas(), ddim.shrinkage()))
        signal, scale = (table[timesteps].view(-1, 1, 1, 1, 1) for table in tables)
        clean = latents * scale
        noisy = signal.sqrt() * clean + (1.0 - signal).sqrt() * noise
        target = signal.sqrt() * noise - (1.0 - signal).sqrt() * clean
        told = torch.zeros_like(latents)
        told[:, 0], told[:, -1] = latents[:, 0], latents[:, -1]
        return Noised(noisy, torch.cat([noisy, told], dim=2), target)
