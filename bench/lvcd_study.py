"""Whether LVCD's mechanisms do what its paper says, on networks small enough to be trained on a processor. Writes docs/lvcd_study.md.

    .venv/engine/bin/python bench/lvcd_study.py [--steps 1300] [--worlds 24] [--films 4] [--out out/lvcd_study] [--docs docs]

Two sets of networks are trained on toon worlds, at once, with Reference Attention and without, and four ways of painting are tried on shots
that were not learned from. A run that was stopped goes on. Of LVCD everything is the engine's own, but the VAE, which is a linear
one here (`Patches`), and the image encoder, which says nothing (`Silent`).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine.diffusion import clips, edm, training
from engine.diffusion.svd import decode
from engine.evaluation import film
from engine.evaluation.metrics import nanmean
from engine.evaluation.shots import HELD_OUT
from engine.models.lvcd import nets, sampler, slots, train
from engine.synthesis import FAMILIES, Plan, sample

FRAMES, SIDE, DRAWN = 75, 48, 96  # of a shot; px of its pictures, and as they are drawn
PATCH, CHANNELS, TOKEN = 4, 16, 8  # px of a latent's side; its numbers, and the token's
STEPS = 12  # of denoising
UNET = {
    "sample_size": SIDE // PATCH,
    "in_channels": 2 * CHANNELS,
    "out_channels": CHANNELS,
    "down_block_types": ["CrossAttnDownBlockSpatioTemporal"] * 2,
    "up_block_types": ["CrossAttnUpBlockSpatioTemporal"] * 2,
    "block_out_channels": [64, 64],
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 96,
    "layers_per_block": 1,
    "cross_attention_dim": TOKEN,
    "num_attention_heads": [2, 2],
}
HINT = [16, 32, 64]  # widths of the sketch's encoder: one fourth of the sketch's size
WITH, WITHOUT = slots.beginning(), slots.without_reference(slots.beginning())
NETS = {"with": WITH, "without": WITHOUT}
CPU = torch.device("cpu")
KINDS = tuple(FAMILIES)

Film = dict[str, list[float]]


@dataclass(frozen=True)
class Way:
    """A way of painting: networks of NETS, how segments hang together, and whether each begins from the last frame painted."""

    title: str
    color: tuple[int, int, int]
    net: str = "with"
    scheme: sampler.Scheme = sampler.Scheme()
    previous: bool = False


WAYS = {
    "full": Way("as published", (20, 90, 200)),
    "attention": Way("no Reference Attention", (220, 120, 0), "without", sampler.Scheme(attention=False)),
    "scheme": Way("no sampling scheme", (40, 150, 60), scheme=sampler.Scheme(overlap=0)),
    "previous": Way("previous frame as reference", (200, 30, 60), scheme=sampler.Scheme(overlap=0), previous=True),
}


# --- what stands for the VAE and the image encoder ----------------------------------------------------------------


class Patches(nn.Module):
    """For the VAE: the principal components of squares of PATCH x PATCH px, each of variance 1, are latents."""

    config = SimpleNamespace(scaling_factor=sampler.SCALE)
    dtype, device = torch.float32, CPU

    def __init__(self, basis: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.mean, self.axes, self.deviations = (basis[name] for name in ("mean", "axes", "deviations"))

    def encode(self, pictures: Tensor) -> SimpleNamespace:
        squares = functional.pixel_unshuffle(pictures, PATCH).movedim(1, -1)
        latents = ((squares - self.mean) @ self.axes / self.deviations / sampler.SCALE).movedim(-1, 1)
        return SimpleNamespace(latent_dist=SimpleNamespace(sample=lambda: latents, mode=lambda: latents))

    def decode(self, latents: Tensor, num_frames: int) -> SimpleNamespace:
        squares = latents.movedim(1, -1) * sampler.SCALE * self.deviations @ self.axes.T + self.mean
        return SimpleNamespace(sample=functional.pixel_shuffle(squares.movedim(-1, 1), PATCH))


def components(count: int) -> dict[str, Tensor]:
    """Of the squares of the worlds that are learned from."""
    pictures = np.concatenate([frames[::12] for frames, _ in worlds(count, 0)])
    signed = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    squares = functional.pixel_unshuffle(signed, PATCH).permute(0, 2, 3, 1).flatten(0, 2)
    variances, axes = torch.linalg.eigh(torch.cov(squares.T))
    axes, variances = axes[:, -CHANNELS:].flip(1).contiguous(), variances[-CHANNELS:].flip(0).contiguous()
    return {"mean": squares.mean(0), "axes": axes, "deviations": variances.sqrt()}


class Silent(nn.Module):
    """For the image encoder: it says the same of every picture, so that all that is known of the reference comes by its latent."""

    config = SimpleNamespace(image_size=32)
    dtype, device = torch.float32, CPU

    def forward(self, pixels: Tensor) -> SimpleNamespace:
        return SimpleNamespace(image_embeds=torch.zeros(len(pixels), TOKEN))


def build(out: Path) -> nets.Nets:
    """Networks of numbers drawn by chance, also where a ControlNet begins with zeros so as not to disturb what was learned before."""
    torch.manual_seed(0)
    unet, controlnet = nets.build_unet(UNET), nets.build_controlnet({**UNET, "conditioning_embedding_out_channels": HINT})
    hint = controlnet.controlnet_cond_embedding.conv_out
    for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block, hint):
        layer.reset_parameters()
    return nets.Nets(unet, controlnet, Patches(load_file(out / "components.safetensors")), Silent())


# --- data ---------------------------------------------------------------------------------------------------------


@cache
def world(family: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A shot over white, uint8 (75, 48, 48, 3), and its line art (75, 48, 48)."""
    drawn = sample(seed, Plan(family, (DRAWN, DRAWN), drawings=FRAMES, damage=0.0))
    colors, lines = clips.over(drawn.pictures().numpy()), 255 - drawn.lines.paint[..., 3].numpy()
    small = [np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in many]) for many in (colors, lines)]
    return small[0], small[1]


