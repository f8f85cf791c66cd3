"""Batches of drawings from one or several scenes, so that each step of drawing processes all of them at once."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from .figure import ToonFigure, join_figures
from .primitives import Primitives


@dataclass(frozen=True)
class FigureView:
    """The view of one figure in its drawings. `light` points toward the light on the screen (x right, y down, z to the viewer). `marks`
    are the joints of its people's bodies, 18 of each."""

    matrix: Tensor  # float32 (D, P, 3, 4), canonical space of each primitive to the screen
    light: Tensor  # float32 (D, 3)
    unit: Tensor  # float32 (D,), px of a unit of the figure
    mood: Tensor  # bool (D, M), which moods of the figure each drawing is in
    marks: Tensor  # float32 (D, 18 C, 3), x, y and toward the viewer, in px; nan for what is no person's
    size: tuple[int, int]  # width, height in px

    def __getitem__(self, rows: slice) -> "FigureView":
        own = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "size"}
        return replace(self, **own)

    def move_to_device(self, device: torch.device | str) -> "FigureView":
        """The same view on another device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "size"})


@dataclass(frozen=True)
class DrawingBatch:
    """D drawings in which R primitives stand. Numbers of parts and primitives count those of all figures; drawings of one size.

    figure    all figures as one
    prims     R rows
    prim      int64 (R,)  row of the figure's primitives
    pair      int64 (M,)  row of the figure's pairs, for each drawing that shows the decal
    pair_row  int64 (M,)  row of `prims`
    point     int64 (N,)  row of the figure's points, likewise; neighbors in a line are neighbors here
    point_row int64 (N,)
    light, unit  as in View
    tones     bool (D,)   whether there are shadows and highlights
    part0, prim0  int32 (D,)  what to take from numbers of parts and primitives to have those of the drawing's own figure
    """

    figure: ToonFigure
    prims: Primitives
    prim: Tensor
    pair: Tensor
    pair_row: Tensor
    point: Tensor
    point_row: Tensor
    light: Tensor
    unit: Tensor
    tones: Tensor
    part0: Tensor
    prim0: Tensor
    size: tuple[int, int]

    @property
    def count(self) -> int:
        return len(self.unit)

    def move_to_device(self, device: torch.device | str) -> "DrawingBatch":
        """The same batch on another device."""
        figure, prims = self.figure.move_to_device(device), self.prims.move_to_device(device)
        tensors = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name not in ("figure", "prims", "size")}
        return DrawingBatch(figure=figure, prims=prims, size=self.size, **tensors)


def stack_drawings(figures: list[ToonFigure], views: list[FigureView], tones: list[bool]) -> DrawingBatch:
    """Concatenate the drawings of figures. All on the CPU."""
    figure, _ = join_figures(figures)
    columns: dict[str, list[Tensor]] = {f.name: [] for f in fields(DrawingBatch)}
    drawing = []
    base: dict[str, int] = dict.fromkeys(("prim", "pair", "point", "part", "drawing", "row"), 0)
    for own, view, toned in zip(figures, views, tones, strict=True):
        count, prims = view.matrix.shape[:2]
        columns["prim"].append((torch.arange(prims) + base["prim"]).repeat(count))
        drawing.append((torch.arange(count) + base["drawing"]).repeat_interleave(prims))
        for name, moods, prim in (("pair", own.decal_mood[own.pairs[:, 1]], own.pairs[:, 0]), ("point", own.point_mood, own.point_owner)):
            shown = torch.ones((count, len(moods)), dtype=torch.bool)
            moody = torch.nonzero(moods >= 0)[:, 0]
            shown[:, moody] = view.mood[:, moods[moody]]
            which, entry = torch.nonzero(shown, as_tuple=True)
            columns[name].append(entry + base[name])
            columns[f"{name}_row"].append(prim[entry] + which * prims + base["row"])
        columns["light"].append(view.light)
        columns["unit"].append(view.unit)
        columns["tones"].append(torch.full((count,), toned))
        columns["part0"].append(torch.full((count,), base["part"], dtype=torch.int32))
        columns["prim0"].append(torch.full((count,), base["prim"], dtype=torch.int32))
        steps = (prims, len(own.pairs), len(own.point), len(own.parts) - 1, count, count * prims)
        base = {name: start + step for (name, start), step in zip(base.items(), steps, strict=True)}
    laid = {name: torch.cat(parts) for name, parts in columns.items() if parts}
    matrix = torch.cat([view.matrix.reshape(-1, 3, 4) for view in views])
    prim = laid["prim"]
    prims = Primitives(figure.kind[prim], torch.cat(drawing), matrix, figure.params[prim], figure.hem[prim], figure.hems)
    return DrawingBatch(figure=figure, prims=prims, size=views[0].size, **laid)
