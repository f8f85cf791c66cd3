"""Measures the network and the measured evidence on figures that nobody trained on, and fits how they are mixed.

A trial is a drawing and a picture whose paint is known: the drawing before it, another pose, or a painted sheet in another pose
and view.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.matching import pair
from engine.matching.embedding import Matcher, load_matcher

from ..synthesis import ToonPlan
from . import lessons
from .lessons import HELD_OUT, LessonPicture
from .training import MatcherConfig

KINDS = ("consecutive", "far", "sheet")
FITTED = HELD_OUT  # first seed of the trials that constants are fitted on
MEASURED = HELD_OUT + 50_000  # and of those that are measured
SIZE = (640, 640)  # px
LEAST = 10.0  # px; Acc-Thr leaves out smaller regions
BINS = 10  # of the calibration error


@dataclass(frozen=True)
class MatcherTrial:
    """What is said of a drawing's regions, of whose `count` the first row is unused, and what is true.

    network float32 (R, S), evidence float32 (R, S): log odds against no match, by the network and by `match_regions` · alignment 0..1 ·
    worn int64 (S,) swatches of the other picture's regions, -1 mixed · truth int64 (R,), -1 mixed · areas float32 (R,)
    """

    family: str
    kind: str
    network: Tensor
    evidence: Tensor
    alignment: float
    worn: Tensor
    truth: Tensor
    areas: np.ndarray


@dataclass(frozen=True)
class EvidenceMix:
    """score = network * scores + evidence * evidence - none, at full alignment (first row) and none (second row)."""

    table: Tensor  # (2, 3)

    def __call__(self, trial: MatcherTrial) -> Tensor:
        weights = trial.alignment * self.table[0] + (1.0 - trial.alignment) * self.table[1]
        return weights[0] * trial.network + weights[1] * trial.evidence - weights[2]


def write_trials(folder: Path, families: Sequence[str], first: int, count: int) -> Iterator[Path]:
    """Draw `count` figures of each family from the seed `first` on, by turns in near and in far poses, each with a painted sheet."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        for family in families:
            relation = ("near", "far")[number % 2]
            path = folder / f"{family}-{relation}-{first + number:08d}.npz"
            if not path.exists():
                plan = ToonPlan(family, SIZE, drawings=2, relation=relation, references=1, damage=0.5)
                lessons.save_lesson(path, lessons.draw_lesson(first + number, plan, painted=1.0))
                yield path


