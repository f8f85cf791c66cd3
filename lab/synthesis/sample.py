"""Samples: drawings of the same figures with their ground truth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from . import batch, damage, edges, lines, palette
from .batch import FigureView
from .figure import ToonFigure
from .lines import TRACE_COLORS, DrawnLines
from .plan import ToonPlan, ToonScene, stage_scene
from .render import RenderedLayers, render_layers

_ON_GPU = 64  # drawings that are drawn at once; on a CPU it is one, which stays in a core's cache


@dataclass(frozen=True)
class ToonSample:
    """Drawings and their ground truth. D drawings: those of the shot, then the references.

    swatch    int32 (D, H, W)     row of `swatches`; 0 the background. A swatch is material * palette.TONES + tone
    swatches  uint8 (M * TONES, 4) RGBA; the background is transparent
    gaps      float32 (K, 4)      drawing, x, y, px of blank paper
    plate     uint8 (H, W, 3)     a painted background
    shot      int                 how many of the drawings are the shot's
    """

    plan: ToonPlan
    figure: ToonFigure
    view: FigureView
    layers: RenderedLayers
    lines: DrawnLines
    swatch: Tensor
    swatches: Tensor
    materials: tuple[str, ...]
    gaps: Tensor
    plate: np.ndarray
    shot: int

    def paint_flats(self) -> Tensor:
        """The flat paint without lines, uint8 (D, H, W, 4)."""
        return self.swatches[self.swatch]

    def paint_pictures(self) -> Tensor:
        """The paint with the ink over it, as a reference looks, uint8 (D, H, W, 4). Trace lines are painted over, with their soft edges."""
        paint = self.paint_flats()
        traced = (self.lines.paint[..., None, :3] == torch.tensor(TRACE_COLORS, device=paint.device)).all(-1).any(-1)
        alpha = (self.lines.paint[..., 3:].float() / 255) * ~traced[..., None]
        rgb = paint[..., :3] * (1 - alpha) + self.lines.paint[..., :3] * alpha
        opaque = torch.maximum(paint[..., 3:].float(), alpha * 255)
        rgb = torch.where(paint[..., 3:] == 0, self.lines.paint[..., :3].float(), rgb)
        return torch.cat([rgb, opaque], 3).round().to(torch.uint8)


def draw_sample(seed: int, plan: ToonPlan, device: torch.device | str = "cpu") -> ToonSample:
    """Draw a sample. The same seed and plan give the same sample, on CPUs bit for bit, also in a batch (`draw_scenes`)."""
    return draw_scenes([stage_scene(seed, plan)], device)[0]


def draw_scenes(scenes: Sequence[ToonScene], device: torch.device | str = "cpu", together: int | None = None) -> list[ToonSample]:
    """Draw several scenes. By default a GPU draws many drawings `together`, a CPU one after the other."""
    together = together or (1 if torch.device(device).type == "cpu" else _ON_GPU)
    pieces: list[list[_SamplePiece]] = [[] for _ in scenes]
    for group in _group_drawings(scenes, together):
        for (number, _), piece in zip(group, _draw_group([(scenes[number], rows) for number, rows in group], device), strict=True):
            pieces[number].append(piece)
    return [_assemble_sample(scene, own, device) for scene, own in zip(scenes, pieces, strict=True)]


@dataclass(frozen=True)
class _SamplePiece:
    """Some drawings of a scene. `gaps` as in Sample, their drawings counted from the piece's first."""

    layers: RenderedLayers
    lines: DrawnLines
    gaps: Tensor


def _group_drawings(scenes: Sequence[ToonScene], together: int) -> Iterable[list[tuple[int, slice]]]:
    """What is drawn together: drawings of one size, scene after scene."""
    group: list[tuple[int, slice]] = []
    room = together
    for number, scene in enumerate(scenes):
        first, count = 0, len(scene.view.unit)
        while first < count:
            if group and (not room or scenes[group[-1][0]].plan.size != scene.plan.size):
                yield group
                group, room = [], together
            taken = min(room, count - first)
            group.append((number, slice(first, first + taken)))
            first, room = first + taken, room - taken
    if group:
        yield group


def _draw_group(group: list[tuple[ToonScene, slice]], device: torch.device | str) -> list[_SamplePiece]:
    size = group[0][0].plan.size
    views = [scene.view[rows] for scene, rows in group]
    counts = [len(view.unit) for view in views]
    stacked = batch.stack_drawings([scene.figure for scene, _ in group], views, [scene.tones for scene, _ in group]).move_to_device(device)
    pen = damage.stack_pens([scene.pen[rows] for scene, rows in group]).move_to_device(device)
    inked = torch.tensor([scene.inked for scene, _ in group]).repeat_interleave(torch.tensor(counts)).to(device)
    colors = torch.cat([scene.ink[rows] for scene, rows in group]).to(device)

    layers = render_layers(stacked)
    ink = damage.draw_ink(edges.turn_traces_to_ink(edges.find_strokes(stacked, layers), inked), pen)
    art = lines.draw_lines(ink, pen, size, colors)
    if len(group) > 1:
        part = layers.part - stacked.part0[:, None, None] * (layers.part > 0)
        prim = layers.prim - stacked.prim0[:, None, None] * (layers.prim >= 0)
        layers = RenderedLayers(part, layers.tone, prim, layers.facet, layers.depth)
    pieces, first = [], 0
    for count in counts:
        rows = slice(first, first + count)
        own = ink.gaps[(ink.gaps[:, 0] >= first) & (ink.gaps[:, 0] < first + count)]
        own = own[own[:, 0].argsort(stable=True)] - torch.tensor([first, 0, 0, 0], device=own.device)
        pieces.append(
            _SamplePiece(
                RenderedLayers(*(getattr(layers, f.name)[rows] for f in fields(RenderedLayers))),
                DrawnLines(*(getattr(art, f.name)[rows] for f in fields(DrawnLines))),
                own,
            )
        )
        first += count
    return pieces


def _assemble_sample(scene: ToonScene, pieces: list[_SamplePiece], device: torch.device | str) -> ToonSample:
    def join_tensors(parts: list[Tensor]) -> Tensor:
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    layers = RenderedLayers(*(join_tensors([getattr(piece.layers, f.name) for piece in pieces]) for f in fields(RenderedLayers)))
    art = DrawnLines(*(join_tensors([getattr(piece.lines, f.name) for piece in pieces]) for f in fields(DrawnLines)))
    gaps, first = [], 0
    for piece in pieces:
        gaps.append(piece.gaps + torch.tensor([first, 0, 0, 0], device=piece.gaps.device))
        first += len(piece.layers.part)
    first_swatch = (scene.material * palette.TONES).to(device, torch.int32)
    swatch = first_swatch.index_select(0, layers.part.reshape(-1)).reshape(layers.part.shape) + layers.tone
    return ToonSample(
        plan=scene.plan,
        figure=scene.figure.move_to_device(device),
        view=scene.view.move_to_device(device),
        layers=layers,
        lines=art,
        swatch=swatch,
        swatches=scene.swatches.to(device),
        materials=scene.materials,
        gaps=torch.cat(gaps),
        plate=scene.plate,
        shot=scene.plan.drawings,
    )
