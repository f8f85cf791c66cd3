"""Measures AniDoc, lever by lever: seconds a clip, peak memory, the share of the card's matrix rate, and how far the latents are from those
of the preset `reference` without any lever; then where the time of that preset goes.

    python -m lab.models.anidoc.bench [--size 512x320] [--frames 14] [--profile FILE]

Full-size networks of random weights, so that time and memory are real and no weights are needed; it takes an NVIDIA card with 24 GB for the
line without levers. `--weights DIR --device cpu` measures other networks on the processor.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from engine.diffusion import parts
from engine.diffusion.memory import GROUPS, STAGES, WHOLE, Placement
from engine.diffusion.sampling import draw_noise
from engine.diffusion.svd import use_channels_last, use_one_token
from engine.models.anidoc import nets, sampler
from engine.models.anidoc.presets import PRESETS

from ...diffusion import bench

STEP_FLOPS = 29.4e12  # of a guided step at 14 frames of 512 x 320


def build(device: torch.device, dtype: torch.dtype) -> nets.AniDocNetworks:
    """Full-size networks of random weights, no zero convolutions among them."""
    torch.manual_seed(0)
    with torch.device(device):
        made = [
            parts.build_unet(parts.UNET),
            nets.build_controlnet(parts.UNET),
            parts.build_vae(parts.VAE),
            parts.build_image_encoder(parts.IMAGE_ENCODER),
        ]
    unet, controlnet, vae, encoder = (bench.init_zero_weights(net).to(dtype) for net in made)
    return nets.AniDocNetworks(unet, controlnet, vae.float(), encoder, scheduler=parts.SCHEDULER)


def clip(made: nets.AniDocNetworks, settings: sampler.AniDocSettings, size: tuple[int, int], frames: int, placement: Placement) -> Tensor:
    """One clip from a reference to decoded frames; returns its latents on the processor."""
    picture = draw_noise((1, 3, size[1], size[0]), 1).clamp(0, 1)
    with placement.hold_networks(made.image_encoder, made.vae):
        encoded = sampler.EncodedReference(
            sampler.encode_token(made, picture), sampler.encode_latent(made, picture, draw_noise(tuple(picture.shape), 2))
        )
    window = sampler.AniDocWindow(range(frames), encoded, lambda: draw_noise((1, frames, 8, size[1], size[0]), 3))
    with placement.hold_networks(made.unet, made.controlnet):
        latents = sampler.sample(made, [window], draw_noise((1, frames, 4, size[1] // 8, size[0] // 8), 4), settings, placement.device)
    with placement.hold_networks(made.vae):
        for _ in sampler.decode_frames(made, latents, 8):
            pass
    return latents.cpu()


# --- levers -------------------------------------------------------------------------------------------------------


def as_published(made: nets.AniDocNetworks) -> nets.AniDocNetworks:
    """The condition is embedded anew at each call."""
    net = made.controlnet
    net.embed_condition = lambda condition: condition.flatten(0, 1)  # pyright: ignore[reportAttributeAccessIssue]  # for this line only
    embed = net.controlnet_cond_embedding
    net.register_forward_pre_hook(lambda net, given: (*given[:4], embed(given[4]), *given[5:]))
    return made


def one_token(made: nets.AniDocNetworks) -> nets.AniDocNetworks:
    for net in (made.unet, made.controlnet):
        use_one_token(net)
    return made


def channels_last(made: nets.AniDocNetworks) -> nets.AniDocNetworks:
    for net in (made.unet, made.controlnet):
        use_channels_last(net)
    return made


def bfloat16(made: nets.AniDocNetworks) -> nets.AniDocNetworks:
    return replace(made, **{name: getattr(made, name).to(torch.bfloat16) for name in ("unet", "controlnet", "image_encoder")})


def compiled(made: nets.AniDocNetworks, backend: str) -> nets.AniDocNetworks:
    for net in (made.unet, made.controlnet):
        net.compile_repeated_blocks(backend=backend)
    return made


@dataclass(frozen=True)
class Line:
    """A line of the table: `changes` of fresh networks, one after the other, where they are kept, and `settings` over the preset's."""

    preset: str
    lever: str
    changes: tuple[Callable[[nets.AniDocNetworks], nets.AniDocNetworks], ...] = ()
    mode: str = WHOLE
    settings: dict = field(default_factory=dict)


