"""docs/evaluation_inbetween.md and its picture, from what inbetween.py measured."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from engine.drawing.sketch.raster import rasterize_strokes
from engine.drawing.sketch.strokes import Strokes
from engine.job.files import write_atomic

from ..evaluation.inbetween import LOST, OPEN
from ..markdown import wrap_markdown
from ..synthesis.cutout_person import SIZE
from ..synthesis.keys import PLACES, ToonKeyPair
from .inbetween_results import InbetweenResults

SHOWN = ("home", "split", "changing", "all")
TILE = (196, 300)  # px, width and height
BINS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
EQUAL, BEATEN = 1.0, 0.7  # of Blender's: on home ground, and elsewhere
CUT = ("cut", "overlapping", "begun")  # keys of the same lines as on home ground, in other strokes
AS_HOME, TORN = 1.2, 0.03  # times the chamfer distance on home ground; share of junctions that are torn

_TEXT = """# Evaluation of vector inbetweens

Written by `python -m lab.bench.inbetween` on {date} in {seconds:.0f} s of processor time ({machine}). Blender {blender},
run in the background.

Cut-out people (`lab/synthesis/cutout_*.py`), of whom every true drawing is known: {strokes} strokes in a picture of {size} x {size} px,
limbs that swing in arcs, heads that turn, bodies that squash, and parts that pass before each other. Seeds {first} to {last}, not looked
at while the methods were made. Between the two keys of each, drawings at {places} of the way are compared with the true ones.

![First key, last key, the true drawing halfway, Shiage's, Blender's, cross-dissolve](pictures/evaluation_inbetween.png)

From left to right: the keys, the true drawing halfway, Shiage's, Blender's, cross-dissolve. From top to bottom, of seed
{first}: {shown}.

## What is wanted

On home ground, where strokes have the same order, direction and number of points in both keys, Blender's own tool is to be equalled;
elsewhere its errors are to be less by 30 %.

{wanted}

*px* is the chamfer distance; *open* the share of junctions that are torn by more than {open:g} px, *gap* their mean gap. Less is better. A
cross-dissolve tears nothing, because it moves nothing: it shows both keys at once. *reversed*, *resampled* and *jittered* keys are all but
home ground for Blender too: it turns strokes about and fills up points by itself, so that its junctions hold there, and arcs are all that
can be won.

## Lines that are cut differently

{cut}

Where the same lines are other strokes in either key, their chamfer distance is to be at most {as_home:g} times that on home ground, and no
more than {torn:.0%} of the junctions torn.

## Matches

{matches}
{pinned}
## Confidence

Of Shiage's strokes, all variants together: how sure it says it is, and how often it is right.

{trust}

## What is measured

* **Keys**: on *home* ground, or as animators draw them. *shuffled*: the strokes of the last key come in another order · *reversed*: half
  of them are drawn from the other end · *resampled*: each stroke has a point every 2 to 9 px, unevenly · *split*: one in three long strokes
  is drawn in two, one in three that meet at a corner in one go · *jittered*: both keys are off by a px or two, and so is the truth, by the
  mix of both · *changing*: strokes vanish behind others, come out, or are cut in two by what passes before them · *all*: all of these ·
  *cut*: lines, closed ones too, are one to four strokes that meet, others in either key · *overlapping*: and these run beside each other
  for some px, a little off · *begun*: closed lines are strokes that begin anywhere, and meet, run past or miss their start. But for
  *changing* and *all*, lines that are not seen as one stroke, or as so and so many, in all drawings are left out of keys and truth.
* **Chamfer distance**, px at {size} px height: the mean distance from lines made to true lines and that from true lines to lines made,
  averaged. Lines made count as much as they are opaque.
* **Junctions**: places of the true drawing where a stroke's end touches another line, {junctions:.0f} in a drawing that a key has too. In
  what was made of that key, the gap is the distance from that end to that line, at most {lost:g} px, and as much where one of them is
  missing. A junction that is elsewhere but whole counts as whole: where it is, the chamfer distance tells.
* **Matches**: *right* is the share of all matched lines, by length, that are the same line of the character, a quarter of it off at most;
  *found* the share of what both keys show that was matched rightly.
* **Confidence**: a stroke with a partner is right if most of its points are; one without if the other key doesn't show it.
* **Blender**: `grease_pencil.interpolate_sequence`, linear, all strokes of the layer, in the front view. Of its ways to flip strokes the
  better one is taken for each kind of keys ({flips}).
* **Cross-dissolve**: the first key as opaque as there is way left, the last key as opaque as there is way behind.

