"""How long toon worlds take to draw. Prints JSON: medians in ms of one core, step by step, and drawings a second of whole batches.

.venv/engine/bin/python -m lab.bench.synthesis [--device cuda] [--samples 60] [--sheet docs/pictures/toon_worlds.png]

On a GPU scenes are made by as many processes as there are cores, while the GPU draws.
"""

import argparse
import json
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from ..synthesis import FAMILIES, ToonPlan, ToonScene, batch, damage, draw_sample, draw_scenes, edges, label_regions, lines, stage_scene
from ..synthesis.render import render_layers
from ..synthesis.write import write_contact_sheet


def measure_steps(family: str, size: int, seeds: range) -> dict[str, float]:
    """Milliseconds of processor time for a drawing of a pair: what each step takes, and all of them with what lies between."""
    plan = ToonPlan(family, (size, size))
    spent: dict[str, list[float]] = {}
    for seed in seeds:
        times = [time.process_time()]
        scene = stage_scene(seed, plan)
        times.append(time.process_time())
        one = batch.stack_drawings([scene.figure], [scene.view[:1]], [scene.tones])
        layers = render_layers(one)
        times.append(time.process_time())
        strokes = edges.find_strokes(one, layers)
        times.append(time.process_time())
        ink = damage.draw_ink(strokes, scene.pen[:1])
        times.append(time.process_time())
        lines.draw_lines(ink, scene.pen[:1], plan.size, scene.ink[:1])
        times.append(time.process_time())
        draw_sample(seed, plan)
        times.append(time.process_time())
        taken = [1000 * (b - a) for a, b in zip(times[:-1], times[1:], strict=True)]
        for name, ms in zip(("scene", "surfaces", "strokes", "damage", "lines", "all"), taken, strict=True):
            spent.setdefault(name, []).append(ms / plan.drawings if name in ("scene", "all") else ms)
    return {name: round(statistics.median(values[1:]), 1) for name, values in spent.items()}


def measure_batches(size: int, device: str, samples: int) -> dict[str, float]:
    """Drawings a second of many scenes, four drawings each, both families in turn: with their making, and once they are made."""
    plans = [ToonPlan(list(FAMILIES)[seed % 2], (size, size), references=2) for seed in range(samples)]
    workers = (os.cpu_count() or 1) if device == "cuda" else 0
    group = 32
    with ProcessPoolExecutor(max(workers, 1), get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        making = partial(pool.map, chunksize=8) if workers else map
        warm = list(making(stage_scene, range(group), plans))
        draw_scenes(warm, device)
        start = time.perf_counter()
        scenes: list[ToonScene] = []
        for scene in making(stage_scene, range(samples), plans):
            scenes.append(scene)
            if len(scenes) % group == 0:
                draw_scenes(scenes[-group:], device)
        both = _measure_since(start, device)
    start = time.perf_counter()
    for first in range(0, len(scenes) // group * group, group):
        draw_scenes(scenes[first : first + group], device)
    count = 4 * (len(scenes) // group * group)
    return {"scenes made and drawn": round(count / both, 1), "drawn": round(count / _measure_since(start, device), 1)}


def _measure_since(start: float, device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure_cutting(size: int) -> dict[str, float]:
    """Of the project's segmenter on damaged drawings with gaps up to 12 px: time, and the share of pixels whose region has their swatch."""
    spent, right, total = [], 0, 0
    for seed in range(12):
        drawn = draw_sample(seed, ToonPlan("solid", (size, size), drawings=1, damage=1.0))
        start = time.process_time()
        truth = label_regions(drawn, 0, 12.0)
        spent.append((time.process_time() - start) * 1000)
        paper = truth.regions.labels > 0
        swatch = drawn.swatch[0].numpy()
        figure = paper & (swatch > 0)
        right += (truth.swatch[truth.regions.labels] == swatch)[figure].sum()
        total += figure.sum()
    return {"ms": round(statistics.median(spent), 1), "right with perfect matching, %": round(100 * float(right / total), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--sheet", type=Path, help="write the contact sheet there, and measure nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.sheet:
        write_contact_sheet({"solid": 14, "puppet": 10}, options.sheet, seed=100)
        return
    result: dict[str, object] = {}
    if options.device == "cpu":
        for family in FAMILIES:
            for size in (512, 1080):
                result[f"{family} at {size} px, ms"] = measure_steps(family, size, range(options.samples))
        result["regions at 512 px"] = measure_cutting(512)
    result[f"{options.device}, drawings a second at 512 px"] = measure_batches(512, options.device, max(options.samples, 32))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
