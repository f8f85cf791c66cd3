"""How long toon worlds take to draw. Prints JSON: milliseconds of one core, or of the GPU, for one drawing.

.venv/engine/bin/python bench/synthesis.py [--device cuda] [--sheet docs/pictures/toon_worlds.png]
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine.synthesis import FAMILIES, Plan, regions, sample
from engine.synthesis.write import sheet


def per_drawing(family: str, size: int, samples: int, drawings: int, device: str) -> dict[str, float]:
    """Milliseconds of processor time (of wall time on a GPU) for a drawing, with all that belongs to its sample but its regions."""
    clock = time.thread_time if device == "cpu" else time.perf_counter
    plan = Plan(family, (size, size), drawings=drawings)
    sample(1000, plan, device)
    spent = []
    for seed in range(samples):
        start = clock()
        sample(seed, plan, device)
        if device == "cuda":
            torch.cuda.synchronize()
        spent.append((clock() - start) / drawings * 1000)
    return {"median_ms": round(statistics.median(spent), 1), "mean_ms": round(statistics.mean(spent), 1), "worst_ms": round(max(spent), 1)}


def cutting(size: int) -> dict[str, float]:
    """Of the project's segmenter on damaged drawings with gaps up to 12 px: time, and the share of pixels whose region has their swatch."""
    spent, right, total = [], 0, 0
    for seed in range(12):
        drawn = sample(seed, Plan("solid", (size, size), drawings=1, damage=1.0))
        start = time.thread_time()
        truth = regions(drawn, 0, 12.0)
        spent.append((time.thread_time() - start) * 1000)
        paper = truth.regions.labels > 0
        swatch = drawn.swatch[0].numpy()
        figure = paper & (swatch > 0)
        right += (truth.swatch[truth.regions.labels] == swatch)[figure].sum()
        total += figure.sum()
    return {"median_ms": round(statistics.median(spent), 1), "pix_f_with_perfect_matching": round(100 * float(right / total), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--drawings", type=int, default=2, help="in a sample; many of them to fill a GPU")
    parser.add_argument("--sheet", type=Path, help="write the contact sheet there, and measure nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.sheet:
        sheet({"solid": 14, "puppet": 10}, options.sheet, seed=100)
        return
    result: dict[str, object] = {"device": options.device, "numpy": np.__version__, "torch": torch.__version__}
    for family in FAMILIES:
        for size in (256, 512, 1080):
            result[f"{family}_{size}"] = per_drawing(family, size, options.samples, options.drawings, options.device)
    result["regions_512"] = cutting(512)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
