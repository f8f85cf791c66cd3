"""The adapter of AniDoc to the engine: runs a job and yields its pictures."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ...diffusion.adapter import ModelWeights, PipelineLoader
from ...diffusion.clip import find_largest
from ...diffusion.loaded import LoadedPipeline
from ...job import Job
from ...job.errors import BadInput
from ...job.messages import Event
from ...pictures.context import open_context
from ...pictures.drawings import DrawingStore
from ...pictures.runner import apply_hints, describe_frame_by, render_frames
from .. import Picture, alternatives, info
from .layer import AniDocLayer
from .memory import place_for_job
from .networks import AniDocNetworks
from .pipeline import AniDocPipeline
from .weights import FILES, find_weights, load_networks


class AniDoc:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        model = info("anidoc")
        if not job.options["weights"] and job.task == "inbetween":
            raise BadInput(f"{model.notes['inbetween']} Give their folder as the option Weights.")
        context = open_context(job, folder, model.revision, model.stages, on_event, should_cancel)

        def place_pipeline(networks: AniDocNetworks, device: torch.device) -> LoadedPipeline[AniDocPipeline]:
            _check_stage(networks.sparse, job.task)
            largest = find_largest(layer.renderer.spec for layer in layers if layer.order)
            return place_for_job(networks, largest.size, len(largest.windows[0]), job.options, device)

        loader = PipelineLoader(context, _describe_weights(job.task), self.device, place_pipeline)
        store, options = DrawingStore(job, folder, context.cache), model.network_options(job.options)
        layers = [AniDocLayer(context, store, number, loader, options) for number in range(len(job.cels))]
        apply_hints(context, layers)
        yield from render_frames(context, layers, describe_frame_by(model.revision, job, ("snap", "lines")))


def _describe_weights(task: str) -> ModelWeights[AniDocNetworks]:
    return ModelWeights(
        model="anidoc",
        revision=info("anidoc").revision,
        find_files=lambda folder: [find_weights(folder, name) for name in FILES],
        load_networks=load_networks,
        alternatives=[model.title for model in alternatives(task)],
    )


def _check_stage(sparse: bool, task: str) -> None:
    """Raises BadInput for weights of the other stage."""
    if sparse and task != "inbetween":
        raise BadInput("These weights are of the sparse stage, which makes inbetweens: give weights of the dense stage to color drawings.")
    if task == "inbetween" and not sparse:
        raise BadInput(f"These weights are of the dense stage, which colors drawings. {info('anidoc').notes['inbetween']}")
