"""The memory plan of a job, made before it starts: where the networks are kept, and how many frames are decoded at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import torch
from torch import nn

from ..job.errors import JobFailed

WHOLE, STAGES, GROUPS = "whole", "stages", "groups"
MODES = (WHOLE, STAGES, GROUPS)
SPARE = 600 << 20  # bytes for the driver's context and the allocator's fragmentation


@dataclass(frozen=True)
class MemoryNeeds:
    """Bytes that a job needs: `parts` of each network, `stages` the names of the networks of each stage, `work` of each stage's
    intermediate results, `decoding` for decoding one frame, `group` of the largest blocks that must be on the device together when a
    network is loaded block by block."""

    parts: Mapping[str, int]
    stages: Sequence[Sequence[str]]
    work: Sequence[int]
    decoding: int
    group: int


@dataclass(frozen=True)
class MemoryPlan:
    """`mode`: `whole`, every network stays on the device; `stages`, only those of the current stage; `groups`, a few blocks of them.

    `chunk` frames are decoded at once · `bytes` the estimated need · `free` what is available.
    """

    mode: str
    chunk: int
    bytes: int
    free: int


def plan_memory(needs: MemoryNeeds, free: int, wanted: str = "auto", most: int = 8, least: int = 1) -> MemoryPlan:
    """The fastest mode that fits into `free` bytes, or the wanted one, and the largest decoding chunk of `least` to `most` that fits too.

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
    """The estimated peak memory of a job."""
    peaks = []
    for names, work in zip(needs.stages, needs.work, strict=True):
        present = needs.parts if mode == WHOLE else names
        held = needs.group if mode == GROUPS else sum(needs.parts[name] for name in present)
        peaks.append(held + max(work, needs.decoding * chunk if names is needs.stages[-1] else 0))
    return max(peaks) + SPARE


def count_free_bytes(device: torch.device) -> int:
    """The bytes that are free on a device now, including what this process has reserved but does not use."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return psutil.virtual_memory().available


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a device, or this machine, is out of memory."""
    text = str(error)
    cpu = "DefaultCPUAllocator" in text or "not enough memory" in text
    cuda = "CUDA error: out of memory" in text or "ALLOC_FAILED" in text
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or cpu or cuda


def count_parameter_bytes(net: nn.Module) -> int:
    """Bytes of a network's parameters."""
    return sum(parameter.numel() * parameter.element_size() for parameter in net.parameters())


class Placement:
    """Executes a plan: inside `with placement.hold_networks(a, b):` these networks are on the device."""

    def __init__(self, device: torch.device, modes: Mapping[nn.Module, str]) -> None:
        """`modes` has a plan's mode for each network. Networks that are not in it stay where they are."""
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
    """Load and unload leaf modules on a CUDA stream of their own, if there are streams: the next one while the last one computes."""
    from diffusers.hooks.group_offloading import apply_group_offloading

    streams = device.type == "cuda"
    apply_group_offloading(net, onload_device=device, offload_device=torch.device("cpu"), offload_type="leaf_level", use_stream=streams)
