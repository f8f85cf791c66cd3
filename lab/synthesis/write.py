"""Writes samples as files."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from engine.job.errors import BadInput, JobFailed

from .plan import RELATIONS, ToonPlan
from .sample import ToonSample, draw_sample
from .scenes import FAMILIES
from .truth import label_regions, locate_bodies, track_pixels

CLOSING = 12.0  # px; the widest gap that samples have


def write_samples(
    family: str, count: int, out: Path, size: int = 512, seed: int = 0, device: str = "cpu", drawings: int | None = None
) -> Iterator[Path]:
    """Write samples to out/000000 and so on, and yield their folders. Each is a shot of `drawings` drawings, or chosen by `choose_plan`.

    A sample has lines_NN.png, color_NN.png and lined_NN.png for each drawing, plate.png, truth.npz and meta.json; docs/toon_worlds.md says
    what is in them. Raises BadInput, JobFailed.
    """
    if family not in FAMILIES:
        raise BadInput(f"There is no family '{family}'; there are {', '.join(FAMILIES)}.")
    if not 64 <= size <= 4096:
        raise BadInput(f"Drawings are 64 to 4096 px wide, not {size}.")
    if drawings is not None and not 2 <= drawings <= 99:
        raise BadInput(f"A shot has 2 to 99 drawings, not {drawings}.")
    if count < 0:
        raise BadInput("The number of samples can't be negative.")
    for number in range(count):
        plan = choose_plan(family, (size, size), seed + number)
        if drawings is not None:
            plan = replace(plan, drawings=drawings, relation="")
        folder = out / f"{seed + number:06d}"
        try:
            _write_sample(draw_sample(seed + number, plan, device), folder, seed + number)
        except OSError as error:
            raise JobFailed(f"A sample can't be written to {folder}: {error.strerror or error}.") from error
        yield folder


def choose_plan(family: str, size: tuple[int, int], seed: int) -> ToonPlan:
    """What to draw for a seed: pairs of all kinds, shots of twenty drawings now and then; references; several characters."""
    rng = np.random.default_rng([seed, 1])
    shot = rng.random() < 0.1
    return ToonPlan(
        family=family,
        size=size,
        drawings=20 if shot else 2,
        relation="" if shot else str(rng.choice(RELATIONS)),
        references=int(rng.integers(0, 4)),
        characters=int(rng.choice([1, 2, 3], p=[0.8, 0.15, 0.05])),
        damage=float(rng.uniform(0, 1)),
    )


def lay_on_paper(rgba: np.ndarray, paper: np.ndarray | int = 255) -> np.ndarray:
    """A picture laid over white paper or over a plate, uint8 (H, W, 3)."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return (paper * (1 - alpha) + rgba[..., :3] * alpha).round().astype(np.uint8)


def write_contact_sheet(counts: dict[str, int], out: Path, tile: int = 288, seed: int = 0) -> None:
    """Write a contact sheet with `counts` samples of each family: lines beside colors, four samples in a row."""
    rows, row = [], []
    for family, count in counts.items():
        for number in range(count):
            plan = ToonPlan(family, (tile * 3 // 2, tile * 3 // 2), drawings=1, damage=0.25)
            drawn = draw_sample(seed + number, plan)
            lines = lay_on_paper(drawn.lines.paint[0].numpy())
            painted = lay_on_paper(drawn.paint_pictures()[0].numpy(), 255)
            pair = [cv2.resize(image, (tile, tile), interpolation=cv2.INTER_AREA) for image in (lines, painted)]
            row.append(np.concatenate(pair, 1))
            if len(row) == 4:
                rows.append(np.concatenate(row, 1))
                row = []
    image = Image.fromarray(np.concatenate(rows, 0)).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    out.parent.mkdir(parents=True, exist_ok=True)
    image.save(out, optimize=True)


def _write_sample(drawn: ToonSample, folder: Path, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    count = len(drawn.swatch)
    colors, pictures = drawn.paint_flats().cpu().numpy(), drawn.paint_pictures().cpu().numpy()
    cuts = [label_regions(drawn, index, CLOSING) for index in range(count)]
    for index in range(count):
        _save_image(folder / f"lines_{index:02d}.png", drawn.lines.paint[index].cpu().numpy())
        _save_image(folder / f"color_{index:02d}.png", colors[index])
        _save_image(folder / f"lined_{index:02d}.png", pictures[index])
    _save_image(folder / "plate.png", drawn.plate)
    tracks = [track_pixels(drawn, index, 0) for index in range(count)]
    truth = {
        "part": drawn.layers.part.cpu().numpy().astype(np.int16),
        "tone": drawn.layers.tone.cpu().numpy().astype(np.uint8),
        "swatch": drawn.swatch.cpu().numpy().astype(np.int16),
        "swatches": drawn.swatches.cpu().numpy(),
        "lines": drawn.lines.lines.cpu().numpy(),
        "traces": drawn.lines.traces.cpu().numpy(),
        "depth": drawn.layers.depth.cpu().numpy().astype(np.float16),
        "to_first": torch.stack([xy for xy, _ in tracks]).cpu().numpy().astype(np.float16),
        "visible": torch.stack([visible for _, visible in tracks]).cpu().numpy(),
        "gaps": drawn.gaps.cpu().numpy(),
        "bodies": locate_bodies(drawn),
        **{f"regions_{index:02d}": cut.regions.labels.astype(np.int32) for index, cut in enumerate(cuts)},
        **{f"region_swatch_{index:02d}": cut.swatch.astype(np.int16) for index, cut in enumerate(cuts)},
        **{f"region_part_{index:02d}": cut.part.astype(np.int16) for index, cut in enumerate(cuts)},
    }
    np.savez_compressed(folder / "truth.npz", **truth)  # pyright: ignore[reportArgumentType]  # names of arrays, not options
    meta = {
        "seed": seed,
        "plan": asdict(drawn.plan),
        "shot": list(range(drawn.shot)),
        "references": list(range(drawn.shot, count)),
        "parts": [{"name": part.name, "material": part.material} for part in drawn.figure.parts],
        "materials": list(drawn.materials),
        "regions": [int(cut.regions.count) for cut in cuts],
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _save_image(path: Path, image: np.ndarray) -> None:
    Image.fromarray(image).save(path, compress_level=4)
