"""Whether LVCD's mechanisms do what its paper says, on networks small enough to be trained on a processor. Writes docs/lvcd_study.md.

    .venv/engine/bin/python bench/lvcd_study.py [--before 6500] [--steps 5000] [--worlds 48] [--films 12] [--out DIR] [--docs DIR]

Networks learn on toon worlds first without Reference Attention, as Stable Video Diffusion has none, and then go on twice, with it and
without; four ways of painting are tried on shots that were not learned from. A run that was stopped goes on. Of LVCD everything is the
engine's own, but the VAE, which is a linear one here (`Patches`), and the image encoder, which says nothing (`Silent`).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import permutations, repeat
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
PAN, SINK = (20, 44), 10  # px as drawn that the camera goes over a shot: sideways, and up or down at most
PATCH, CHANNELS, TOKEN = 4, 16, 8  # px of a latent's side; its numbers, and the token's
STEPS = 25  # of denoising
FIRST = HELD_OUT + 1000  # seed of the shots that are measured
UNET = {
    "sample_size": SIDE // PATCH,
    "in_channels": 2 * CHANNELS,
    "out_channels": CHANNELS,
    "down_block_types": ["CrossAttnDownBlockSpatioTemporal"] * 2,
    "up_block_types": ["CrossAttnUpBlockSpatioTemporal"] * 2,
    "block_out_channels": [32, 64],
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 96,
    "layers_per_block": 1,
    "cross_attention_dim": TOKEN,
    "num_attention_heads": [2, 2],
}
HINT = [16, 32, 32]  # widths of the sketch's encoder: one fourth of the sketch's size
WITH, WITHOUT = slots.beginning(), slots.without_reference(slots.beginning())
NETS = {"plain": WITHOUT, "with": WITH, "without": WITHOUT}
CPU = torch.device("cpu")
KINDS = tuple(FAMILIES)

Film = dict[str, list[float]]
Shot = tuple[np.ndarray, np.ndarray]  # pictures over white, uint8 (75, 48, 48, 3), and line art (75, 48, 48), dark on 255


@dataclass(frozen=True)
class Way:
    """A way of painting: networks of NETS, how segments hang together, and whether each begins from the last frame painted."""

    title: str
    color: tuple[int, int, int]
    net: str = "with"
    scheme: sampler.Scheme = sampler.Scheme()
    previous: bool = False

    @property
    def joins(self) -> list[int]:
        """The last frames of its segments, after each of which another goes on."""
        return [span.stop - 1 for span in sampler.segments(FRAMES, self.scheme.overlap)[:-1]]


WAYS = {
    "full": Way("as published", (20, 90, 200)),
    "attention": Way("no Reference Attention", (220, 120, 0), "without", sampler.Scheme(attention=False)),
    "scheme": Way("no sampling scheme", (40, 150, 60), scheme=sampler.Scheme(overlap=0)),
    "previous": Way("previous frame as reference", (200, 30, 60), scheme=sampler.Scheme(overlap=0), previous=True),
}


# --- what stands for the VAE and the image encoder ----------------------------------------------------------------


class Patches(nn.Module):
    """For the VAE: the principal components of squares of PATCH x PATCH px are latents, at one scale: their variance is 1 on average.

    As the VAE has one scale: components made equal would have the networks learn lines that the sketch tells as hard as colors."""

    config = SimpleNamespace(scaling_factor=sampler.SCALE)
    dtype, device = torch.float32, CPU

    def __init__(self, basis: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.mean, self.axes, self.deviation = (basis[name] for name in ("mean", "axes", "deviation"))

    def encode(self, pictures: Tensor) -> SimpleNamespace:
        squares = functional.pixel_unshuffle(pictures, PATCH).movedim(1, -1)
        latents = ((squares - self.mean) @ self.axes / self.deviation / sampler.SCALE).movedim(-1, 1)
        return SimpleNamespace(latent_dist=SimpleNamespace(sample=lambda: latents, mode=lambda: latents))

    def decode(self, latents: Tensor, num_frames: int) -> SimpleNamespace:
        squares = latents.movedim(1, -1) * sampler.SCALE * self.deviation @ self.axes.T + self.mean
        return SimpleNamespace(sample=functional.pixel_shuffle(squares.movedim(-1, 1), PATCH))


def components(shots: Sequence[Shot]) -> dict[str, Tensor]:
    """Of the squares of shots that are learned from, their color channels exchanged in all ways."""
    pictures = np.concatenate([frames[::12] for frames, _ in shots])
    pictures = np.concatenate([pictures[..., order] for order in permutations(range(3))])
    signed = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    squares = functional.pixel_unshuffle(signed, PATCH).permute(0, 2, 3, 1).flatten(0, 2)
    variances, axes = torch.linalg.eigh(torch.cov(squares.T))
    axes, variances = axes[:, -CHANNELS:].flip(1).contiguous(), variances[-CHANNELS:]
    return {"mean": squares.mean(0), "axes": axes, "deviation": variances.mean().sqrt()[None]}


class Silent(nn.Module):
    """For the image encoder: it says the same of every picture, so that all that is known of the reference comes by its latent."""

    config = SimpleNamespace(image_size=32)
    dtype, device = torch.float32, CPU

    def forward(self, pixels: Tensor) -> SimpleNamespace:
        return SimpleNamespace(image_embeds=torch.zeros(len(pixels), TOKEN))


def build(out: Path, learned: str = "") -> nets.Nets:
    """Networks as they were learned, averaged; without a name of numbers drawn by chance, also where a ControlNet begins with zeros so as
    not to disturb what was learned before."""
    torch.manual_seed(0)
    unet, controlnet = nets.build_unet(UNET), nets.build_controlnet({**UNET, "conditioning_embedding_out_channels": HINT})
    hint = controlnet.controlnet_cond_embedding.conv_out
    for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block, hint):
        layer.reset_parameters()
    for part, net in (("unet", unet), ("controlnet", controlnet)):
        if learned:
            net.load_state_dict(load_file(out / learned / "average_weights" / f"{part}.safetensors"))
    return nets.Nets(unet, controlnet, Patches(load_file(out / "components.safetensors")), Silent())


# --- data ---------------------------------------------------------------------------------------------------------


def world(seed: int, pans: bool) -> Shot:
    """Of a family that the seed tells. Where the camera pans, colors are seldom where the reference has them."""
    drawn = sample(seed, Plan(KINDS[seed % len(KINDS)], (DRAWN, DRAWN), drawings=FRAMES, damage=0.0))
    colors, lines = clips.over(drawn.pictures().numpy()), 255 - drawn.lines.paint[..., 3].numpy()
    rng = np.random.default_rng(seed)
    way = (rng.uniform(*PAN) * rng.choice([-1, 1]), rng.uniform(-SINK, SINK)) if pans else (0.0, 0.0)
    colors, lines = (
        np.stack([_panned(one, way, index / (FRAMES - 1) - 0.5) for index, one in enumerate(many)]) for many in (colors, lines)
    )
    return colors, lines


def _panned(picture: np.ndarray, way: tuple[float, float], part: float) -> np.ndarray:
    """A part of the way along, -0.5..0.5, and brought to SIDE."""
    moved = cv2.warpAffine(
        picture, np.float32([[1, 0, round(way[0] * part)], [0, 1, round(way[1] * part)]]), (DRAWN, DRAWN), borderValue=(255,) * 3
    )
    return cv2.resize(moved, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def varied(frames: np.ndarray, sketches: np.ndarray, rng: np.random.Generator) -> Shot:
    """With its color channels exchanged, and mirrored every other time: so that colors are known from the reference alone."""
    frames = frames[..., rng.permutation(3)]
    if rng.random() < 0.5:
        frames, sketches = frames[:, :, ::-1], sketches[:, :, ::-1]
    return np.ascontiguousarray(frames), np.ascontiguousarray(sketches)


# --- training -----------------------------------------------------------------------------------------------------


def learn(name: str, after: str, out: Path, steps: int, shots: Sequence[Shot]) -> None:
    torch.set_num_threads(1)
    loaded = build(out, after)

    def lesson(rng: np.random.Generator, device: torch.device) -> train.Lesson:
        frames, sketches = shots[rng.integers(len(shots))]
        start = int(rng.integers(1, FRAMES - slots.VIDEO + 1))
        rows = [int(rng.integers(max(1, start // 4))), *range(start, start + slots.VIDEO)]
        return train.lesson(loaded, *varied(frames[rows], sketches[rows], rng), device)

    def save(folder: Path, states: training.States) -> None:
        for part, state in states.items():
            training.write(folder / f"{part}.safetensors", state)

    course = training.Course(
        nets={"unet": loaded.unet, "controlnet": loaded.controlnet},
        lesson=lesson,
        loss=lambda drawn, rng: train.loss(loaded, drawn, rng, NETS[name]),
        sheet=lambda drawn: train.sample_sheet(loaded, drawn, NETS[name], STEPS),
        save=save,
        about=f"{len(shots)} shots",
    )
    settings = training.Settings(out / name, steps, rate=1e-3, every=500, ema=0.998)
    for line in training.run(course, settings):
        print(f"{name}: {line}", flush=True)


# --- painting -----------------------------------------------------------------------------------------------------


@torch.inference_mode()
def paint(way: Way, out: Path, frames: np.ndarray, sketches: np.ndarray) -> np.ndarray:
    """A shot from its first frame, uint8 (75, 48, 48, 3)."""
    loaded = build(out, way.net)
    loaded.unet.eval()
    loaded.controlnet.eval()
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


def measure(name: str, out: Path, shot: Shot) -> tuple[np.ndarray, Film]:
    """What a way makes of a shot, and its numbers frame by frame; of the pair after each frame, for TC."""
    torch.set_num_threads(1)
    frames, sketches = shot
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

OTHERS = {"held": "the first frame, held", "coded": "the true film, coded and decoded"}
PUBLISHED = {"full": (4.3386, 1.0784), "attention": (5.0137, 1.1563), "scheme": (4.4863, 1.1479), "previous": (5.4924, 1.2475)}  # EDMD, TC
PLOTS = (("psnr", "PSNR, dB"), ("edmd", "EDMD, px of 256"), ("tc", "TC"))
WIDTH, HEIGHT, LEFT, LOW = 900, 210, 52, 22  # px of a plot and its margins


def smooth(values: Sequence[float], reach: int = 3) -> np.ndarray:
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


def grid(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def lost(film: Film) -> tuple[float, float]:
    """PSNR of the first fifteen frames that were painted, and of the last."""
    return nanmean(film["psnr"][1:16]), nanmean(film["psnr"][-15:])


def at_joins(way: Way, film: Film) -> float:
    return nanmean([film["tc"][frame] for frame in way.joins])


MEASURES = (  # of how bad a way is, in the order of the columns
    lambda way, film: mean([film], "edmd"),
    lambda way, film: mean([film], "tc"),
    at_joins,
    lambda way, film: lost(film)[0] - lost(film)[1],
)


def page(scores: Mapping[str, Sequence[Film]], given: argparse.Namespace, parameters: int) -> str:
    """What was done and found; every number of it comes from `scores`."""
    titles = OTHERS | {name: way.title for name, way in WAYS.items()}
    rows, verdicts = [], []
    for name in (*WAYS, *OTHERS):
        films = scores[name]
        early, late = (nanmean(values) for values in zip(*map(lost, films), strict=True))
        joins = f"{nanmean([at_joins(WAYS[name], film) for film in films]):.3f}" if name in WAYS else "–"
        published = [f"{value:.4f}" for value in PUBLISHED.get(name, ())] or ["–", "–"]
        psnr = (f"{mean(films, 'psnr'):.2f}", f"{early:.2f} → {late:.2f}")
        rows.append([titles[name], f"{mean(films, 'edmd'):.2f}", f"{mean(films, 'tc'):.3f}", joins, *psnr, *published])
    for name in list(WAYS)[1:]:
        cells = [titles[name]]
        for measure in MEASURES:
            pairs = zip(scores["full"], scores[name], strict=True)
            more = [measure(WAYS[name], film) - measure(WAYS["full"], whole) for whole, film in pairs]
            cells.append(f"{nanmean(more):+.3f}, {sum(value > 0 for value in more)} of {len(more)}")
        verdicts.append(cells)
    head = ["", "EDMD", "TC", "TC at joins", "PSNR dB", "first → last 15 frames", "EDMD of the paper", "TC of the paper"]
    table = grid([head, ["---", *["---:"] * 7], *rows])
    verdict = grid([["", "EDMD", "TC", "TC at joins", "PSNR lost over a shot, dB"], ["---", *["---:"] * 4], *verdicts])
    return PAGE.format(
        command=f"--before {given.before} --steps {given.steps} --worlds {given.worlds} --films {given.films}",
        before=given.before,
        steps=given.steps,
        worlds=given.worlds,
        films=given.films,
        parameters=f"{parameters / 1e6:.1f}",
        side=SIDE,
        patch=PATCH,
        channels=CHANNELS,
        denoising=STEPS,
        table=table,
        verdict=verdict + (UNFINISHED if mean(scores["full"], "tc") > 2.0 else ""),
        ways=", ".join(way.title for way in WAYS.values()),
    )


UNFINISHED = """

