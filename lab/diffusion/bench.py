"""How long networks take and what memory, for the benchmarks of the models, and what all of these are asked and print."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import psutil
import torch
from torch import Tensor, nn

from engine.diffusion import device as devices

Net = TypeVar("Net", bound=nn.Module)
Nets = TypeVar("Nets", bound=Any)  # a model's set, which has `all`


def init_zero_weights(net: Net) -> Net:
    """A network of random weights, no zero convolutions among them: with these, part of the work would be nothing times nothing."""
    for parameter in net.parameters():
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    return net.eval().requires_grad_(False)


def measure_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP a second that a device reaches in a large matrix product."""
    side = 8192 if device.type == "cuda" else 512
    a = torch.randn(side, side, device=device, dtype=dtype)
    for _ in range(3):
        torch.mm(a, a)
    synchronize_device(device)
    began = time.perf_counter()
    for _ in range(20):
        torch.mm(a, a)
    synchronize_device(device)
    return 20 * 2 * side**3 / (time.perf_counter() - began)


def synchronize_device(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def read_peak(device: torch.device) -> float:
    """GB that a card has held at its peak, or that this process holds now."""
    return (torch.cuda.max_memory_allocated() if device.type == "cuda" else psutil.Process().memory_info().rss) / 1e9


def measure_run(run: Callable[[], Tensor], device: torch.device, repeats: int) -> tuple[float, float, Tensor]:
    """Median seconds, peak GB and the result, after one run to warm up."""
    made = run()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(repeats):
        synchronize_device(device)
        began = time.perf_counter()
        made = run()
        synchronize_device(device)
        times.append(time.perf_counter() - began)
    return sorted(times)[repeats // 2], read_peak(device), made


def profile_run(run: Callable[[], object], device: torch.device) -> tuple[str, str]:
    """Where the time of a run goes: one line of the largest shares, and the whole table."""
    with torch.profiler.profile() as seen:
        run()
    kind = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    rows = sorted(seen.key_averages(), key=lambda row: -getattr(row, kind))
    total = sum(getattr(row, kind) for row in rows)
    shares = ", ".join(f"{row.key} {getattr(row, kind) / total:.0%}" for row in rows[:6])
    return shares, seen.key_averages().table(sort_by=kind, row_limit=40)


def build_parser(description: str, size: str) -> argparse.ArgumentParser:
    """What every benchmark can be asked; `size` is that of the pictures, WxH, if none is given."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--size", type=_parse_size, default=size, metavar="WxH")
    made.add_argument("--weights", type=Path, metavar="DIR", help="these networks instead of full-size ones of random weights")
    made.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    made.add_argument("--repeats", type=int, default=3, help="runs of a line, of which the median counts")
    made.add_argument("--profile", type=Path, metavar="FILE", help="write all of the profile there")
    return made


def _parse_size(text: str) -> tuple[int, int]:
    width, height = (int(part) for part in text.split("x"))
    return width, height


def build_maker(
    options: argparse.Namespace, build: Callable[[torch.device, torch.dtype], Nets], load: Callable[[Path, torch.dtype], Nets]
) -> Callable[[torch.device], Nets]:
    """Makes the networks that are asked for on a device: built anew, or loaded from a folder."""

    def make(where: torch.device) -> Nets:
        dtype = devices.numbers(torch.device(options.device))
        if options.weights is None:
            return build(where, dtype)
        nets = load(options.weights, dtype)
        for net in nets.all:
            net.to(where)
        return nets

    return make


def print_report(options: argparse.Namespace, rows: Iterable[str], seen: Callable[[], tuple[str, str]], what: str) -> int:
    """Print the rows of a table as they come, and where the time of `what` goes, as `seen` says; returns the exit status."""
    reason = devices.why_no_cuda()
    if reason and options.device == "cuda":
        print(f"{reason}.", file=sys.stderr)
        return 4
    print(torch.cuda.get_device_name() if options.device == "cuda" else "processor")
    for row in rows:
        print(row, flush=True)
    shares, whole = seen()
    print(f"\nprofile of {what}: {shares}")
    if options.profile:
        options.profile.write_text(whole, encoding="utf-8")
    return 0
