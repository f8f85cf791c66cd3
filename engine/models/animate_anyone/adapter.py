"""The adapter of Animate Anyone to the engine: runs a job and yields its pictures."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ...diffusion.adapter import ModelWeights, PipelineLoader
from ...diffusion.clip import find_largest
from ...diffusion.loaded import LoadedPipeline
from ...job import Job, Picture
from ...job.messages import Event
from ...pictures.context import open_context
from ...pictures.runner import apply_hints, describe_frame_by, render_frames
from .. import alternatives, info
from .layer import AnimateAnyoneLayer
from .memory import place_for_job
from .networks import AnimateAnyoneNetworks
from .pipeline import AnimateAnyonePipeline
from .weights import FILES, find_weights, load_networks


class AnimateAnyone:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        model = info("animate_anyone")
        context = open_context(job, folder, model.revision, model.stages, on_event, should_cancel)
        weights = ModelWeights(
            model="animate_anyone",
            revision=model.revision,
            find_files=lambda folder: [find_weights(folder, name) for name in FILES],
            load_networks=load_networks,
            alternatives=[other.title for other in alternatives(job.task)],
        )

        def place_pipeline(networks: AnimateAnyoneNetworks, device: torch.device) -> LoadedPipeline[AnimateAnyonePipeline]:
            largest = find_largest(layer.renderer.spec for layer in layers if layer.shown)
            return place_for_job(networks, largest.size, len(largest.windows[0]), job.options, device)

        loader, options = PipelineLoader(context, weights, self.device, place_pipeline), model.network_options(job.options)
        layers = [AnimateAnyoneLayer(context, number, loader, options) for number in range(len(job.cels))]
        apply_hints(context, layers)
        yield from render_frames(context, layers, describe_frame_by(model.revision, job, ("snap", "lines")))