def worlds(count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Half of each family."""
    return [world(KINDS[index % len(KINDS)], seed + index) for index in range(count)]


# --- training -----------------------------------------------------------------------------------------------------


def learn(name: str, out: Path, steps: int, count: int) -> None:
    torch.set_num_threads(1)
    loaded, shots = build(out), worlds(count, 0)

    def lesson(rng: np.random.Generator, device: torch.device) -> train.Lesson:
        frames, sketches = shots[rng.integers(len(shots))]
        start = int(rng.integers(1, FRAMES - slots.VIDEO + 1))
        rows = [int(rng.integers(max(1, start // 4))), *range(start, start + slots.VIDEO)]
        return train.lesson(loaded, frames[rows], sketches[rows], device)

    def save(folder: Path, states: training.States) -> None:
        for part, state in states.items():
            training.write(folder / f"{part}.safetensors", state)

    course = training.Course(
        nets={"unet": loaded.unet, "controlnet": loaded.controlnet},
        lesson=lesson,
        loss=lambda drawn, rng: train.loss(loaded, drawn, rng, NETS[name]),
        sheet=lambda drawn: train.sample_sheet(loaded, drawn, NETS[name], STEPS),
        save=save,
        about=f"{name} Reference Attention, {len(shots)} shots",
    )
    settings = training.Settings(out / name, steps, rate=1e-3, every=100, ema=0.995)
    for line in training.run(course, settings):
        print(f"{name}: {line}", flush=True)


# --- painting -----------------------------------------------------------------------------------------------------


@torch.inference_mode()
def paint(way: Way, out: Path, frames: np.ndarray, sketches: np.ndarray) -> np.ndarray:
    """A shot from its first frame, uint8 (75, 48, 48, 3)."""
    loaded = build(out)
    for part in ("unet", "controlnet"):
        getattr(loaded, part).load_state_dict(load_file(out / way.net / "average_weights" / f"{part}.safetensors"))
        getattr(loaded, part).eval()
    made = [frames[0]]
    while len(made) < FRAMES:
        last = len(made) - 1
        count = min(slots.VIDEO + 1, FRAMES - last) if way.previous else FRAMES
        made += list(_chain(way, loaded, made[last], sketches[last:], count))[1:]
    return np.stack(made)


def _chain(way: Way, loaded: nets.Nets, first: np.ndarray, sketches: np.ndarray, count: int) -> Iterator[np.ndarray]:
    reference = sampler.Reference.of(loaded, torch.from_numpy(first).permute(2, 0, 1)[None].float() / 255.0)
    lines = torch.from_numpy(1.0 - sketches[:, None].astype(np.float32) / 255.0).expand(-1, nets.CHANNELS, -1, -1)
    chain = sampler.Chain(reference, count, lambda index: lines[index])
    shape = (slots.VIDEO + 1 + way.scheme.overlap, CHANNELS, SIDE // PATCH, SIDE // PATCH)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(1234))
    for _, latents in sampler.run(loaded, chain, noise, edm.sigmas(STEPS), way.scheme, CPU):
        yield from pixels(loaded.vae, latents)


def pixels(vae: Patches, latents: Tensor) -> np.ndarray:
    """uint8 (F, 48, 48, 3)."""
    return (decode(vae, latents).permute(0, 2, 3, 1).numpy() * 255.0 + 0.5).astype(np.uint8)


def measure(name: str, out: Path, seed: int, index: int) -> tuple[np.ndarray, Film]:
    """What a way makes of a shot, and its numbers frame by frame; of the pair after each frame, for TC."""
    torch.set_num_threads(1)
    frames, sketches = world(KINDS[index % len(KINDS)], seed + index)
    if name == "held":
        made = np.repeat(frames[:1], FRAMES, axis=0)
    elif name == "coded":
        vae, pictures = build(out).vae, torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        made = pixels(vae, vae.encode(pictures).latent_dist.mode() * sampler.SCALE)
    else:
        made = paint(WAYS[name], out, frames, sketches)
    found = film.compare(made, frames, sketches)
    numbers = {key: getattr(found, key).tolist() for key, _ in PLOTS}
    for key in ("psnr", "edmd"):
        numbers[key][0] = float("nan")  # that frame was given
    return made, numbers


# --- the page -----------------------------------------------------------------------------------------------------

OTHERS = {"held": ("the first frame, held", (150, 150, 150)), "coded": ("the true film, coded and decoded", (0, 0, 0))}
PUBLISHED = {"full": (4.3386, 1.0784), "attention": (5.0137, 1.1563), "scheme": (4.4863, 1.1479), "previous": (5.4924, 1.2475)}  # EDMD, TC
PLOTS = (("psnr", "PSNR, dB"), ("edmd", "EDMD, px of 256"), ("tc", "TC"))
WIDTH, HEIGHT, LEFT, LOW = 900, 210, 52, 22  # px of a plot and its margins


def smooth(values: np.ndarray, reach: int = 3) -> np.ndarray:
    """The mean over neighbors, nan left out."""
    return np.array([nanmean(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))])


def plot(curves: Mapping[str, tuple[tuple[int, int, int], np.ndarray]], title: str) -> np.ndarray:
    """Curves over the frames of a shot, uint8 (HEIGHT, WIDTH, 3); gray lines where segments end."""
    values = np.concatenate([curve for _, curve in curves.values()])
    low, high = np.nanmin(values), np.nanmax(values)
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(image)

    def at(frame: float, value: float) -> tuple[float, float]:
        return LEFT + frame * (WIDTH - LEFT - 8) / (FRAMES - 1), HEIGHT - LOW - (value - low) / (high - low) * (HEIGHT - LOW - 22)

    for span in sampler.segments(FRAMES)[:-1]:
        pen.line((at(span.stop - 0.5, low), at(span.stop - 0.5, high)), (225, 225, 225))
    for value in np.linspace(low, high, 4)[1:3]:
        pen.line((at(0, value), at(FRAMES - 1, value)), (225, 225, 225))
        pen.text((4, at(0, value)[1] - 6), f"{value:.2f}", "black")
    for frame in range(0, FRAMES, 10):
        pen.text((at(frame, low)[0] - 6, HEIGHT - LOW + 4), str(frame), "black")
    pen.text((LEFT, 4), title, "black")
    for color, curve in curves.values():
        points = [at(frame, value) for frame, value in enumerate(curve) if not np.isnan(value)]
        pen.line(points, color, 2)
    return np.asarray(image)


def legend(titles: Mapping[str, tuple[int, int, int]]) -> np.ndarray:
    image = Image.new("RGB", (WIDTH, 24), "white")
    pen = ImageDraw.Draw(image)
    for index, (title, color) in enumerate(titles.items()):
        left = LEFT + index * (WIDTH - LEFT) // len(titles)
        pen.line((left, 12, left + 18, 12), color, 3)
        pen.text((left + 24, 6), title, "black")
    return np.asarray(image)


def look(made: Mapping[str, np.ndarray], truth: np.ndarray, sketches: np.ndarray) -> np.ndarray:
    """Every twelfth frame of the sketches, of the truth and of each way, below each other, twice as large."""
    rows = [np.repeat(sketches[..., None], 3, axis=3), truth, *(made[name] for name in WAYS)]
    sheet = clips.sheet([row[2:FRAMES:12] for row in rows])
    return cv2.resize(sheet, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)


def mean(films: Sequence[Film], key: str) -> float:
    """Over frames, then over films."""
    return nanmean([nanmean(film[key]) for film in films])


def page(scores: Mapping[str, Sequence[Film]], given: argparse.Namespace, parameters: int) -> str:
    """What was done and found; every number of it comes from `scores`."""
    titles = {name: title for name, (title, _) in OTHERS.items()} | {name: way.title for name, way in WAYS.items()}
    rows, verdicts = [], []
    for name in (*WAYS, *OTHERS):
        films = scores[name]
        spans = (range(1, 16), range(FRAMES - 15, FRAMES))
        early, late = (nanmean([film["psnr"][i] for film in films for i in span]) for span in spans)
        psnr = (f"{mean(films, 'psnr'):.2f}", f"{early:.2f} → {late:.2f}")
        published = [f"{value:.4f}" for value in PUBLISHED.get(name, ())] or ["–", "–"]
        rows.append([titles[name], f"{mean(films, 'edmd'):.2f}", f"{mean(films, 'tc'):.3f}", *psnr, *published])
    for name in list(WAYS)[1:]:
        for place, key in enumerate(("edmd", "tc")):
            pairs = [(mean([one], key), mean([other], key)) for one, other in zip(scores["full"], scores[name], strict=True)]
            more = mean(scores[name], key) - mean(scores["full"], key)
            same = (more > 0) == (PUBLISHED[name][place] > PUBLISHED["full"][place])
            worse = sum(other > one for one, other in pairs)
            says = "the published way" if same else "**not the published way**"
            verdicts.append(f"* {titles[name]}: {key.upper()} {more:+.3f}, worse in {worse} of {len(pairs)} shots; {says}")
    head = ["", "EDMD", "TC", "PSNR dB", "first → last 15 frames", "EDMD of the paper", "TC of the paper"]
    table = "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---", *["---:"] * 6], *rows))
    return PAGE.format(
        command=f"--steps {given.steps} --worlds {given.worlds} --films {given.films}",
        steps=given.steps,
        worlds=given.worlds,
        films=given.films,
        parameters=f"{parameters / 1e6:.1f}",
        side=SIDE,
        patch=PATCH,
        channels=CHANNELS,
        denoising=STEPS,
        table=table,
        verdicts="\n".join(verdicts) + (UNFINISHED if mean(scores["full"], "tc") > 2.0 else ""),
        ways=", ".join(way.title for way in WAYS.values()),
    )


UNFINISHED = """

**These networks are not trained to their end**: a TC above 2 is noise that they leave in every frame, differently in each, and EDMD finds
lines in it. So no judgment of the mechanisms should rest on these numbers; more `--steps` go on from here."""
PAGE = """# Do LVCD's mechanisms work?

Written by `bench/lvcd_study.py {command}`. LVCD's paper leaves out its mechanisms one by one: Reference Attention (trained anew
without), the sampling scheme (segments that overlap, attention to frames painted before), and the first frame as the reference of
all segments. The same is done here with networks small enough to be trained on a processor. **It says something of the mechanisms
as they are built here, and nothing of how LVCD paints with its published weights.**

