"""The adapter of LVCD to the engine: runs a job and yields its pictures."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ...diffusion.adapter import ModelWeights, PipelineLoader
from ...diffusion.loaded import LoadedPipeline
from ...diffusion.parts import SvdNetworks
from ...job import Job
from ...job.messages import Event
from ...pictures.context import JobContext, open_context
from ...pictures.drawings import DrawingStore
from ...pictures.runner import apply_hints, describe_frame_by, render_frames
from .. import Picture, alternatives, info
from .layer import LvcdLayer
from .memory import place_for_job
from .pipeline import LvcdPipeline
from .weights import find_files, load_networks


class Lvcd:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        model = info("lvcd")
        context = open_context(job, folder, model.revision, model.stages, on_event, should_cancel)
        weights = ModelWeights(
            model="lvcd",
            revision=model.revision,
            find_files=lambda folder: list(find_files(folder).values()),
            load_networks=load_networks,
            alternatives=[other.title for other in alternatives(job.task)],
        )

        def place_pipeline(networks: SvdNetworks, device: torch.device) -> LoadedPipeline[LvcdPipeline]:
            largest = max((layer.canvas.size for layer in layers if layer.drawn), key=lambda size: size[0] * size[1])
            return place_for_job(networks, largest, job.options, device)

        loader = PipelineLoader(context, weights, self.device, place_pipeline)
        store, options = DrawingStore(job, folder, context.cache), model.network_options(job.options)
        layers: list[LvcdLayer] = []
        progress = SegmentProgress(context, layers)
        layers += [LvcdLayer(context, store, number, loader, options, progress.report) for number in range(len(job.cels))]
        apply_hints(context, layers)
        yield from render_frames(context, layers, describe_frame_by(model.revision, job, ("snap", "lines")))


class SegmentProgress:
    """The progress of denoising, over all segments that were not cached when the first one started."""

    def __init__(self, context: JobContext, layers: list[LvcdLayer]) -> None:
        self._context, self._layers = context, layers
        self._finished, self._count = 0.0, 0

    def report(self, part: float, whole: bool) -> None:
        """Report that `part` segments more are denoised. `whole`: whether these are finished."""
        if not self._count:
            names = {name for layer in self._layers if layer.drawn for name in layer.renderer.cache_keys()}
            self._count = max(1, sum(not self._context.cache.has(name) for name in names))
        self._context.progress("Denoising", (self._finished + part) / self._count)
        self._finished += part if whole else 0.0