**These networks are not trained to their end**: a TC of 2 and more is noise that they leave in every frame, differently in each, and it
hides most of what else TC would tell. More `--steps` go on from here."""
PAGE = """# Do LVCD's mechanisms work?

Written by `bench/lvcd_study.py {command}`. LVCD's paper leaves out its mechanisms one by one: Reference Attention (trained anew
without), the sampling scheme (segments that overlap, attention to frames painted before), and the first frame as the reference of
all segments. The same is done here with networks small enough to be trained on a processor. **It says something of the mechanisms
as they are built here, and nothing of how LVCD paints with its published weights.**

The networks' blocks, Reference Attention, the layouts of slots, the sampling, the loss, the training loop and the measures are the
engine's own. What is not as published:

* networks of {parameters} million numbers, UNet and ControlNet together, two levels deep, trained whole: {before} steps without Reference
  Attention on shots with a still camera, since the published ones begin from Stable Video Diffusion, which has none; then {steps} steps
  with it, and as many without, on shots over which the camera pans; one clip a step, AdamW, rate 1e-3, averaged;
* pictures of {side} x {side} px; for the VAE the {channels} principal components of squares of {patch} x {patch} px, the true
  film through which is the last row; the image encoder says nothing;
* {worlds} toon worlds of 75 frames to learn from, half of each family, lines soft and undamaged, their color channels exchanged and the
  pictures mirrored at random; {films} others, with pans, to measure, painted in {denoising} steps;
