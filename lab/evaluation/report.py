"""docs/evaluation.md: all of it comes from the numbers of one evaluation, and nothing is typed by hand."""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from engine.job.files import write_atomic

from ..markdown import wrap_markdown
from ..synthesis import FAMILIES
from . import learned, pictures
from .evaluate import EvaluationResults, summarize_results
from .mistakes import KINDS, SIZES
from .shots import HELD_OUT
from .tasks import SCENARIOS

# (Acc, Pix-F) that are wanted of toon worlds at 512 px, and how far the best simple method is to be beaten in Acc
WANTED = {"consecutive": (95, 98.5, 4), "first key": (88, 95.5, 20), "two keys": (92, 97, 20), "sheet": (88, 95.5, 20)}

FILM = {"psnr": "PSNR dB", "ssim": "SSIM", "lpips": "LPIPS", "edmd": "EDMD px", "tc": "TC"}
FINE = ("ssim", "lpips")  # shown with more digits


def write_report(results: EvaluationResults, out: Path, command: str) -> Path:
    """Write out/evaluation.md and out/pictures/evaluation_*.png; returns the page's path. Raises JobFailed."""
    found = summarize_results(results)
    shown = []
    for scenario in SCENARIOS:
        chosen = [
            one for (_, asked), examples in results.examples.items() if asked == scenario for one in pictures.choose_examples(examples)
        ]
        if chosen:
            name = f"pictures/evaluation_{scenario.replace(' ', '_')}.png"
            pictures.write_examples(out / name, chosen)
            shown.append((scenario, name, chosen))
    path = out / "evaluation.md"
    study = _STUDY if (out / "lvcd_study.md").is_file() else ""
    write_atomic(path, wrap_markdown(_compose_page(found, shown, study, command)).encode())
    return path


def _compose_page(found: Mapping, shown: Sequence, study: str, command: str) -> str:
    scores, model = found["scores"], found["model"]
    flat = [row for row in scores if "acc" in row]
    groups = list(dict.fromkeys(row["group"] for row in flat))
    parts = [_compose_head(found, command), _compose_wanted(flat, model), *(_compose_group(flat, group) for group in groups)]
    if any("psnr" in row for row in scores):
        parts.append(_compose_painted([row for row in scores if "psnr" in row]))
    parts += [
        _compose_corrections(flat, model),
        _compose_mistakes(flat, model),
        _compose_sizes(flat, model),
        _compose_confidence(flat, model),
        _compose_closings(found["closings"]),
        _compose_open_lines(found["open_lines"]),
        _compose_cost(found["cost"]),
    ]
    parts += [_compose_pictures(shown), study, _METHODS.format(held_out=f"{HELD_OUT:,}")]
    return "\n\n".join(part for part in parts if part) + "\n"


def _compose_head(found: Mapping, command: str) -> str:
    s = found["settings"]
    demo = f", and the first {s['demo']} drawings of the demo shot" if s["demo"] else ""
    scenarios = "\n".join(f"* *{name}*: {text}" for name, text in SCENARIOS.items())
    return f"""# Evaluation

Written by `{command}` on {date.today()} in {found["seconds"]:.0f} s ({os.cpu_count()} cores, Python {platform.python_version()}). Model:
`{found["model"]}`. All numbers are percent unless they say otherwise; what they mean stands [below](#what-is-measured).

Data: of each family of [toon worlds](toon_worlds.md) {s["shots"]} shots of {s["drawings"]} drawings and {s["pairs"]} pairs of
neighboring drawings at {s["size"]} x {s["size"]} px, their sheets twice as large, none of them seen in training{demo}.
The lines are damaged by chance, from not at all to all there is.

{scenarios}"""


def _format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _format_number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _compose_wanted(rows: Sequence[Mapping], model: str) -> str:
    lines = []
    for scenario, (acc, pix_f, ahead) in WANTED.items():
        for group in FAMILIES:
            here = [row for row in rows if row["scenario"] == scenario and row["group"] == group]
            ours = next((row for row in here if row["method"] == model), None)
            if ours is None:
                continue
            best = max((row for row in here if row["method"] != model), key=lambda row: row["acc"] or 0)
            lead = ours["acc"] - best["acc"]
            lines.append(
                [
                    scenario,
                    group,
                    _format_number(ours["acc"]),
                    f"≥ {acc}",
                    _format_number(ours["pix_f"]),
                    f"≥ {pix_f}",
                    f"{lead:+.1f} ({best['method']})",
                    f"≥ {ahead}",
                ]
            )
    if not lines:
        return ""
    return "## What is wanted\n\n" + _format_table(
        ["scenario", "family", "Acc", "wanted", "Pix-F-Acc", "wanted", "Acc over the best simple method", "wanted"], lines
    )


