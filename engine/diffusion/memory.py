"""What a job takes of the card's memory, decided before it starts: where the networks wait, and how many frames are decoded at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import torch
from torch import nn

from ..job.errors import JobFailed

WHOLE, STAGES, GROUPS = "whole", "stages", "groups"
MODES = (WHOLE, STAGES, GROUPS)
SPARE = 600 << 20  # bytes for the driver's context and what the allocator can't join


@dataclass(frozen=True)
class MemoryNeeds:
    """Bytes that a job takes: `parts` of each network, `stages` the names of those that work at the same time, `work` of each stage's
    intermediate results, `decoding` the work of decoding one frame, `group` of the largest blocks that must be there together when a
    network is fed block by block."""

    parts: Mapping[str, int]
    stages: Sequence[Sequence[str]]
    work: Sequence[int]
    decoding: int
    group: int


@dataclass(frozen=True)
class MemoryPlan:
    """`mode`: `whole`, every network stays on the device; `stages`, those of the stage at work; `groups`, a few blocks of them.

    `chunk` frames are decoded at once · `bytes` what it is thought to take · `free` what there is.
    """

    mode: str
    chunk: int
    bytes: int
    free: int


def plan_memory(needs: MemoryNeeds, free: int, wanted: str = "auto", most: int = 8, least: int = 1) -> MemoryPlan:
    """The fastest mode that fits into `free` bytes, or the wanted one, and the largest decoding chunk of `least` to `most` beside it.

    Raises JobFailed, saying what is needed, when none fits.
    """
    modes = MODES if wanted == "auto" else (wanted,)
    for mode in modes:
        if count_bytes(needs, mode, least) <= free:
            chunk = max(n for n in range(least, most + 1) if count_bytes(needs, mode, n) <= free)
            return MemoryPlan(mode, chunk, count_bytes(needs, mode, chunk), free)
    needed = count_bytes(needs, modes[-1], least)
    other = "" if wanted in ("auto", GROUPS) else ", set Memory to Auto"
    raise JobFailed(
        f"The job needs some {needed / 2**30:.1f} GB of the device's memory and {free / 2**30:.1f} GB are free: "
        f"choose a smaller size{other}, or close other programs."
    )


def count_bytes(needs: MemoryNeeds, mode: str, chunk: int) -> int:
    """What a job is thought to take at its peak."""
    peaks = []
    for names, work in zip(needs.stages, needs.work, strict=True):
        present = needs.parts if mode == WHOLE else names
        held = needs.group if mode == GROUPS else sum(needs.parts[name] for name in present)
        peaks.append(held + max(work, needs.decoding * chunk if names is needs.stages[-1] else 0))
    return max(peaks) + SPARE


def count_free_bytes(device: torch.device) -> int:
    """What can be had on a device now, what this process has reserved and not used included."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return psutil.virtual_memory().available


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or this machine, has no memory left."""
    text = str(error)
    cpu = "DefaultCPUAllocator" in text or "not enough memory" in text
    cuda = "CUDA error: out of memory" in text or "ALLOC_FAILED" in text
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or cpu or cuda


def count_parameter_bytes(net: nn.Module) -> int:
    """Bytes of a network's parameters."""
    return sum(parameter.numel() * parameter.element_size() for parameter in net.parameters())


class Placement:
    """Carries out a plan: `with placement.hold_networks(a, b):` has these networks on the device."""

    def __init__(self, device: torch.device, modes: Mapping[nn.Module, str]) -> None:
        """`modes` says how each network waits, as the modes of a plan; one that is not among them stays where it is."""
        self.device = device
        self._staged = {net for net, mode in modes.items() if mode == STAGES}
        for net, mode in modes.items():
            if mode == WHOLE:
                net.to(device)
            elif mode == GROUPS:
                _feed_by_groups(net, device)

    @contextmanager
    def hold_networks(self, *nets: nn.Module) -> Iterator[None]:
        staged = [net for net in nets if net in self._staged]
        try:
            for net in staged:
                net.to(self.device)
            yield
        finally:
            for net in staged:
                net.to("cpu")
            if staged and self.device.type == "cuda":
                torch.cuda.empty_cache()


def _feed_by_groups(net: nn.Module, device: torch.device) -> None:
    """Leaves come and go on a stream of their own, where there are streams: the next while the last one computes."""
    from diffusers.hooks.group_offloading import apply_group_offloading

    streams = device.type == "cuda"
    apply_group_offloading(net, onload_device=device, offload_device=torch.device("cpu"), offload_type="leaf_level", use_stream=streams)
