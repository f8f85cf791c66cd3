"""Measures time and memory of networks: what the benchmarks of the models share (networks, options, measuring, printing)."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import psutil
import torch
from torch import Tensor, nn

from engine.diffusion import device as devices
from engine.diffusion import parts
from engine.diffusion.memory import WHOLE
from engine.diffusion.svd import use_channels_last, use_one_token

Net = TypeVar("Net", bound=nn.Module)
Networks = TypeVar("Networks", bound=Any)  # the set of a model's networks, with an attribute `all`


# --- networks -----------------------------------------------------------------------------------------------------


def build_svd_parts(device: torch.device, dtype: torch.dtype, builders: Mapping[str, Callable]) -> dict[str, Any]:
    """Full-size parts of Stable Video Diffusion and a ControlNet, with random weights, by name. The VAE is in single precision."""
    torch.manual_seed(0)
    configs = {"unet": parts.UNET, "controlnet": parts.UNET, "vae": parts.VAE, "image_encoder": parts.IMAGE_ENCODER}
    with torch.device(device):
        made = {name: builders[name](config) for name, config in configs.items()}
    return {name: init_zero_weights(net).to(torch.float32 if name == "vae" else dtype) for name, net in made.items()}


def init_zero_weights(net: Net) -> Net:
    """Initialize zero convolutions randomly and return the network, so that no work is done on zeros."""
    for parameter in net.parameters():
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    return net.eval().requires_grad_(False)


def apply_one_token(networks: Networks) -> Networks:
    """An optimization: `OneTokenAttention` in the UNet and the ControlNet."""
    for net in (networks.unet, networks.controlnet):
        use_one_token(net)
    return networks


def apply_channels_last(networks: Networks) -> Networks:
    """An optimization: the memory format of tensor cores for the weights of the UNet and the ControlNet."""
    for net in (networks.unet, networks.controlnet):
        use_channels_last(net)
    return networks


def cast_bfloat16(networks: Networks, names: Iterable[str] = ("unet", "controlnet", "image_encoder")) -> Networks:
    """An optimization: these networks in bfloat16."""
    return replace(networks, **{name: getattr(networks, name).to(torch.bfloat16) for name in names})


# --- the table ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BenchLine:
    """A row of a table: its `lever`, an optimization · `changes` that are applied to fresh networks in order · the memory `mode` of the
    networks · `settings` that differ from the defaults."""

    lever: str
    changes: tuple[Callable[[Any], Any], ...] = ()
    mode: str = WHOLE
    settings: Mapping[str, Any] = field(default_factory=dict)


Line = TypeVar("Line", bound=BenchLine)


@dataclass(frozen=True)
class Measurement(Generic[Line]):
    """The result of a `line`: `seconds` of a run, peak memory in `gigabytes`, the `share` of the matrix rate, and the `difference` of its
    latents from the first ones of the same shape."""

    line: Line
    seconds: float
    gigabytes: float
    share: float
    difference: float

    def format_cells(self) -> str:
        """The last cells of most tables."""
        return f"{self.seconds:.2f} | {self.gigabytes:.1f} | {self.share:.0%} | {self.difference:.3f} |"


def measure_lines(
    lines: Iterable[Line],
    make: Callable[[torch.device], Networks],
    begin: Callable[[Line, Networks], tuple[Callable[[], Tensor], float]],
    device: torch.device,
    rate: float,
    repeats: int,
) -> Iterator[Measurement[Line]]:
    """Measure each row of a table. `make` builds networks on a device. `begin` returns the run of a row, which returns its latents, and its
    approximate FLOP. `rate` is that of the device, see `measure_rate`."""
    bases: dict[torch.Size, Tensor] = {}
    for line in lines:
        networks = make(device if line.mode == WHOLE else torch.device("cpu"))
        for change in line.changes:
            networks = change(networks)
        run, flops = begin(line, networks)
        seconds, gigabytes, latents = measure_run(run, device, repeats)
        base = bases.setdefault(latents.shape, latents)
        yield Measurement(line, seconds, gigabytes, flops / seconds / rate, ((latents - base).norm() / base.norm()).item())
        del networks, run
        torch.compiler.reset()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def describe_rate(rate: float, what: str, dtype: torch.dtype) -> str:
    """The line above a table."""
    return f"matrix rate {rate / 1e12:.3g} TFLOP/s, {what}, {dtype}\n"


def write_header(*columns: str) -> str:
    """The first two lines of a table."""
    return f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"


# --- measuring ----------------------------------------------------------------------------------------------------


def measure_rate(device: torch.device, dtype: torch.dtype) -> float:
    """The FLOP per second of a device in a large matrix product."""
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
    """Wait until a GPU has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def read_peak(device: torch.device) -> float:
    """The peak memory of a GPU, or the current memory of this process, in GB."""
    return (torch.cuda.max_memory_allocated() if device.type == "cuda" else psutil.Process().memory_info().rss) / 1e9


def measure_run(run: Callable[[], Tensor], device: torch.device, repeats: int) -> tuple[float, float, Tensor]:
    """The median seconds of `repeats` (at least 1) runs, peak GB, and the last result. A GPU is warmed up by a run first."""
    if device.type == "cuda":
        run()
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
    """Profile a run: one line with the largest shares, and the whole table."""
    with torch.profiler.profile() as profiler:
        run()
    kind = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    rows = sorted(profiler.key_averages(), key=lambda row: -getattr(row, kind))
    total = sum(getattr(row, kind) for row in rows)
    shares = ", ".join(f"{row.key} {getattr(row, kind) / total:.0%}" for row in rows[:6])
    return shares, profiler.key_averages().table(sort_by=kind, row_limit=40)


# --- the command --------------------------------------------------------------------------------------------------


def build_parser(description: str, size: str) -> argparse.ArgumentParser:
    """The command line options of all benchmarks. `size` is the default size of the pictures, WxH."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--size", type=_parse_size, default=size, metavar="WxH")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="these networks instead of full-size ones of random weights")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--repeats", type=int, default=3, help="runs of a line, of which the median counts")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write all of the profile there")
    return parser


def _parse_size(text: str) -> tuple[int, int]:
    width, height = (int(part) for part in text.split("x"))
    return width, height


def build_maker(
    options: argparse.Namespace, build: Callable[[torch.device, torch.dtype], Networks], load: Callable[[Path, torch.dtype], Networks]
) -> Callable[[torch.device], Networks]:
    """A function that makes the requested networks on a device: built from scratch, or loaded from a folder."""

    def make(where: torch.device) -> Networks:
        dtype = devices.inference_dtype(torch.device(options.device))
        if options.weights is None:
            return build(where, dtype)
        nets = load(options.weights, dtype)
        for net in nets.all:
            net.to(where)
        return nets

    return make


def print_report(options: argparse.Namespace, rows: Iterable[str], profile: Callable[[], tuple[str, str]], what: str) -> int:
    """Print the rows of a table as they come, and the `profile` of `what`. Returns the exit status."""
    reason = devices.explain_no_cuda()
    if reason and options.device == "cuda":
        print(f"{reason}.", file=sys.stderr)
        return 4
    print(torch.cuda.get_device_name() if options.device == "cuda" else "processor")
    for row in rows:
        print(row, flush=True)
    shares, whole = profile()
    print(f"\nprofile of {what}: {shares}")
    if options.profile:
        options.profile.write_text(whole, encoding="utf-8")
    return 0