def _compose_group(rows: Sequence[Mapping], group: str) -> str:
    lines = []
    for row in rows:
        if row["group"] == group:
            values = [_format_number(row[name]) for name in ("acc", "acc_thr", "pix", "pix_f", "b_miou")]
            lines.append(
                [
                    row["scenario"],
                    row["method"],
                    *values,
                    _format_number(row["clicks"]),
                    _format_number(row["flicker"]),
                    _format_number(row["purity"]),
                    _format_number(row["possible"]),
                ]
            )
    lines.sort(key=lambda line: list(SCENARIOS).index(line[0]))
    head = ["scenario", "method", "Acc", "Acc-Thr", "Pix-Acc", "Pix-F-Acc", "Pix-B-MIoU", "clicks", "flicker", "purity", "possible"]
    several = {row["scenario"]: row["drawings"] for row in rows if row["group"] == group}
    drawings = ", ".join(f"{scenario} {count}" for scenario, count in several.items())
    return f"## {group}\n\nDrawings that count: {drawings}.\n\n" + _format_table(head, lines)


def _compose_painted(rows: Sequence[Mapping]) -> str:
    names = [name for name in FILM if name in rows[0]]
    lines = [
        [row["group"], row["scenario"], row["method"], *(_format_number(row[name], 4 if name in FINE else 2) for name in names)]
        for row in rows
    ]
    flow = "DIS" if learned.explain_absence("RAFT") else "RAFT"
    return f"## Painted clips\n\nTC by the flow of {flow}.\n\n" + _format_table(
        ["clip", "scenario", "method", *(FILM[name] for name in names)], lines
    )


def _compose_mistakes(rows: Sequence[Mapping], model: str) -> str:
    lines, names = [], list(KINDS)
    for row in rows:
        if row["method"] == model:
            total, area = sum(row["kinds"].values()), sum(row["wrong_area"].values())
            if total:
                shares = [f"{100 * row['kinds'].get(k, 0) / total:.0f} ({100 * row['wrong_area'].get(k, 0) / area:.0f})" for k in names]
                lines.append([f"{row['group']}, {row['scenario']}", f"{total / row['drawings']:.1f}", *shares])
    legend = "\n".join(f"* *{name}*: {text}" for name, text in KINDS.items())
    return f"""## Mistakes of the model

How the wrong regions of a drawing come about, in percent of their number, and of their area in brackets. A region counts once, as
the first of:

{legend}

{_format_table(["", "wrong regions a drawing", *names], lines)}"""


def _compose_corrections(rows: Sequence[Mapping], model: str) -> str:
    lines = [
        [row["group"], _format_number(row["corrected"]["alone"]), _format_number(row["corrected"]["solved_again"])]
        for row in rows
        if row["method"] == model and "corrected" in row
    ]
    if not lines:
        return ""
    head = ["", "each click for one region", "all drawings solved again after each click"]
    return (
        f"## Corrections\n\nClicks a drawing until all is right, in one shot painted after its first key.\n\n{_format_table(head, lines)}"
    )


def _compose_sizes(rows: Sequence[Mapping], model: str) -> str:
    bounds = [0, *SIZES]
    head = [f"{low + 1}–{high} px" for low, high in zip(bounds, SIZES, strict=False)] + [f"> {SIZES[-1]} px"]
    lines = []
    for row in rows:
        if row["method"] == model:
            pairs = zip(row["right_of_size"], row["all_of_size"], strict=True)
            lines.append([f"{row['group']}, {row['scenario']}", *(f"{100 * r / n:.1f} of {n}" if n else "–" for r, n in pairs)])
    return f"""## Right by size

Regions that are right, by their area in a picture of 512 x 512 px (in proportion elsewhere), of how many.

{_format_table(["", *head], lines)}"""


def _compose_confidence(rows: Sequence[Mapping], model: str) -> str:
    lines = []
    for row in rows:
        if row["method"] == model and "trust" in row:
            values = [_format_number(row["trust"][name]) for name in ("sure", "sure_right", "unknown", "painted_right", "ece")]
            lines.append([f"{row['group']}, {row['scenario']}", *values])
    if not lines:
        return ""
    head = ["", "confidence ≥ 0.9", "of these right", "left unknown", "of the others right", "ECE"]
    wanted = "Wanted: ≥ 98 right of those with confidence ≥ 0.9, and these ≥ 70."
    return f"## Confidence\n\nOf the regions that the engine cuts drawings into. {wanted}\n\n{_format_table(head, lines)}"


def _compose_closings(found: Mapping[str, Mapping]) -> str:
    if not found:
        return ""
    head = ["family", "closures: precision", "recall", "boundaries: F", "Pix-F with perfect matching", "the same without closing gaps"]
    names = ("precision", "recall", "boundary", "ceiling", "unclosed")
    lines = [[family, *(_format_number(one[name]) for name in names)] for family, one in found.items()]
    text = "Single drawings with all the damage there is, gaps up to 12 px. Wanted: Pix-F ≥ 98 with perfect matching."
    return f"## Gaps and leaks\n\n{text}\n\n{_format_table(head, lines)}"


