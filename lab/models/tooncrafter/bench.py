"""Measures ToonCrafter: seconds and peak memory of a clip, for each way of saving either; then where the time of denoising goes.

    python -m lab.models.tooncrafter.bench [--size 512x320] [--steps 50] [--profile FILE]

Full-size networks of random weights, so that time and memory are real and no weights are needed; it takes an NVIDIA card.
`--weights DIR --device cpu` measures other networks on the processor.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from engine.diffusion import device as devices
from engine.diffusion import memory
from engine.diffusion.sampling import draw_noise
from engine.diffusion.svd import use_channels_last
from engine.models.tooncrafter import memory, pipeline, text
from engine.models.tooncrafter.networks import FRAMES
from engine.models.tooncrafter.weights import BUILDERS, CONFIGS, ToonCrafterNetworks, load_networks

from ...diffusion.bench import init_zero_weights, measure_rate, measure_run, profile_run

STEP_FLOPS = 2 * 11.8e12  # of a guided step at 512 x 320
DECODING_FLOPS = 37.6e12  # of a pass at 512 x 320
FULL = 1_438_854_980  # parameters of the UNet, with which its operations grow, about


def build(device: torch.device, dtype: torch.dtype) -> ToonCrafterNetworks:
    """Full-size networks of random weights, nothing among them that begins as zero."""
    torch.manual_seed(0)
    with torch.device(device):
        made = {part: init_zero_weights(BUILDERS[part](config)).to(dtype) for part, config in CONFIGS.items()}
    return ToonCrafterNetworks(**made, folder=Path())


@dataclass(frozen=True)
class Line:
    """A line of the table: `changes` of fresh networks, where they wait, `settings` over the published ones, `passes` of the decoder,
    frames that go through it at once, and whether there are `sketches`."""

    lever: str
    changes: tuple[Callable[[ToonCrafterNetworks], None], ...] = ()
    mode: str = memory.WHOLE
    settings: tuple[tuple[str, float], ...] = ()
    passes: int = 2
    step: int = 8
    sketches: bool = False


def channels_last(made: ToonCrafterNetworks) -> None:
    use_channels_last(made.unet)


def compiled(made: ToonCrafterNetworks, backend: str) -> None:
    made.unet.compile_repeated_blocks(backend=backend)


def lines(backend: str) -> tuple[Line, ...]:
    """Each lever by itself, all that change nothing, and the ways to take less memory."""
    fast = (channels_last,)
    return (
        Line("as published", step=16),
        Line("8 frames of the decoder at once"),
        Line("both halves of the guidance at once", settings=(("together", True),)),
        Line("channels last", fast),
        Line("one pass of the decoder", fast, passes=1),
        Line("20 steps", fast, settings=(("steps", 20),), passes=1),
        Line("without guidance", fast, settings=(("guidance", 1.0),), passes=1),
        Line("regional compile", (*fast, partial(compiled, backend=backend)), passes=1),
        Line("with sketches", fast, sketches=True),
        Line("networks by stages", fast, memory.STAGES),
        Line("networks by groups", fast, memory.GROUPS),
    )


def clip(ready: needs.Ready, settings: pipeline.ToonCrafterSettings, size: tuple[int, int], line: Line) -> Tensor:
    """One clip from two pictures to decoded frames; returns its latents on the processor."""
    made, device = ready.nets, ready.device
    pictures = draw_noise((2, 3, size[1], size[0]), 1).clamp(-1, 1)
    shape = (1, FRAMES, 4, size[1] // 8, size[0] // 8)
    with ready.light.hold_networks(made.vae):
        keys = pipeline.encode_keys(made, pictures, draw_noise((2, *shape[2:]), 2))
    with ready.light.hold_networks(made.text_encoder, made.image_encoder, made.projector):
        said = pipeline.encode_text(made, text.tokens("", Path()))
        context, free = (torch.cat([said, pipeline.encode_image(made, p.to(device))], dim=1) for p in (pictures[:1], 0 * pictures[:1]))
    sketches = (draw_noise((1, FRAMES, 1, size[1], size[0]), 3) > 1.5).float() if line.sketches else None
    with ready.heavy.hold_networks(*(net for net in (made.unet, made.sketch_encoder) if net is not None)):
        asked = pipeline.ClipConditions(keys, context, free, sketches)
        latents = pipeline.sample(made, asked, draw_noise(shape, 4), lambda step: draw_noise(shape, 5 + step), settings, device)
    with ready.light.hold_networks(made.vae):
        pipeline.decode(made, latents, keys.references, line.passes == 2)
    return latents.cpu()


def table(
    make: Callable[[torch.device], ToonCrafterNetworks],
    device: torch.device,
    size: tuple[int, int],
    steps: int,
    backend: str,
    repeats: int,
) -> Iterator[str]:
    """The table, line by line. `make` makes the networks on a device."""
    base, peak = None, 0.0
    for line in lines(backend):
        made = make(device if line.mode == memory.WHOLE else torch.device("cpu"))
        if not line.sketches:
            made = replace(made, sketch_encoder=None)
        if not peak:
            peak = measure_rate(device, made.dtype)
            yield f"matrix rate {peak / 1e12:.3g} TFLOP/s, {FRAMES} frames of {size[0]}x{size[1]}, {steps} steps, {made.dtype}\n"
            yield "| lever | s a clip | peak GB | share of the matrix rate | difference of the latents |"
            yield "|---|---|---|---|---|"
        for change in line.changes:
            change(made)
        ready = needs.placed(made, memory.MemoryPlan(line.mode, line.step, 0, 0), device)
        settings = replace(pipeline.ToonCrafterSettings(steps=steps), **dict(line.settings))
        if steps < settings.steps:
            settings = replace(settings, steps=steps)
        seconds, gigabytes, latents = measure_run(partial(clip, ready, settings, size, line), device, repeats)
        base = latents if base is None else base
        share = size[0] * size[1] / (512 * 320) * sum(p.numel() for p in made.unet.parameters()) / FULL
        flops = share * (settings.steps * STEP_FLOPS * (0.5 if settings.guidance == 1.0 else 1.0) + line.passes * DECODING_FLOPS)
        far = ((latents - base).norm() / base.norm()).item()
        yield f"| {line.lever} | {seconds:.2f} | {gigabytes:.1f} | {flops / seconds / peak:.0%} | {far:.3f} |"
        del made, ready
        torch.compiler.reset()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure ToonCrafter, lever by lever.")
    parser.add_argument("--size", default="512x320", metavar="WxH")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--weights", type=Path, metavar="DIR", help="these networks instead of full-size ones of random weights")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--repeats", type=int, default=3, help="runs of a line, of which the median counts")
    parser.add_argument("--backend", default="inductor", help="of torch.compile; eager needs no compiler")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write all of the profile there")
    options = parser.parse_args(arguments)
    reason = devices.why_no_cuda()
    if reason and options.device == "cuda":
        print(f"{reason}.", file=sys.stderr)
        return 4
    width, height = (int(part) for part in options.size.split("x"))
    device, dtype = torch.device(options.device), devices.numbers(torch.device(options.device))

    def make(where: torch.device) -> ToonCrafterNetworks:
        if options.weights is None:
            return build(where, dtype)
        made = load_networks(options.weights, dtype, sketches=True)
        for net in made.all:
            net.to(where)
        return made

    print(torch.cuda.get_device_name() if device.type == "cuda" else "processor")
    for line in table(make, device, (width, height), options.steps, options.backend, options.repeats):
        print(line, flush=True)
    ready = needs.placed(replace(make(device), sketch_encoder=None), memory.MemoryPlan(memory.WHOLE, 8, 0, 0), device)
    shares, whole = profile_run(partial(clip, ready, pipeline.ToonCrafterSettings(steps=3), (width, height), Line("profile")), device)
    print(f"\nprofile of 3 steps: {shares}")
    if options.profile:
        options.profile.write_text(whole, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