* *no Reference Attention* goes on as long as the other, from the same weights and with the same clips and noise; *previous frame as
  reference* has the weights of the published way, and each segment begins from the last frame painted.

{table}

EDMD and TC are those of `engine/evaluation/film.py`: less is better. The last row is what is left of the true film by a VAE that is linear,
which blurs lines. *TC at joins* is that of the pairs of frames of which one segment painted the first and the next the second. The
paper's numbers (its similar set) are of another size and other films: only their order can be compared.

How much worse it gets by leaving a mechanism out, and in how many of the shots it does. In the paper all three make both EDMD and TC worse:

{verdict}

![PSNR, EDMD and TC over the frames of a shot](pictures/lvcd_study_drift.png)

Means over the shots, and over seven neighbors; gray lines are where segments of the published way end.

![Every twelfth frame of a shot of each family](pictures/lvcd_study_frames.png)

Every twelfth frame of the first shot of each family: line art, truth, {ways}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=int, default=6500, help="steps of training without Reference Attention; default %(default)s")
    parser.add_argument("--steps", type=int, default=5000, help="of training after that, with it and without; default %(default)s")
    parser.add_argument("--worlds", type=int, default=48, help="to learn from; default %(default)s")
    parser.add_argument("--films", type=int, default=12, help="to measure; default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("out/lvcd_study"), help="of the weights; default %(default)s")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="default %(default)s")
    given = parser.parse_args()
    asked = [(name, index) for name in (*WAYS, *OTHERS) for index in range(given.films)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        still, panned, films = (
            list(pool.map(world, range(first, first + count), repeat(pans)))
            for first, count, pans in ((0, given.worlds, False), (0, given.worlds, True), (FIRST, given.films, True))
        )
        training.write(given.out / "components.safetensors", components(still))
        pool.submit(learn, "plain", "", given.out, given.before, still).result()
        for job in [pool.submit(learn, name, "plain", given.out, given.steps, panned) for name in ("with", "without")]:
            job.result()
        jobs = [pool.submit(measure, name, given.out, films[index]) for name, index in asked]
        found = {key: job.result() for key, job in zip(asked, jobs, strict=True)}
    scores = {name: [found[name, index][1] for index in range(given.films)] for name in (*WAYS, *OTHERS)}
    (given.out / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    plots = [
        plot(
            {
                name: (way.color, smooth([nanmean(values) for values in zip(*(film[key] for film in scores[name]), strict=True)]))
                for name, way in WAYS.items()
            },
            title,
        )
        for key, title in PLOTS
    ]
    looks = [look({name: found[name, index][0] for name in WAYS}, *films[index]) for index in range(len(KINDS))]
    for name, picture in (
        ("drift", np.concatenate([legend({way.title: way.color for way in WAYS.values()}), *plots])),
        ("frames", np.concatenate(looks)),
    ):
        Image.fromarray(picture).save(given.docs / "pictures" / f"lvcd_study_{name}.png", optimize=True)
    loaded = build(given.out)
    parameters = sum(p.numel() for net in (loaded.unet, loaded.controlnet) for p in net.parameters())
    (given.docs / "lvcd_study.md").write_text(page(scores, given, parameters), encoding="utf-8")
    print(page(scores, given, parameters))


if __name__ == "__main__":
    main()
