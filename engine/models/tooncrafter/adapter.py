"""The adapter of ToonCrafter to the engine: runs a job and yields its pictures."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ...diffusion.adapter import ModelWeights, PipelineLoader
from ...diffusion.loaded import LoadedPipeline
from ...job import Job, Picture
from ...job.messages import Event
from ...pictures.context import open_context
from ...pictures.drawings import DrawingStore
from ...pictures.runner import apply_hints, render_frames
from .. import alternatives, info
from . import text
from .layer import ToonCrafterLayer
from .memory import place_for_job
from .pipeline import ToonCrafterPipeline
from .weights import NAMES, TOWERS, ToonCrafterNetworks, find_weights, load_networks


class ToonCrafter:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        model = info("tooncrafter")
        context = open_context(job, folder, model.revision, model.stages, on_event, should_cancel)
        layers: list[ToonCrafterLayer] = []

        def is_guided() -> bool:
            return any(clip.guides for layer in layers for clip in layer.clips)

        def load_guided(folder: Path, dtype: torch.dtype, report: Callable[[str, float], None]) -> ToonCrafterNetworks:
            text.tokenize_prompt(str(job.options["prompt"]), folder / "tokenizer")  # fails before anything is loaded
            return load_networks(folder, dtype, is_guided(), report=report)

        def place_pipeline(networks: ToonCrafterNetworks, device: torch.device) -> LoadedPipeline[ToonCrafterPipeline]:
            largest = max((layer.canvas.size for layer in layers if layer.clips), key=lambda size: size[0] * size[1])
            return place_for_job(networks, largest, job.options, device)

        def report_clips(number: int, done: float) -> None:
            """Report that `done` clips of a layer are denoised."""
            before = sum(len(layer.clips) for layer in layers if layer.number < number)
            context.progress("Denoising", (before + done) / sum(len(layer.clips) for layer in layers))

        weights = ModelWeights(
            model="tooncrafter",
            revision=model.revision,
            find_files=lambda folder: _find_files(folder, is_guided()),
            load_networks=load_guided,
            alternatives=[other.title for other in alternatives(job.task)],
        )
        loader = PipelineLoader(context, weights, self.device, place_pipeline)
        store = DrawingStore(job, folder, context.cache)
        layers += [ToonCrafterLayer(context, store, number, loader, report_clips) for number in range(len(job.cels))]
        apply_hints(context, layers)
        yield from render_frames(context, layers, lambda ids, keys: (model.revision, keys, list(ids)))


def _find_files(folder: Path, guided: bool) -> list[Path]:
    """The files of the weights, with the sketch encoder's if it is needed. Raises BadInput when one is missing."""
    towers = [path for part in TOWERS for name in NAMES[part] if (path := folder / name).is_file()]
    return [find_weights(folder, "model"), *([find_weights(folder, "sketch_encoder")] if guided else []), *towers]
