"""Random numbers with names: the same for a drawing alone and in a batch, on a CPU and on a GPU."""

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def draw_bits(seed: Tensor, place: Tensor | int, purpose: int) -> Tensor:
    """32 random bits for a place (a stroke, a pixel; below 2**32) and a purpose in what is drawn from a seed: int64, broadcast."""
    return _mix_bits(_mix_bits((seed + purpose * 0x9E3779B1) & _MASK) ^ place)


def draw_uniform(seed: Tensor, place: Tensor | int, purpose: int) -> Tensor:
    """Numbers in 0..1 as from `draw_bits`, float32."""
    return (draw_bits(seed, place, purpose) >> 8).to(torch.float32) * 2.0**-24


def _mix_bits(x: Tensor) -> Tensor:
    for _ in range(2):
        x = ((x ^ (x >> 16)) * 0x45D9F3B) & _MASK  # no product exceeds 63 bits
    return x ^ (x >> 16)


def rank_in_group(group: Tensor, groups: int) -> Tensor:
    """The index of each entry within its group, int64 (N,), which does not depend on the rest of a batch."""
    order = group.argsort(stable=True)
    counts = torch.bincount(group, minlength=groups)
    start = counts.cumsum(0) - counts
    place = torch.empty_like(group)
    place[order] = torch.arange(len(group), device=group.device) - start[group[order]]
    return place