def lines(backend: str) -> tuple[Line, ...]:
    """Each lever by itself; the presets with all that change nothing of the result; the ways to take less memory."""
    compile_blocks = partial(compiled, backend=backend)
    exact = (one_token, channels_last)
    halves = {"together": False}
    return (
        Line("reference", "as published", (as_published,)),
        Line("reference", "condition embedded once"),
        Line("reference", "guidance in two halves", (), WHOLE, halves),
        Line("reference", "one token", (one_token,)),
        Line("reference", "channels last", (channels_last,)),
        Line("reference", "bfloat16", (bfloat16,)),
        Line("reference", "regional compile", (compile_blocks,)),
        Line("reference", "attention at every 2nd step", (), WHOLE, {"reuse": 2}),
        Line("reference", "guided in the first half", (), WHOLE, {"guided": 0.5}),
        Line("reference", "all that is exact", exact),
        Line("reference", "all that is exact, compiled", (*exact, compile_blocks)),
        Line("fast", "all that is exact", exact),
        Line("fast", "all that is exact, compiled", (*exact, compile_blocks)),
        Line("fast", "and attention at every 2nd step", exact, WHOLE, {"reuse": 2}),
        Line("draft", "all that is exact", exact),
        Line("reference", "networks by stages", exact, STAGES, halves),
        Line("reference", "networks by groups", exact, GROUPS, halves),
    )


def table(
    make: Callable[[torch.device], nets.AniDocNetworks],
    device: torch.device,
    size: tuple[int, int],
    frames: int,
    backend: str,
    repeats: int,
) -> Iterator[str]:
    """The table, line by line. `make` makes the networks on a device."""
    base, peak = None, None
    for line in lines(backend):
        made = make(torch.device("cpu") if line.mode != WHOLE else device)
        if peak is None:
            peak = bench.measure_rate(device, made.dtype)
            yield f"matrix rate {peak / 1e12:.3g} TFLOP/s, {frames} frames of {size[0]}x{size[1]}, {made.dtype}\n"
            yield "| preset | lever | s a clip | peak GB | share of the matrix rate | difference from reference |"
            yield "|---|---|---|---|---|---|"
        for change in line.changes:
            made = change(made)
        settings = replace(PRESETS[line.preset], **line.settings)
        run = partial(clip, made, settings, size, frames, Placement(line.mode, device, made.all))
        seconds, gigabytes, latents = bench.measure_run(run, device, repeats)
        base = latents if base is None else base
        steps = len(settings.sigmas) - 1 if settings.sigmas else settings.steps
        flops = STEP_FLOPS * _size_of(made) * frames * size[0] * size[1] / (14 * 512 * 320) * steps * (1 + settings.guided) / 2
        far = ((latents - base).norm() / base.norm()).item()
        yield f"| {line.preset} | {line.lever} | {seconds:.2f} | {gigabytes:.1f} | {flops / seconds / peak:.0%} | {far:.3f} |"
        del made, run
        torch.compiler.reset()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _size_of(made: nets.AniDocNetworks) -> float:
    """Parameters of the networks, as a share of the full-size ones: so do their operations grow, about."""
    return sum(p.numel() for net in (made.unet, made.controlnet) for p in net.parameters()) / 2_206_645_339


def profile(made: nets.AniDocNetworks, device: torch.device, size: tuple[int, int], frames: int) -> tuple[str, str]:
    """Where the time of three steps of the preset `reference` goes: one line of the largest shares, and the whole table."""
    one_token(made)
    placement = Placement(WHOLE, device, made.all)
    return bench.profile_run(lambda: clip(made, replace(PRESETS["reference"], steps=3), size, frames, placement), device)


def main(arguments: list[str] | None = None) -> int:
    parser = bench.build_parser("Measure AniDoc, lever by lever.", "512x320")
    parser.add_argument("--frames", type=int, default=14)
    parser.add_argument("--backend", default="inductor", help="of torch.compile; aot_eager needs no compiler")
    options = parser.parse_args(arguments)
    device, make = torch.device(options.device), bench.build_maker(options, build, nets.load_networks)
    rows = table(make, device, options.size, options.frames, options.backend, options.repeats)
    return bench.print_report(options, rows, lambda: profile(make(device), device, options.size, options.frames), "3 steps")


if __name__ == "__main__":
    sys.exit(main())
