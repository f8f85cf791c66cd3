"""Measures AniDoc with each optimization: seconds per clip, peak memory, the share of the GPU's matrix rate, and the difference of the
latents from those of the preset `reference` without optimizations; then a profile of that preset.

    python -m lab.models.anidoc.bench [--size 512x320] [--frames 14] [--profile FILE]

Full-size networks with random weights, so that time and memory are real and no weights are needed. It needs an NVIDIA GPU, with 24 GB for
the row without optimizations. `--weights DIR --device cpu` measures other networks on the CPU.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from engine.diffusion import device as devices
from engine.diffusion import parts
from engine.diffusion.memory import GROUPS, STAGES, WHOLE, Placement
from engine.diffusion.sampling import draw_noise
from engine.models.anidoc.networks import BUILDERS, AniDocNetworks
from engine.models.anidoc.pipeline import PRESETS, AniDocPipeline, AniDocSettings, AniDocWindow
from engine.models.anidoc.weights import load_networks

from ...diffusion import bench

STEP_FLOPS = 29.4e12  # of a guided step at 14 frames of 512 x 320
PARAMETERS = 2_206_645_339  # of the full-size networks, to which their FLOP are roughly proportional


def build_networks(device: torch.device, dtype: torch.dtype) -> AniDocNetworks:
    """Full-size networks with random weights, without zero convolutions."""
    return AniDocNetworks(**bench.build_svd_parts(device, dtype, BUILDERS), scheduler=parts.SCHEDULER)


def make_clip(pipeline: AniDocPipeline, size: tuple[int, int], frames: int) -> Tensor:
    """Run one clip from a reference to decoded frames. Returns its latents, on the CPU."""
    picture = (draw_noise((size[1], size[0], 3), 1).clamp(0, 1) * 255.0).byte().numpy()
    window = AniDocWindow(range(frames), pipeline.encode_reference(picture, 2), lambda: draw_noise((1, frames, 8, size[1], size[0]), 3))
    latents = pipeline.denoise_clip([window], pipeline.draw_noise(frames, size, 3))
    for _ in pipeline.decode_latents(latents, 8):
        pass
    return latents.cpu()


# --- optimizations ------------------------------------------------------------------------------------------------


def embed_always(networks: AniDocNetworks) -> AniDocNetworks:
    """Embed the condition at each call, as published."""
    net = networks.controlnet
    net.embed_condition = lambda condition: condition.flatten(0, 1)  # pyright: ignore[reportAttributeAccessIssue]  # for this line only
    embed = net.controlnet_cond_embedding
    net.register_forward_pre_hook(lambda net, given: (*given[:4], embed(given[4]), *given[5:]))
    return networks


def compile_blocks(networks: AniDocNetworks, backend: str) -> AniDocNetworks:
    """An optimization: compile the repeated blocks of both networks."""
    for net in (networks.unet, networks.controlnet):
        net.compile_repeated_blocks(backend=backend)
    return networks


@dataclass(frozen=True, kw_only=True)
class AniDocLine(bench.BenchLine):
    """A row whose settings override those of a `preset`."""

    preset: str = "reference"

    @property
    def chosen(self) -> AniDocSettings:
        return replace(PRESETS[self.preset], **self.settings)


def build_lines(backend: str) -> tuple[AniDocLine, ...]:
    """Each optimization by itself, the presets with all exact ones, and the memory modes."""
    compiled = partial(compile_blocks, backend=backend)
    exact = (bench.apply_one_token, bench.apply_channels_last)
    halves = {"batched_cfg": False}
    return (
        AniDocLine(lever="as published", changes=(embed_always,)),
        AniDocLine(lever="condition embedded once"),
        AniDocLine(lever="guidance in two halves", settings=halves),
        AniDocLine(lever="one token", changes=(bench.apply_one_token,)),
        AniDocLine(lever="channels last", changes=(bench.apply_channels_last,)),
        AniDocLine(lever="bfloat16", changes=(bench.cast_bfloat16,)),
        AniDocLine(lever="regional compile", changes=(compiled,)),
        AniDocLine(lever="attention at every 2nd step", settings={"reuse": 2}),
        AniDocLine(lever="guided in the first half", settings={"cfg_until": 0.5}),
        AniDocLine(lever="all that is exact", changes=exact),
        AniDocLine(lever="all that is exact, compiled", changes=(*exact, compiled)),
        AniDocLine(preset="fast", lever="all that is exact", changes=exact),
        AniDocLine(preset="fast", lever="all that is exact, compiled", changes=(*exact, compiled)),
        AniDocLine(preset="fast", lever="and attention at every 2nd step", changes=exact, settings={"reuse": 2}),
        AniDocLine(preset="draft", lever="all that is exact", changes=exact),
        AniDocLine(lever="networks by stages", changes=exact, mode=STAGES, settings=halves),
        AniDocLine(lever="networks by groups", changes=exact, mode=GROUPS, settings=halves),
    )


def place_pipeline(networks: AniDocNetworks, mode: str, settings: AniDocSettings, device: torch.device) -> AniDocPipeline:
    """The pipeline with its networks placed in a memory mode."""
    return AniDocPipeline(networks, Placement(device, dict.fromkeys(networks.all, mode)), settings)


def build_table(
    make: Callable[[torch.device], AniDocNetworks], device: torch.device, size: tuple[int, int], frames: int, backend: str, repeats: int
) -> Iterator[str]:
    """The table, row by row. `make` makes the networks on a device."""

    def begin(line: AniDocLine, networks: AniDocNetworks) -> tuple[Callable[[], Tensor], float]:
        pipeline = place_pipeline(networks, line.mode, line.chosen, device)
        share = sum(p.numel() for net in (networks.unet, networks.controlnet) for p in net.parameters()) / PARAMETERS
        flops = STEP_FLOPS * share * frames * size[0] * size[1] / (14 * 512 * 320)
        return partial(make_clip, pipeline, size, frames), flops * line.chosen.step_count * (1 + line.chosen.cfg_until) / 2

    dtype = devices.inference_dtype(device)
    rate = bench.measure_rate(device, dtype)
    yield bench.describe_rate(rate, f"{frames} frames of {size[0]}x{size[1]}", dtype)
    yield bench.write_header("preset", "lever", "s a clip", "peak GB", "share of the matrix rate", "difference from reference")
    for made in bench.measure_lines(build_lines(backend), make, begin, device, rate, repeats):
        yield f"| {made.line.preset} | {made.line.lever} | {made.format_cells()}"


def main(arguments: list[str] | None = None) -> int:
    parser = bench.build_parser("Measure AniDoc, lever by lever.", "512x320")
    parser.add_argument("--frames", type=int, default=14)
    parser.add_argument("--backend", default="inductor", help="of torch.compile; aot_eager needs no compiler")
    options = parser.parse_args(arguments)
    device, make = torch.device(options.device), bench.build_maker(options, build_networks, load_networks)

    def profile() -> tuple[str, str]:
        pipeline = place_pipeline(bench.apply_one_token(make(device)), WHOLE, replace(PRESETS["reference"], steps=3), device)
        return bench.profile_run(lambda: make_clip(pipeline, options.size, options.frames), device)

    rows = build_table(make, device, options.size, options.frames, options.backend, options.repeats)
    return bench.print_report(options, rows, profile, "3 steps")


if __name__ == "__main__":
    sys.exit(main())