Shiage took {own:.2f} s of processor time for a pair: matching, and three drawings.
"""


def write_report(results: InbetweenResults, folder: Path) -> None:
    """Write the page into `folder` and the picture into its pictures/."""
    variants = [variant for variant, method in results.tallies if method == "Shiage"]
    shown = [variant for variant in SHOWN if variant in variants]
    own = [results.tallies[variant, "Shiage"] for variant in variants]
    text = _TEXT.format(
        date=results.date.isoformat(),
        seconds=results.seconds,
        machine=results.machine,
        blender=results.blender,
        size=SIZE,
        strokes=_format_span(results.strokes),
        first=results.seeds[0],
        last=results.seeds[-1],
        places=", ".join(f"{place:g}" for place in PLACES),
        shown=", ".join(f"*{variant}*" for variant in shown),
        wanted=_compose_wanted(results, variants),
        cut=_compose_cut(results, variants),
        as_home=AS_HOME,
        torn=TORN,
        matches=_compose_matches(results, variants),
        pinned=_compose_pinned(results),
        trust=_compose_confidence(results, variants),
        open=OPEN,
        lost=LOST,
        junctions=np.mean([len(found) / 2 for tally in own for found in tally.gaps]),
        flips=", ".join(f"{variant}: {flip}" for variant, flip in results.flips.items()),
        own=np.mean([seconds for tally in own for seconds in tally.seconds]),
    )
    write_atomic(folder / "evaluation_inbetween.md", wrap_markdown(text).encode())
    rows = [np.concatenate(list(_draw_tiles(*results.examples[variant])), 1) for variant in shown]
    picture = Image.fromarray(np.concatenate(rows)).quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    path = folder / "pictures" / "evaluation_inbetween.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)


def _format_span(numbers: list[int]) -> str:
    return f"{min(numbers)} to {max(numbers)}"


def _format_table(head: str, rows: list[str]) -> str:
    return "\n".join([head, "|---" + "|---:" * (head.count("|") - 2) + "|", *rows])


def _compose_wanted(results: InbetweenResults, variants: list[str]) -> str:
    rows = []
    for variant in variants:
        tallies = [results.tallies[variant, method] for method in ("Shiage", "Blender", "dissolve")]
        far = [float(np.mean(tally.chamfer)) for tally in tallies]
        apart = [np.concatenate(tally.gaps) for tally in tallies]
        torn, gap = [float((gaps > OPEN).mean()) for gaps in apart], [float(gaps.mean()) for gaps in apart]
        ratios = [far[0] / far[1], torn[0] / max(torn[1], 1e-9), gap[0] / gap[1]]
        bound = EQUAL if variant == "home" else BEATEN
        verdicts = [f"**{ratio:.2f}**" if ratio <= bound else f"{ratio:.2f} (no)" for ratio in ratios]
        rows.append(
            f"| {variant} | {far[0]:.2f} | {far[1]:.2f} | {far[2]:.2f} | {verdicts[0]} | "
            f"{100 * torn[0]:.1f} % | {100 * torn[1]:.1f} % | {100 * torn[2]:.1f} % | {verdicts[1]} | "
            f"{gap[0]:.2f} | {gap[1]:.2f} | {verdicts[2]} | ≤ {bound:.1f} |"
        )
    head = (
        "| keys | px, Shiage | Blender | dissolve | Shiage / Blender | open, Shiage | Blender | dissolve | Shiage / Blender | "
        "gap, Shiage | Blender | Shiage / Blender | wanted |"
    )
    return _format_table(head, rows)


def _compose_cut(results: InbetweenResults, variants: list[str]) -> str:
    rows = []
    home = float(np.mean(results.tallies["home", "Shiage"].chamfer)) if "home" in variants else np.nan
    for variant in (variant for variant in CUT if variant in variants):
        tally = results.tallies[variant, "Shiage"]
        ratio, torn = float(np.mean(tally.chamfer)) / home, float((np.concatenate(tally.gaps) > OPEN).mean())
        verdicts = ["" if good else " (no)" for good in (ratio <= AS_HOME, torn <= TORN)]
        rows.append(f"| {variant} | {ratio:.2f}{verdicts[0]} | {100 * torn:.1f} %{verdicts[1]} |")
    return _format_table("| keys | px / home | open |", rows)


def _compose_matches(results: InbetweenResults, variants: list[str]) -> str:
    rows = []
    for variant in variants:
        found = [results.tallies[variant, method].matched for method in ("Shiage", "Blender")]
        shares = [100 * np.mean([getattr(one, name) for one in some]) for some in found for name in ("right", "found")]
        rows.append(f"| {variant} | " + " | ".join(f"{share:.1f} %" for share in shares) + " |")
    return _format_table("| keys | right, Shiage | found, Shiage | right, Blender | found, Blender |", rows)


def _compose_pinned(results: InbetweenResults) -> str:
    if not results.pinned:
        return ""
    return f"\nWith every stroke pinned by hand on home ground, Shiage is {np.mean(results.pinned):.2f} px off: that is its motion alone.\n"


def _compose_confidence(results: InbetweenResults, variants: list[str]) -> str:
    some = [one for variant in variants for one in results.tallies[variant, "Shiage"].matched]
    confidence, sure = (np.concatenate([getattr(one, name) for one in some]) for name in ("confidence", "sure"))
    rows = []
    for low, high in zip(BINS, BINS[1:], strict=False):
        inside = (confidence >= low) & ((confidence < high) | (high == BINS[-1]))
        if inside.any():
            shares = [100 * share for share in (inside.mean(), confidence[inside].mean(), sure[inside].mean())]
            rows.append(f"| {low:g} – {high:g} | " + " | ".join(f"{share:.1f} %" for share in shares) + " |")
    return _format_table("| confidence | share of strokes | mean confidence | right |", rows)


def _draw_tiles(pair: ToonKeyPair, drawings: dict[str, Strokes]) -> Iterator[np.ndarray]:
    """A row of pictures, all cut to where the figure is in any of the true ones."""
    true = [pair.first.strokes, pair.last.strokes, pair.draw_truth(0.5).strokes]
    points = np.concatenate([strokes.points for strokes in true])
    middle = (points.min(0) + points.max(0)) / 2
    half = np.maximum(np.ptp(points, axis=0) / 2 + 8, 1)
    scale = min(TILE[0] / 2 / half[0], TILE[1] / 2 / half[1])
    for strokes in (*true, *(drawings[method] for method in ("Shiage", "Blender", "dissolve"))):
        near = (strokes.points - middle) * 2 * scale + TILE  # drawn twice as large, so that thin lines stay lines
        placed = Strokes(near.astype(np.float32), strokes.widths * 2 * scale, strokes.colors, strokes.offsets, strokes.cyclic)
        paint = rasterize_strokes(placed, (2 * TILE[0], 2 * TILE[1])).paint
        alpha = paint[..., 3:] / 255
        yield cv2.resize((paint[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8), TILE, interpolation=cv2.INTER_AREA)