The networks' blocks, Reference Attention, the layouts of slots, the sampling, the loss, the training loop and the measures are the
engine's own. What is not as published:

* networks of {parameters} million numbers, UNet and ControlNet together, two levels deep, trained whole and from nothing (the published
  ones begin from Stable Video Diffusion, and a part of them is learned), {steps} steps of one clip each, AdamW, rate 1e-3, averaged;
* pictures of {side} x {side} px; for the VAE the {channels} principal components of squares of {patch} x {patch} px, the true
  film through which is the last row; the image encoder says nothing;
* {worlds} toon worlds of 75 frames to learn from, half of each family, lines soft and undamaged; {films} others to measure, painted in
  {denoising} steps;
* *no Reference Attention* is trained as long as the other, from the same beginning and on the same clips; *previous frame as
  reference* has the weights of the published way, and each segment begins from the last frame painted.

{table}

EDMD and TC are those of `engine/evaluation/film.py`: less is better, and the last row is what they can be. The paper's numbers (its
similar set) are of another size and other films: only their order can be compared.

{verdicts}

![PSNR, EDMD and TC over the frames of a shot](pictures/lvcd_study_drift.png)

Means over the shots, and over seven neighbors; gray lines are where segments of the published way end.

![Every twelfth frame of the first shot](pictures/lvcd_study_frames.png)

