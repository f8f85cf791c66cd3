"""docs/lvcd_study.md and its pictures, from what lvcd_study.py measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from engine.models.lvcd import pipeline

from ..diffusion import clips
from ..evaluation.metrics import average_known
from ..markdown import wrap_markdown
from .lvcd_study_variants import FilmNumbers, StudyVariant

OTHERS = {"held": "the first frame, held", "coded": "the true film, coded and decoded"}
PUBLISHED = {"full": (4.3386, 1.0784), "attention": (5.0137, 1.1563), "scheme": (4.4863, 1.1479), "previous": (5.4924, 1.2475)}  # EDMD, TC
PLOTS = (("psnr", "PSNR, dB"), ("edmd", "EDMD, px of 256"), ("tc", "TC"))
WIDTH, HEIGHT, LEFT, LOW = 900, 210, 52, 22  # px of a plot and its margins


def smooth_values(values: Sequence[float], reach: int = 3) -> np.ndarray:
    """The mean over neighbors, nan left out."""
    return np.array([average_known(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))])


def draw_plot(curves: Mapping[str, tuple[tuple[int, int, int], np.ndarray]], frames: int, title: str) -> np.ndarray:
    """Curves over the frames of a shot, uint8 (HEIGHT, WIDTH, 3); gray lines where segments end."""
    values = np.concatenate([curve for _, curve in curves.values()])
    low, high = np.nanmin(values), np.nanmax(values)
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(image)

    def place_point(frame: float, value: float) -> tuple[float, float]:
        return LEFT + frame * (WIDTH - LEFT - 8) / (frames - 1), HEIGHT - LOW - (value - low) / (high - low) * (HEIGHT - LOW - 22)

    for span in pipeline.split_segments(frames)[:-1]:
        pen.line((place_point(span.stop - 0.5, low), place_point(span.stop - 0.5, high)), (225, 225, 225))
    for value in np.linspace(low, high, 4)[1:3]:
        pen.line((place_point(0, value), place_point(frames - 1, value)), (225, 225, 225))
        pen.text((4, place_point(0, value)[1] - 6), f"{value:.2f}", "black")
    for frame in range(0, frames, 10):
        pen.text((place_point(frame, low)[0] - 6, HEIGHT - LOW + 4), str(frame), "black")
    pen.text((LEFT, 4), title, "black")
    for color, curve in curves.values():
        points = [place_point(frame, value) for frame, value in enumerate(curve) if not np.isnan(value)]
        pen.line(points, color, 2)
    return np.asarray(image)


def draw_legend(titles: Mapping[str, tuple[int, int, int]]) -> np.ndarray:
    image = Image.new("RGB", (WIDTH, 24), "white")
    pen = ImageDraw.Draw(image)
    for index, (title, color) in enumerate(titles.items()):
        left = LEFT + index * (WIDTH - LEFT) // len(titles)
        pen.line((left, 12, left + 18, 12), color, 3)
        pen.text((left + 24, 6), title, "black")
    return np.asarray(image)


def draw_film_sheet(made: Mapping[str, np.ndarray], truth: np.ndarray, sketches: np.ndarray) -> np.ndarray:
    """Every twelfth frame of the sketches, of the truth and of each variant, below each other, twice as large."""
    rows = [np.repeat(sketches[..., None], 3, axis=3), truth, *made.values()]
    sheet = clips.build_sheet([row[2::12] for row in rows])
    return cv2.resize(sheet, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)


def average_films(films: Sequence[FilmNumbers], key: str) -> float:
    """Over frames, then over films."""
    return average_known([average_known(film[key]) for film in films])


def format_table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def measure_psnr_ends(film: FilmNumbers) -> tuple[float, float]:
    """PSNR of the first fifteen frames that were painted, and of the last."""
    return average_known(film["psnr"][1:16]), average_known(film["psnr"][-15:])


def average_tc_at_joins(variant: StudyVariant, film: FilmNumbers) -> float:
    return average_known([film["tc"][frame] for frame in variant.joins])


MEASURES = (  # of how bad a variant is, in the order of the columns
    lambda variant, film: average_films([film], "edmd"),
    lambda variant, film: average_films([film], "tc"),
    average_tc_at_joins,
    lambda variant, film: measure_psnr_ends(film)[0] - measure_psnr_ends(film)[1],
)


def compose_page(scores: Mapping[str, Sequence[FilmNumbers]], variants: Mapping[str, StudyVariant], about: Mapping[str, object]) -> str:
    """What was done, which `about` tells, and found; every number of that comes from `scores`."""
    titles = OTHERS | {name: variant.title for name, variant in variants.items()}
    rows, verdicts = [], []
    for name in (*variants, *OTHERS):
        films = scores[name]
        early, late = (average_known(values) for values in zip(*map(measure_psnr_ends, films), strict=True))
        joins = f"{average_known([average_tc_at_joins(variants[name], film) for film in films]):.3f}" if name in variants else "–"
        published = [f"{value:.4f}" for value in PUBLISHED.get(name, ())] or ["–", "–"]
        psnr = (f"{average_films(films, 'psnr'):.2f}", f"{early:.2f} → {late:.2f}")
        rows.append([titles[name], f"{average_films(films, 'edmd'):.2f}", f"{average_films(films, 'tc'):.3f}", joins, *psnr, *published])
    for name in list(variants)[1:]:
        cells = [titles[name]]
        for measure in MEASURES:
            pairs = zip(scores["full"], scores[name], strict=True)
            more = [measure(variants[name], film) - measure(variants["full"], whole) for whole, film in pairs]
            cells.append(f"{average_known(more):+.3f}, {sum(value > 0 for value in more)} of {len(more)}")
        verdicts.append(cells)
    head = ["", "EDMD", "TC", "TC at joins", "PSNR dB", "first → last 15 frames", "EDMD of the paper", "TC of the paper"]
    table = format_table([head, ["---", *["---:"] * 7], *rows])
    verdict = format_table([["", "EDMD", "TC", "TC at joins", "PSNR lost over a shot, dB"], ["---", *["---:"] * 4], *verdicts])
    return PAGE.format(
        **about,
        table=table,
        verdict=verdict + (UNFINISHED if average_films(scores["full"], "tc") > 2.0 else ""),
        ways=", ".join(variant.title for variant in variants.values()),
    )


UNFINISHED = """

