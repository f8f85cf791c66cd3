"""How long networks take and what memory, for the benchmarks of the models."""

import time
from collections.abc import Callable
from typing import TypeVar

import psutil
import torch
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


def alive(net: Net) -> Net:
    """A network of random weights, no zero convolutions among them: with these, part of the work would be nothing times nothing."""
    for parameter in net.parameters():
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    return net.eval().requires_grad_(False)


def rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP a second that a device reaches in a large matrix product."""
    side = 8192 if device.type == "cuda" else 512
    a = torch.randn(side, side, device=device, dtype=dtype)
    for _ in range(3):
        torch.mm(a, a)
    wait(device)
    began = time.perf_counter()
    for _ in range(20):
        torch.mm(a, a)
    wait(device)
    return 20 * 2 * side**3 / (time.perf_counter() - began)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak(device: torch.device) -> float:
    """GB that a card has held at its peak, or that this process holds now."""
    return (torch.cuda.max_memory_allocated() if device.type == "cuda" else psutil.Process().memory_info().rss) / 1e9


def measure(run: Callable[[], Tensor], device: torch.device, repeats: int) -> tuple[float, float, Tensor]:
    """Median seconds, peak GB and the result, after one run to warm up."""
    made = run()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(repeats):
        wait(device)
        began = time.perf_counter()
        made = run()
        wait(device)
        times.append(time.perf_counter() - began)
    return sorted(times)[repeats // 2], peak(device), made


def profile(run: Callable[[], object], device: torch.device) -> tuple[str, str]:
    """Where the time of a run goes: one line of the largest shares, and the whole table."""
    with torch.profiler.profile() as seen:
        run()
    kind = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    rows = sorted(seen.key_averages(), key=lambda row: -getattr(row, kind))
    total = sum(getattr(row, kind) for row in rows)
    shares = ", ".join(f"{row.key} {getattr(row, kind) / total:.0%}" for row in rows[:6])
    return shares, seen.key_averages().table(sort_by=kind, row_limit=40)