Every twelfth frame of the first shot: line art, truth, {ways}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1300, help="of training; default %(default)s")
    parser.add_argument("--worlds", type=int, default=24, help="to learn from; default %(default)s")
    parser.add_argument("--films", type=int, default=4, help="to measure; default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("out/lvcd_study"), help="of the weights; default %(default)s")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="default %(default)s")
    given = parser.parse_args()
    training.write(given.out / "components.safetensors", components(given.worlds))
    asked = [(name, index) for name in (*WAYS, *OTHERS) for index in range(given.films)]
    with ProcessPoolExecutor(len(NETS), mp_context=get_context("spawn")) as pool:
        for job in [pool.submit(learn, name, given.out, given.steps, given.worlds) for name in NETS]:
            job.result()
        jobs = [pool.submit(measure, name, given.out, HELD_OUT, index) for name, index in asked]
        found = {key: job.result() for key, job in zip(asked, jobs, strict=True)}
    scores = {name: [found[name, index][1] for index in range(given.films)] for name in (*WAYS, *OTHERS)}
    (given.out / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    colors = {way.title: way.color for way in WAYS.values()} | dict([OTHERS["held"]])
    named = {**{name: way.color for name, way in WAYS.items()}, "held": OTHERS["held"][1]}
    plots = [
        plot({name: (color, smooth(np.nanmean([film[key] for film in scores[name]], axis=0))) for name, color in named.items()}, title)
        for key, title in PLOTS
    ]
    for name, picture in (
        ("drift", np.concatenate([legend(colors), *plots])),
        ("frames", look({name: found[name, 0][0] for name in WAYS}, *world(KINDS[0], HELD_OUT))),
    ):
        Image.fromarray(picture).save(given.docs / "pictures" / f"lvcd_study_{name}.png", optimize=True)
    loaded = build(given.out)
    parameters = sum(p.numel() for net in (loaded.unet, loaded.controlnet) for p in net.parameters())
    (given.docs / "lvcd_study.md").write_text(page(scores, given, parameters), encoding="utf-8")
    print(page(scores, given, parameters))


if __name__ == "__main__":
    main()