**These networks are not trained to their end**: a TC of 2 and more is noise that they leave in every frame, differently in each, and it
hides most of what else TC would tell. More `--steps` go on from here."""
PAGE = """# Do LVCD's mechanisms work?

Written by `python -m lab.bench.lvcd_study {command}`. LVCD's paper leaves out its mechanisms one by one: Reference Attention (trained anew
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

EDMD and TC are those of `lab/evaluation/film.py`: less is better. The last row is what is left of the true film by a VAE that is linear,
which blurs lines. *TC at joins* is that of the pairs of frames of which one segment painted the first and the next the second. The
paper's numbers (its similar set) are of another size and other films: only their order can be compared.

How much worse it gets by leaving a mechanism out, and in how many of the shots it does. In the paper all three make both EDMD and TC worse:

{verdict}

![PSNR, EDMD and TC over the frames of a shot](pictures/lvcd_study_drift.png)

Means over the shots, and over seven neighbors; gray lines are where segments of the published way end.

![Every twelfth frame of a shot of each family](pictures/lvcd_study_frames.png)

Every twelfth frame of the first shot of each family: line art, truth, {ways}.
"""


def write_report(
    docs: Path,
    scores: Mapping[str, Sequence[FilmNumbers]],
    sheets: Sequence[np.ndarray],
    variants: Mapping[str, StudyVariant],
    about: Mapping[str, object],
) -> str:
    """The page and its pictures below `docs`, and its text; `sheets` are made by `draw_film_sheet`."""
    plots, frames = [], len(scores["full"][0]["psnr"])
    for key, title in PLOTS:
        means = {name: [average_known(values) for values in zip(*(film[key] for film in scores[name]), strict=True)] for name in variants}
        plots.append(draw_plot({name: (variant.color, smooth_values(means[name])) for name, variant in variants.items()}, frames, title))
    drift = np.concatenate([draw_legend({variant.title: variant.color for variant in variants.values()}), *plots])
    for name, picture in (("drift", drift), ("frames", np.concatenate(sheets))):
        Image.fromarray(picture).save(docs / "pictures" / f"lvcd_study_{name}.png", optimize=True)
    text = compose_page(scores, variants, about)
    (docs / "lvcd_study.md").write_text(wrap_markdown(text), encoding="utf-8")
    return text
