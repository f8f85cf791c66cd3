"""How much `engine.drawing.colors.snap` repairs of frames that a VAE and a weak model have spoiled. Prints a table.

.venv/engine/bin/python -m lab.bench.snap [--count 20]

Toon worlds of both families, 512 px; regions are the project's own, cut from damaged lines; those that are of one swatch count. A frame is
the true paint with its ink, made smaller and larger again, blurred, drifting in color, noisy, and with a share of its regions painted as
another one is (what a weak model does). Prior: what the trained matcher says of the drawing after a painted sheet in another pose.
"""

import argparse

import cv2
import numpy as np

from engine.drawing.colors import palette
from engine.drawing.colors.palette import convert_to_lab
from engine.drawing.colors.snap import snap_to_swatches
from engine.drawing.regions import CROSSINGS
from engine.matching import embedding, pair, shapes, shot

from ..synthesis import ToonPlan, draw_sample, label_regions
from ..synthesis.truth import make_sketch

LEVELS = {"clean": (0.0, 0.0), "VAE": (0.5, 0.0), "weak model": (1.0, 0.1), "very weak model": (1.6, 0.3)}  # spoiling, share repainted
PURE = 0.9


def spoil_frame(frame: np.ndarray, labels: np.ndarray, rng: np.random.Generator, strength: float, share: float) -> np.ndarray:
    """A frame uint8 (H, W, 3) as described above."""
    frame = frame.copy()
    count = labels.max()
    for region in rng.permutation(count)[: round(share * count)] + 1:
        other = frame[labels == rng.integers(1, count + 1)]
        if len(other):
            frame[labels == region] = np.median(other, axis=0)
    if strength == 0.0:
        return frame
    scale = 1.0 / (1.0 + 2.5 * strength)
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(cv2.resize(small, frame.shape[1::-1], interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    drift = rng.normal(0.0, 8.0 * strength, (4, 5, 3)).astype(np.float32)
    lab += cv2.resize(drift, frame.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    lab += rng.normal(0.0, 4.0 * strength, lab.shape).astype(np.float32)
    return (cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).clip(0, 1) * 255).astype(np.uint8)


def measure_snap(seed: int, family: str) -> dict[str, tuple[np.ndarray, ...]]:
    """For each level: whether each region's pixels come nearest to the true swatch on the whole, and whether snap finds it, without and
    with the prior; and the share of pixels that do before and after."""
    drawn = draw_sample(seed, ToonPlan(family, (512, 512), drawings=1, references=1, damage=0.4))
    truth, art = label_regions(drawn, 0, 12.0), make_sketch(drawn, 0)
    cut, swatches = truth.regions, drawn.swatches.cpu().numpy()
    sheet = palette.extract_palette(drawn.paint_pictures()[1].cpu().numpy(), "auto")
    union, (table,) = palette.merge_palettes([sheet])
    known = shapes.describe_reference(sheet, table, whole=True)[0]
    seen = shapes.describe_regions(cut.grown, art.lines, cut.count, cut.edges, cut.crossing == CROSSINGS.index("trace"))
    matcher = embedding.load_matcher()
    match = embedding.mix_scores(pair.match_regions(seen, known)[0], matcher.scores(matcher.encode(seen), matcher.encode(known))[0])
    prior = shot.compute_reference_probs([(match, known)], len(union), cut.count)[:, :-1]
    true_colors = np.where(swatches[:, 3:] > 0, swatches[:, :3], 255).astype(np.uint8)
    wanted = true_colors[truth.swatch]
    counted = np.flatnonzero((truth.purity >= PURE) & (np.arange(cut.count + 1) > 0))
    painted = np.where(art.lines[..., None], 20, true_colors[drawn.swatch[0].cpu().numpy()]).astype(np.uint8)
    shown = np.where(union[:, 3:] > 0, union[:, :3], 255).astype(np.uint8)
    found = {}
    for name, (strength, share) in LEVELS.items():
        frame = spoil_frame(painted, cut.grown, np.random.default_rng([seed, 1]), strength, share)
        far = convert_to_lab(frame.reshape(-1, 3))[:, None] - convert_to_lab(shown)[None]
        near = (far**2).sum(2).argmin(1)
        votes = np.zeros((cut.count + 1, len(union)))
        np.add.at(votes, (cut.grown.ravel(), near), 1)
        given = [votes.argmax(1)] + [snap_to_swatches(frame, cut.grown, art.lines, cut.count, union, p)[0] for p in (None, prior)]
        right = [np.abs(shown[s].astype(int) - wanted).max(1)[counted] <= 2 for s in given]
        pixels = (np.abs(shown[near].astype(int) - wanted[cut.grown.ravel()]).max(1) <= 2).mean()
        found[name] = (*right, np.array([pixels]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what snapping repairs.")
    parser.add_argument("--count", type=int, default=20, help="figures of each family")
    found = [measure_snap(870_000 + i, family) for i in range(parser.parse_args().count) for family in ("solid", "puppet")]
    print("| frames | pixels right before | regions right before | snapped | snapped with the matcher's word |\n|---|---|---|---|---|")
    for name in LEVELS:
        before, plain, helped, pixels = (100 * np.concatenate([f[name][i] for f in found]).mean() for i in range(4))
        print(f"| {name} | {pixels:.1f} % | {before:.1f} % | {plain:.1f} % | {helped:.1f} % |")
    print(f"\n{sum(len(f['clean'][0]) for f in found)} regions of {len(found)} figures")


if __name__ == "__main__":
    main()
