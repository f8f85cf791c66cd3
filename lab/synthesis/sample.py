"""Samples: drawings of the same figures with all that is true of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from . import batch, damage, edges, lines, palette
from .batch import View
from .figure import Figure
from .lines import TRACE_COLORS, Lines
from .plan import Plan, Scene, stage
from .render import Layers, render

_ON_GPU = 64  # drawings that are drawn at once; on a CPU it is one, which stays in a core's cache


@dataclass(frozen=True)
class Sample:
    """Drawings and the truth about them. D drawings: those of the shot, then the references.

    swatch    int32 (D, H, W)     row of `swatches`; 0 the background. A swatch is material * palette.TONES + tone
    swatches  uint8 (M * TONES, 4) RGBA; the background is transparent
    gaps      float32 (K, 4)      drawing, x, y, px of blank paper
    plate     uint8 (H, W, 3)     a painted background
    shot      int                 how many of the drawings are the shot's
    """

    plan: Plan
    figure: Figure
    view: View
    layers: Layers
    lines: Lines
    swatch: Tensor
    swatches: Tensor
    materials: tuple[str, ...]
    gaps: Tensor
    plate: np.ndarray
    shot: int

    def colors(self) -> Tensor:
        """The flat paint without lines, uint8 (D, H, W, 4)."""
        return self.swatches[self.swatch]

    def pictures(self) -> Tensor:
        """The paint with the ink over it, as a reference looks, uint8 (D, H, W, 4). Trace lines are painted over, with their soft edges."""
        paint = self.colors()
        traced = (self.lines.paint[..., None, :3] == torch.tensor(TRACE_COLORS, device=paint.device)).all(-1).any(-1)
        alpha = (self.lines.paint[..., 3:].float() / 255) * ~traced[..., None]
        rgb = paint[..., :3] * (1 - alpha) + self.lines.paint[..., :3] * alpha
        opaque = torch.maximum(paint[..., 3:].float(), alpha * 255)
        rgb = torch.where(paint[..., 3:] == 0, self.lines.paint[..., :3].float(), rgb)
        return torch.cat([rgb, opaque], 3).round().to(torch.uint8)


def sample(seed: int, plan: Plan, device: torch.device | str = "cpu") -> Sample:
    """Draw a sample. The same seed and plan give the same one; on CPUs to the bit, also among others (`draw`)."""
    return draw([stage(seed, plan)], device)[0]


def draw(scenes: Sequence[Scene], device: torch.device | str = "cpu", together: int | None = None) -> list[Sample]:
    """Draw several scenes. A GPU draws many drawings `together`, a CPU one after the other, unless told otherwise."""
    together = together or (1 if torch.device(device).type == "cpu" else _ON_GPU)
    pieces: list[list[_Piece]] = [[] for _ in scenes]
    for group in _groups(scenes, together):
        for (number, _), piece in zip(group, _drawn([(scenes[number], rows) for number, rows in group], device), strict=True):
            pieces[number].append(piece)
    return [_sample(scene, own, device) for scene, own in zip(scenes, pieces, strict=True)]


@dataclass(frozen=True)
class _Piece:
    """Some drawings of a scene. `gaps` as in Sample, their drawings counted from the piece's first."""

    layers: Layers
    lines: Lines
    gaps: Tensor


def _groups(scenes: Sequence[Scene], together: int) -> Iterable[list[tuple[int, slice]]]:
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


def _drawn(group: list[tuple[Scene, slice]], device: torch.device | str) -> list[_Piece]:
    size = group[0][0].plan.size
    views = [scene.view[rows] for scene, rows in group]
    counts = [len(view.unit) for view in views]
    stacked = batch.gather([scene.figure for scene, _ in group], views, [scene.tones for scene, _ in group]).to(device)
    pen = damage.stacked([scene.pen[rows] for scene, rows in group]).to(device)
    inked = torch.tensor([scene.inked for scene, _ in group]).repeat_interleave(torch.tensor(counts)).to(device)
    colors = torch.cat([scene.ink[rows] for scene, rows in group]).to(device)

    layers = render(stacked)
    ink = damage.ink(edges.inked(edges.strokes(stacked, layers), inked), pen)
    art = lines.draw(ink, pen, size, colors)
    if len(group) > 1:
        part = layers.part - stacked.part0[:, None, None] * (layers.part > 0)
        prim = layers.prim - stacked.prim0[:, None, None] * (layers.prim >= 0)
        layers = Layers(part, layers.tone, prim, layers.facet, layers.depth)
    pieces, first = [], 0
    for count in counts:
        rows = slice(first, first + count)
        own = ink.gaps[(ink.gaps[:, 0] >= first) & (ink.gaps[:, 0] < first + count)]
        own = own[own[:, 0].argsort(stable=True)] - torch.tensor([first, 0, 0, 0], device=own.device)
        pieces.append(
            _Piece(
                Layers(*(getattr(layers, f.name)[rows] for f in fields(Layers))),
                Lines(*(getattr(art, f.name)[rows] for f in fields(Lines))),
                own,
            )
        )
        first += count
    return pieces


def _sample(scene: Scene, pieces: list[_Piece], device: torch.device | str) -> Sample:
    def joined(parts: list[Tensor]) -> Tensor:
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    layers = Layers(*(joined([getattr(piece.layers, f.name) for piece in pieces]) for f in fields(Layers)))
    art = Lines(*(joined([getattr(piece.lines, f.name) for piece in pieces]) for f in fields(Lines)))
    gaps, first = [], 0
    for piece in pieces:
        gaps.append(piece.gaps + torch.tensor([first, 0, 0, 0], device=piece.gaps.device))
        first += len(piece.layers.part)
    first_swatch = (scene.material * palette.TONES).to(device, torch.int32)
    swatch = first_swatch.index_select(0, layers.part.reshape(-1)).reshape(layers.part.shape) + layers.tone
    return Sample(
        plan=scene.plan,
        figure=scene.figure.to(device),
        view=scene.view.to(device),
        layers=layers,
        lines=art,
        swatch=swatch,
        swatches=scene.swatches.to(device),
        materials=scene.materials,
        gaps=torch.cat(gaps),
        plate=scene.plate,
        shot=scene.plan.drawings,
    )