def run_trials(folder: Path, first: int, count: int, matcher: Matcher) -> list[MatcherTrial]:
    """Put the figures of a folder to the test."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        family, relation, seed = path.stem.split("-")
        if first <= int(seed) < first + count:
            old, new, sheet = lessons.load_lesson(path).pictures
            found.append(_run_trial(matcher, family, "consecutive" if relation == "near" else "far", new, old))
            if sheet.painted:
                found.append(_run_trial(matcher, family, "sheet", new, sheet))
    return found


def _run_trial(matcher: Matcher, family: str, kind: str, new: LessonPicture, old: LessonPicture) -> MatcherTrial:
    tokens = [matcher.encode(picture.shapes, None if picture.painted else picture.tint) for picture in (new, old)]
    scores, _ = matcher.scores(*tokens)
    match, _ = pair.match_regions(new.shapes, old.shapes)
    return MatcherTrial(
        family,
        kind,
        torch.from_numpy(scores[1:, 1:]),
        torch.from_numpy(np.asarray(match.scores - match.nothing, np.float32)[1:, 1:]),
        match.alignment,
        torch.from_numpy(old.swatch[1:].astype(np.int64)),
        torch.from_numpy(new.swatch[1:].astype(np.int64)),
        new.shapes.areas[1:],
    )


def compute_swatch_odds(scores: Tensor, worn: Tensor) -> tuple[Tensor, Tensor]:
    """The log odds against none (R, P) of the swatches (P,) of the other picture."""
    kinds = worn[worn >= 0].unique()
    table = torch.stack([scores[:, worn == kind].logsumexp(1) for kind in kinds], 1) if len(kinds) else scores[:, :0]
    return table, kinds


def fit_mix(found: Sequence[MatcherTrial], start: Sequence[Sequence[float]], free: Sequence[Sequence[float]]) -> EvidenceMix:
    """The mix that gives the truth the highest probability; `free` tells by ones what may move from `start`."""
    table, mask = torch.tensor(start), torch.tensor(free)
    moved = torch.zeros_like(table, requires_grad=True)
    optimizer = torch.optim.LBFGS([moved], max_iter=60, line_search_fn="strong_wolfe")

    def evaluate_loss() -> Tensor:
        optimizer.zero_grad()
        value = torch.stack([_compute_surprise(trial, EvidenceMix(table + moved * mask)) for trial in found]).mean()
        value.backward()
        return value

    optimizer.step(evaluate_loss)
    return EvidenceMix((table + moved * mask).detach())


def _compute_surprise(trial: MatcherTrial, mix: Callable[[MatcherTrial], Tensor]) -> Tensor:
    table, kinds = compute_swatch_odds(mix(trial), trial.worn)
    log = torch.cat([table, torch.zeros(len(table), 1)], 1).log_softmax(1)
    known = trial.truth >= 0
    right = torch.where(
        torch.isin(trial.truth, kinds), torch.searchsorted(kinds, trial.truth).clamp(max=max(len(kinds) - 1, 0)), len(kinds)
    )
    return -log[known, right[known]].mean()


def score_trials(found: Sequence[MatcherTrial], mix: Callable[[MatcherTrial], Tensor]) -> dict[str, float]:
    """In percent, over all regions that are of one swatch: Acc, Acc-Thr (larger than LEAST), Pix-F (by area, without background), how many
    are said with .9 and how often that is right, the expected calibration error, and how many nobody could know."""
    right, sure, areas, front, lacking = [], [], [], [], []
    for trial in found:
        table, kinds = compute_swatch_odds(mix(trial), trial.worn)
        probability = torch.cat([table, torch.zeros(len(table), 1)], 1).softmax(1)[:, :-1]
        best, place = probability.max(1)
        known = trial.truth >= 0
        right.append((kinds[place] == trial.truth)[known].numpy())
        sure.append(best[known].numpy())
        areas.append(trial.areas[known.numpy()])
        front.append((trial.truth > 0)[known].numpy())
        lacking.append(~torch.isin(trial.truth, kinds)[known].numpy())
    hit, odds, area, figure = (np.concatenate(column) for column in (right, sure, areas, front))
    certain = odds >= 0.9
    place = np.minimum((odds * BINS).astype(int), BINS - 1)
    error = sum(abs(hit[place == b].mean() - odds[place == b].mean()) * (place == b).mean() for b in range(BINS) if (place == b).any())
    shares = {
        "Acc": hit.mean(),
        "Acc-Thr": hit[area > LEAST].mean(),
        "Pix-F": (hit * area)[figure].sum() / area[figure].sum(),
        "p>=.9": certain.mean(),
        "right at p>=.9": hit[certain].mean() if certain.any() else np.nan,
        "ECE": error,
        "lacking": np.concatenate(lacking).mean(),
    }
    return {name: round(100 * float(share), 2) for name, share in shares.items()} | {"regions": len(hit), "trials": len(found)}


def report_trials(config: MatcherConfig) -> Iterator[str]:
    """Measure out/weights.safetensors on figures nobody trained on, drawn to out/trials; writes out/trials.json and tells what is in it."""
    torch.set_num_threads(config.threads)
    folder, weights = config.out / "trials", config.out / "weights.safetensors"
    third = max(1, config.trials // 3)
    for path in (*write_trials(folder, config.families, FITTED, third), *write_trials(folder, config.families, MEASURED, config.trials)):
        yield str(path)
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    matcher = load_matcher(weights, sha256)
    fitted = run_trials(folder, FITTED, third, matcher)
    mixes = {
        "measured evidence": fit_mix(fitted, [[0.0, 1.0, 0.0]] * 2, [[0.0, 1.0, 1.0]] * 2),
        "network": fit_mix(fitted, [[1.0, 0.0, 0.0]] * 2, [[1.0, 0.0, 1.0]] * 2),
        "both": fit_mix(fitted, [[1.0, 0.1, 0.0], [1.0, 0.0, 0.0]], [[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]]),
    }
    found = run_trials(folder, MEASURED, config.trials, matcher)
    table = {}
    for kind in KINDS:
        for family in ("all", *config.families):
            some = [trial for trial in found if trial.kind == kind and family in ("all", trial.family)]
            for name, mix in mixes.items():
                table[f"{kind}, {family}, {name}"] = row = score_trials(some, mix)
                yield f"{kind:<12} {family:<8} {name:<18} {json.dumps(row)}"
    fits = {name: mix.table.numpy().round(3).tolist() for name, mix in mixes.items()}
    (config.out / "trials.json").write_text(json.dumps({"sha256": sha256, "fits": fits, "results": table}, indent=1), encoding="utf-8")
    yield json.dumps(fits)
