"""Vector inbetweens against Blender's own Interpolate Sequence and cross-dissolve. Writes docs/evaluation_inbetween.md and its picture.

.venv/engine/bin/python -m lab.bench.inbetween [--seeds 100-107] [--variants home,all] [--out docs] [--cases]

People whose true drawings between two keys are known, see lab/synthesis/keys.py and lab/evaluation/inbetween.py. Needs a real
Blender. `--cases` prints the numbers of every pair instead of writing.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import run

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import blender

from engine.drawing.inbetween import InbetweenDrawing, StrokeInbetweener, match_strokes
from engine.drawing.sketch.strokes import Strokes, save_strokes

from ..evaluation.inbetween import dissolve_keys, measure_chamfer, measure_gaps, measure_matches
from ..synthesis.keys import PLACES, VARIANTS, ToonKeyPair, draw_key_pair
from ..synthesis.visible import INK
from .inbetween_report import write_report
from .inbetween_results import InbetweenResults, InbetweenTally

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("Shiage", "Blender", "dissolve")
FLIPS = ("AUTO", "NONE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="100-107", help="first and last, default %(default)s")
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--cases", action="store_true", help="print the numbers of every pair, and write nothing")
    options = parser.parse_args()
    first, last = (int(number) for number in options.seeds.split("-"))
    variants = options.variants.split(",")
    results = measure_methods(range(first, last + 1), variants, options.cases)
    if not options.cases:
        write_report(results, options.out)


def measure_methods(seeds: range, variants: list[str], cases: bool) -> InbetweenResults:
    command = blender.find_blender()
    if command is None:
        sys.exit("There is no Blender on this machine: `make blender` installs one, or put it on PATH.")
    began = time.process_time()
    results = InbetweenResults(
        seeds, ".".join(map(str, blender.read_version(command))), f"{os.cpu_count()} cores, Python {platform.python_version()}"
    )
    pairs = [draw_key_pair(seed, variant) for variant in variants for seed in seeds]
    with tempfile.TemporaryDirectory(prefix="shiage-inbetween-") as name:
        work = Path(name)
        for one, folder in zip(pairs, interpolate_in_blender(pairs, command, work), strict=True):
            found = dict(draw_inbetweens(one, folder))
            record_pair(results, one, found)
            if cases:
                print_pair(one, found)
    for variant in variants:  # of Blender's two ways to flip strokes, the one that it does better with
        best = min(FLIPS, key=lambda flip: np.mean(results.tallies[variant, flip].chamfer))
        results.flips[variant] = best
        results.tallies[variant, "Blender"] = results.tallies[variant, best]
        drawings = results.examples[variant][1]
        drawings["Blender"] = drawings[best]
    results.seconds = time.process_time() - began
    return results


def draw_inbetweens(one: ToonKeyPair, folder: Path) -> Iterator[tuple[str, tuple[list[InbetweenDrawing], float]]]:
    """The drawings of each method at PLACES, and the seconds of processor time that they took; 0 where that isn't known."""
    began = time.process_time()
    matches = match_strokes(one.first.strokes, one.last.strokes)
    made = StrokeInbetweener(one.first.strokes, one.last.strokes, matches)
    drawings = [made.draw_at_place(at) for at in PLACES]
    yield "Shiage", (drawings, time.process_time() - began)
    for flip in FLIPS:
        yield flip, ([read_interpolated(folder / f"{flip}_{round(4 * at)}.npz") for at in PLACES], 0.0)
    yield "dissolve", ([dissolve_keys(one, at) for at in PLACES], 0.0)


def interpolate_in_blender(pairs: list[ToonKeyPair], command: list[str], work: Path) -> list[Path]:
    """Have Blender make the drawings between pairs of keys: a folder of files for `read_interpolated` for each, in `work`."""
    folders = [work / f"{number:04d}" for number in range(len(pairs))]
    for one, folder in zip(pairs, folders, strict=True):
        save_strokes(one.first.strokes, folder / "first.npz")
        save_strokes(one.last.strokes, folder / "last.npz")
    script = ROOT / "lab" / "bench" / "interpolate_sequence.py"
    arguments = ["-b", "--factory-startup", "--python-exit-code", "1", "--python", str(script), "--", str(work)]
    run([*command, *arguments], env=blender.make_process_env(command), check=True, capture_output=True)
    return folders


def read_interpolated(path: Path) -> InbetweenDrawing:
    """What Blender made."""
    with np.load(path, allow_pickle=False) as arrays:
        found = dict(arrays)
    count, starts = len(found["points"]), found["offsets"][:-1]
    colors = np.tile(np.array(INK, np.uint8), (count, 1))
    colors[:, 3] = np.round(255 * found["alpha"].clip(0, 1))
    strokes = Strokes(found["points"], found["widths"], colors, found["offsets"], found["cyclic"])
    source = np.stack([np.round(found[f"stroke_{key}"][starts]) for key in ("first", "last")], 1).astype(np.int32)
    place = np.stack([found[f"index_{key}"] for key in ("first", "last")], 1)
    return InbetweenDrawing(strokes, source, place, np.ones(len(strokes), np.float32), np.zeros(len(strokes), bool))


def record_pair(results: InbetweenResults, one: ToonKeyPair, found: dict[str, tuple[list[InbetweenDrawing], float]]) -> None:
    results.strokes += [len(one.first.strokes), len(one.last.strokes)]
    if one.variant == "home":
        pairs = [(number, number) for number in range(len(one.first.strokes))]
        made = StrokeInbetweener(one.first.strokes, one.last.strokes, match_strokes(one.first.strokes, one.last.strokes, pairs))
        results.pinned += [measure_chamfer(one.draw_truth(at).strokes, made.draw_at_place(at).strokes) for at in PLACES]
    for method, (drawings, seconds) in found.items():
        tally = results.tallies.setdefault((one.variant, method), InbetweenTally())
        for at, drawing in zip(PLACES, drawings, strict=True):
            tally.chamfer.append(measure_chamfer(one.draw_truth(at).strokes, drawing.strokes))
            tally.gaps.append(measure_gaps(one, at, drawing))
        tally.matched.append(measure_matches(one, drawings[1]))
        tally.seconds.append(seconds)
    results.examples.setdefault(one.variant, (one, {method: drawings[1].strokes for method, (drawings, _) in found.items()}))


def print_pair(one: ToonKeyPair, found: dict[str, tuple[list[InbetweenDrawing], float]]) -> None:
    """One line of numbers for each pair."""
    columns = [f"{one.seed:4d} {one.variant:10s}"]
    for method, (drawings, seconds) in found.items():
        far = np.mean([measure_chamfer(one.draw_truth(at).strokes, drawing.strokes) for at, drawing in zip(PLACES, drawings, strict=True)])
        apart = np.concatenate([measure_gaps(one, at, drawing) for at, drawing in zip(PLACES, drawings, strict=True)])
        right = measure_matches(one, drawings[1])
        columns.append(
            f"{method} {far:5.2f} px, open {100 * (apart > 3).mean():4.1f} %, right {100 * right.right:3.0f} found {100 * right.found:3.0f}"
        )
        columns[-1] += f" in {seconds:.2f} s" if seconds else ""
    print(" | ".join(columns), flush=True)


if __name__ == "__main__":
    main()