def _compose_open_lines(found: Mapping[str, Mapping]) -> str:
    if not found:
        return ""
    lines = [[kind, _format_number(one["figure"]), _format_number(one["outside"])] for kind, one in found.items()]
    text = """Clean drawings with some six wide gaps each, anywhere in their lines, or without one stroke in 25, painted after the drawing
before, which is whole. Gaps are px in a picture 1080 px high. Wanted: nothing painted outside."""
    return f"## Open lines\n\n{text}\n\n{_format_table(['lines', 'Pix-F', 'background painted'], lines)}"


def _compose_cost(cost: Mapping | None) -> str:
    if cost is None:
        return ""
    return f"""## Time and memory

{cost["what"]}, painted after its first drawing or its sheet in a process of its own, start included:
{cost["seconds_per_drawing"]:.2f} s a drawing, {cost["peak_megabytes"]:.0f} MB at the peak."""


def _compose_pictures(shown: Sequence) -> str:
    parts = [
        "## Good and bad",
        f"From the left: {', '.join(pictures.COLUMNS)}. Of each group one of the best and two of the worst drawings.",
    ]
    for scenario, name, chosen in shown:
        accs = ", ".join(f"{one.shot} {100 * one.score:.0f}" for one in chosen)
        parts.append(f"### {scenario}\n\n![{scenario}]({name})\n\nAcc: {accs}.")
    return "\n\n".join(parts) if shown else ""


_STUDY = """## LVCD's mechanisms

![PSNR, EDMD and TC over the frames of shots](pictures/lvcd_study_drift.png)

LVCD's mechanisms left out one by one, over shots of 75 frames, by networks small enough to be trained on a processor:
[how, and what it says](lvcd_study.md)."""
_METHODS = """## What is measured

Acc, Acc-Thr, Pix-Acc, Pix-F-Acc and Pix-B-MIoU are those of BasicPBC and DACoN: a color counts when it is exactly right, pixels
on lines count nowhere, every drawing counts alike, drawings that are painted already are left out.

* *Acc*: share of the regions whose color is right. A region is an area of one true color that lies together off the lines and
  is three pixels wide somewhere; its painted color is the one that most of its pixels have. So a leak makes regions wrong.
  *Acc-Thr*: of those larger than 10 px.
* *Pix-Acc*: share of the pixels; *Pix-F-Acc*: of those that are not background; *Pix-B-MIoU*: of the background's pixels,
  intersection over union.
* *clicks*: how many regions a person touches in a drawing until all are right, the largest wrong one first, without anything
  being solved again. Regions under 10 px are let be, and a region of the engine's gets the color that most of it should have.
* *flicker*: regions that change their color from a drawing to the next though their true color stays. Regions are the same when
  more than half of the smaller one lies on the other.
* *purity*: painted pixels whose color is one of the reference's. *possible*: regions whose color some reference has.
* *confidence*: the model is asked to paint doubtful regions too; those below its default threshold count as *unknown* in that
  table. *ECE*: expected calibration error over ten equal bins.
* *closures: precision*: share of them that run where the undamaged drawing has a line, 3 px beside it at most. *recall*: share
  of the gaps between two regions, open to paint, that a closure runs through. *boundaries*: of the regions, against those of
  the undamaged drawing, 3 px beside them at most. *Pix-F with perfect matching*: each region of the engine's has the color that
  most of it should have.
* *PSNR*, *SSIM*, *EDMD*, *TC* are of clips whose frames are painted, not flat; with the lines drawn, brought to 256 x 256 px.
  *EDMD*: how far the lines found in a frame are from those of its drawing, in px; *TC*: what a frame differs from the one before
  it, moved by the true frames' optical flow, over the same of the true frames: 1 is as steady as these. They are those of LVCD's
  paper; `lab/evaluation/film.py` says what it leaves open.
  *LPIPS* and a flow by RAFT are there where their libraries and weights are (`lab/evaluation/learned.py`); FID and FVD are not,
  because what keeps them runs code from its files of weights.

Simple methods: *copy* takes the nearest reference as it is; *flow* moves it by dense optical flow (DIS) between the distances
to the lines;
*flow, regions* lets each region take the color that most of it got so; *autofill* fills drawing after drawing by place, size,
  shape and neighbors
of the regions of the drawing before, as 2-D packages do.

## Data

`python -m lab evaluate --out DIR` writes this page and its pictures to DIR; `--quick` measures a little in seconds; `--json
FILE` writes the numbers. Toon worlds are those of seeds from {held_out} on, which nothing may be trained or tuned on.

`--clips DIR` adds a clip, or a folder of clips, in the format of PaintBucket-Character and PaintBucket-Real. Read are:

* `line/NNNN.png`: the drawings;
* `gt/NNNN.png` (or `color/`): the true frames of the same names, RGBA with a transparent background, lines in them or not.
  Drawings without one are left out. Frames of more than 1,024 colors make the clip a painted one: it is measured by PSNR,
  SSIM, EDMD and TC;
* `seg/NNNN.png`, if there: the regions, as numbers written in red, green and blue; else regions are found as above;
* `ref/`, if there: the first picture in it is the sheet.

`label`, `line_anno`, `shadow`, `json_color`, `json_index` and `colorbook.yml` are not read."""
