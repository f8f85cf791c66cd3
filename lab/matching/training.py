"""Trains the network on lessons: `python -m lab train matcher --config FILE`. It can be stopped and goes on where it was.

`torchrun --nproc-per-node 2 -m lab train matcher ...` trains by two processes, each of which takes lessons of its own.
"""

import copy
import json
import math
import os
import queue
import threading
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, distributed
from torch.nn import functional

from engine.job.errors import BadInput, JobFailed
from engine.matching.features import MatcherView, build_view, mirror_view
from engine.matching.network import MatcherNetwork, ViewBatch, collate_views

from ..synthesis import FAMILIES
from . import lessons, samples
from .lessons import MatcherLesson

PAIRS = 6  # of a lesson's pictures that are compared in a step; looking at them costs more


@dataclass(frozen=True)
class MatcherConfig:
    """What a training is made of; a TOML file gives these names.

    lessons     folder of what `train lessons` wrote; lessons that come later are taken up
    out         folder of the checkpoint, the log and the weights
    families    that lessons are of
    count       lessons that `train lessons` writes
    minutes     that the network is trained; the learning rate falls with them
    trials      figures of each family that `train trials` measures
    together    lessons in one step
    side        px of figures, from and to
    """

    lessons: Path
    out: Path
    families: tuple[str, ...] = tuple(FAMILIES)
    count: int = 2000
    minutes: float = 60.0
    rate: float = 1.5e-3
    together: int = 3
    side: tuple[int, int] = (256, 352)
    seed: int = 0
    device: str = "cpu"
    threads: int = 2
    trials: int = 30


def read_config(path: Path) -> MatcherConfig:
    """Read a configuration. Raises BadInput."""
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"The configuration {path} can't be read: {error}.") from error
    kinds = {f.name: f.type for f in fields(MatcherConfig)}
    wrong = [name for name in given if name not in kinds]
    if wrong or not {"lessons", "out"} <= set(given):
        raise BadInput(f"The configuration {path} needs lessons and out, and may have {', '.join(kinds)}; {', '.join(wrong)} is not known.")
    for name in ("lessons", "out"):
        given[name] = Path(given[name])
    for name in ("families", "side"):
        if name in given:
            given[name] = tuple(given[name])
    config = MatcherConfig(**given)
    if not set(config.families) <= set(FAMILIES):
        raise BadInput(f"The configuration {path} names families that are not among {', '.join(FAMILIES)}.")
    return config


# --- batches ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LessonBatch:
    """A lesson as the network gets it: `swatch`, `part` int64 (P, R), -1 where there is no truth; `points` in px of the images."""

    batch: ViewBatch
    swatch: Tensor
    part: Tensor
    points: Tensor

    def move_to_device(self, device: str) -> "LessonBatch":
        return LessonBatch(self.batch.to(device), self.swatch.to(device), self.part.to(device), self.points.to(device))


def prepare_lesson(taught: MatcherLesson, side: tuple[int, int], rng: np.random.Generator | None = None) -> LessonBatch:
    """Views of a lesson's pictures; varied when there is a generator."""
    size = float(np.mean(side)) if rng is None else rng.uniform(*side)
    views: list[MatcherView] = []
    points = taught.points.copy()
    flip, colorless = (False, False) if rng is None else (rng.random() < 0.5, rng.random() < 0.3)
    for index, picture in enumerate(taught.pictures):
        own = size if rng is None else size * rng.uniform(0.9, 1.1)
        seen = build_view(picture.shapes, None if picture.painted or colorless else picture.tint, round(own))
        for first in (0, 3):
            rows = points[:, first] == index
            points[rows, first + 1 : first + 3] = (points[rows, first + 1 : first + 3] - seen.window[2:]) / seen.window[:2]
        if rng is not None and flip != (rng.random() < 0.1):
            seen = mirror_view(seen)
            for first in (0, 3):
                rows = points[:, first] == index
                points[rows, first + 1] = seen.image.shape[2] - points[rows, first + 1]
        views.append(seen)
    batch = collate_views(views)
    swatch, part = (_pad_rows([getattr(picture, name) for picture in taught.pictures], batch) for name in ("swatch", "part"))
    return LessonBatch(batch, swatch, part, torch.from_numpy(points))


def _pad_rows(rows: Sequence[np.ndarray], batch: ViewBatch) -> Tensor:
    table = torch.full(batch.valid.shape, -1, dtype=torch.int64)
    for index, row in enumerate(rows):
        table[index, : len(row) - 1] = torch.from_numpy(row[1:].astype(np.int64))
    return table


def _list_lessons(config: MatcherConfig) -> list[Path]:
    files = sorted(file for family in config.families for file in config.lessons.glob(f"{family}-*.npz"))
    if not files:
        raise BadInput(f"There are no lessons in {config.lessons}; write some by 'lab train lessons'.")
    return files


def _stream_lessons(config: MatcherConfig, seed: tuple[int, ...]) -> Iterator[LessonBatch]:
    """Tasks without end, prepared by a thread. Each round takes the lessons that are there by then, in a new order."""
    ready: queue.Queue[LessonBatch | BaseException] = queue.Queue(4)

    def prepare_lessons() -> None:
        rng = np.random.default_rng(seed)
        try:
            while True:
                files = _list_lessons(config)
                for number in rng.permutation(len(files)):
                    ready.put(prepare_lesson(lessons.load_lesson(files[number]), config.side, rng))
        except BaseException as error:  # noqa: BLE001  # told to the one who waits
            ready.put(error)

    threading.Thread(target=prepare_lessons, daemon=True).start()
    while True:
        found = ready.get()
        if isinstance(found, BaseException):
            raise found
        yield found


# --- what is learned --------------------------------------------------------------------------------------------------


def choose_pairs(count: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Some of all two pictures of a lesson."""
    every = torch.triu_indices(count, count, 1)
    first, second = every[:, torch.from_numpy(generator.permutation(every.shape[1])[:PAIRS])]
    return first, second


def compute_group_loss(scores: Tensor, truth: Tensor, there: Tensor) -> Tensor:
    """Minus the log probability of the regions that are painted alike, or of none when none is. `truth` (B, R), `there` (B, S)."""
    same = (truth[:, :, None] == there[:, None]) & (truth >= 0)[:, :, None]
    right = torch.cat([same, ~same.any(2, keepdim=True)], 2)
    log = scores.log_softmax(2)
    log = log.masked_fill(~right, -torch.inf).logsumexp(2)
    return -log[truth >= 0].mean()


def compute_loss(network: MatcherNetwork, given: LessonBatch, generator: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
    """Regions find what is painted alike, and their own part; points find themselves."""
    batch = given.batch
    with torch.autocast(batch.image.device.type, torch.bfloat16):
        tokens, levels = network.encode(batch)
        a, b = (rows.to(tokens.device) for rows in choose_pairs(len(tokens), generator))
        forth, back = network.compare(tokens[a], batch.valid[a], batch.near[a], tokens[b], batch.valid[b], batch.near[b])
        first, second = network.similar(tokens[a], tokens[b]), network.similar(tokens[b], tokens[a])
        first[:, :, :-1].masked_fill_(~batch.valid[b][:, None], -1e4)
        second[:, :, :-1].masked_fill_(~batch.valid[a][:, None], -1e4)
    swatch = _merge_swatches(given.swatch, generator)
    parts = {
        "swatch": compute_group_loss(forth, swatch[a], swatch[b]) + compute_group_loss(back, swatch[b], swatch[a]),
        "part": compute_group_loss(forth, given.part[a], given.part[b]) + compute_group_loss(back, given.part[b], given.part[a]),
        "alike": compute_group_loss(first, swatch[a], swatch[b]) + compute_group_loss(second, swatch[b], swatch[a]),
        "points": compute_point_loss(network, levels, given.points),
    }
    total = parts["swatch"] + 0.3 * parts["part"] + 0.3 * parts["alike"] + 0.3 * parts["points"]
    return total, {name: float(value.detach()) for name, value in parts.items()}


def _merge_swatches(swatch: Tensor, generator: np.random.Generator) -> Tensor:
    """Other paint: some swatches become one."""
    count = int(swatch.max()) + 1
    table = np.arange(count + 1)
    table[-1] = -1
    if count > 1:
        for one, other in generator.integers(0, count, (int(generator.integers(0, 1 + count // 8)), 2)):
            table[:-1][table[:-1] == table[one]] = table[other]
    return torch.from_numpy(table).to(swatch.device)[swatch]


def compute_point_loss(network: MatcherNetwork, levels: Sequence[Tensor], points: Tensor) -> Tensor:
    """Points of a drawing find themselves among all points of the next."""
    if len(points) == 0:
        return torch.zeros((), device=points.device)
    source, target = points[:, 0].long(), points[:, 3].long()
    here, there = network.points(levels, source, points[:, 1:3]), network.points(levels, target, points[:, 4:6])
    total = []
    for index in source.unique():
        rows = source == index
        if int(rows.sum()) > 8:
            scores = here[rows] @ there[rows].T * 14.0
            right = torch.arange(len(scores), device=scores.device)
            total.append(functional.cross_entropy(scores, right) + functional.cross_entropy(scores.T, right))
    return torch.stack(total).mean() if total else torch.zeros((), device=points.device)


# --- training ---------------------------------------------------------------------------------------------------------


def draw_lessons(config: MatcherConfig) -> Iterator[str]:
    """Draw the lessons that are missing and tell their files. Raises JobFailed."""
    yield from map(str, lessons.write_lessons(config.lessons, range(config.count), config.families))


def train_matcher(config: MatcherConfig) -> Iterator[str]:
    """Train, or go on, until the minutes are over; yields lines of the log.

    Writes out/checkpoint.safetensors, out/weights.safetensors, and out/sample.png: what the network makes of a lesson by now.
    Raises BadInput, JobFailed.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    config.out.mkdir(parents=True, exist_ok=True)
    network = MatcherNetwork().to(config.device).train()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=0.02, betas=(0.9, 0.98))
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)  # a lesson without points gives none to some
    state = _resume_training(config.out / "checkpoint.safetensors", network, optimizer)
    yield f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters, {json.dumps(asdict(config), default=str)}"
    crew = _ProcessGroup(config.device)
    stream = _stream_lessons(config, (config.seed, state.step, crew.rank))
    generator = np.random.default_rng([config.seed, state.step, crew.rank, 1])
    log = (config.out / "log.jsonl").open("a", encoding="utf-8")
    began, saved = time.monotonic() - state.seconds, state.seconds
    means: dict[str, float] = {}
    while (elapsed := crew.broadcast_value(time.monotonic() - began)) < config.minutes * 60:
        state.seconds = elapsed
        share = elapsed / (config.minutes * 60)
        rate = config.rate * min(1.0, (state.step + 1) / 60) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=False)
        for _ in range(config.together):
            given = next(stream).move_to_device(config.device)
            value, parts = compute_loss(network, given, generator)
            (value / config.together).backward()
            state.pictures += len(given.swatch) * crew.size
            for name, part in parts.items():
                means[name] = 0.98 * means.get(name, part) + 0.02 * part
        crew.average_tensors([parameter.grad for parameter in network.parameters() if parameter.grad is not None])
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        state.step += 1
        if state.step % 20 == 0 and crew.rank == 0:
            line = {"step": state.step, "minutes": round(elapsed / 60, 2), "pictures": state.pictures, "rate": round(rate, 6)}
            text = json.dumps(line | {name: round(mean, 4) for name, mean in means.items()})
            print(text, file=log, flush=True)
            yield text
        if elapsed - saved > 120 and crew.rank == 0:
            saved = elapsed
            _save_checkpoint(config, network, optimizer, state)
    state.seconds = elapsed
    if crew.rank == 0:
        _save_checkpoint(config, network, optimizer, state)
    log.close()
    crew.leave_group()


class _ProcessGroup:
    """The processes that train together, as torchrun starts them, or this one alone."""

    def __init__(self, device: str) -> None:
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if self.size > 1:
            distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")

    def broadcast_value(self, value: float) -> float:
        """The first process's value."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        distributed.broadcast(shared, 0)
        return float(shared)

    def average_tensors(self, tensors: Sequence[Tensor]) -> None:
        """Give all processes the mean of their tensors."""
        if self.size > 1:
            flat = torch.cat([tensor.flatten() for tensor in tensors])
            distributed.all_reduce(flat)
            for tensor, part in zip(tensors, flat.div_(self.size).split([tensor.numel() for tensor in tensors]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def leave_group(self) -> None:
        if self.size > 1:
            distributed.destroy_process_group()


@dataclass
class _TrainingProgress:
    """How far a training is."""

    step: int = 0
    pictures: int = 0
    seconds: float = 0.0


def _save_checkpoint(config: MatcherConfig, network: MatcherNetwork, optimizer: torch.optim.Optimizer, state: _TrainingProgress) -> None:
    tensors = {f"network.{name}": value.contiguous() for name, value in network.state_dict().items()}
    for index, parameter in enumerate(network.parameters()):
        for name in ("exp_avg", "exp_avg_sq"):
            if parameter in optimizer.state:
                tensors[f"{name}.{index}"] = optimizer.state[parameter][name].contiguous()
    _save_tensors(config.out / "checkpoint.safetensors", tensors, {name: str(value) for name, value in asdict(state).items()})
    small = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    _save_tensors(config.out / "weights.safetensors", {name: value.contiguous() for name, value in small.items()}, {})
    seen = samples.draw_sample_sheet(copy.deepcopy(network).cpu().eval(), lessons.load_lesson(_list_lessons(config)[0]))
    if not cv2.imwrite(str(config.out / "sample.png"), seen[..., ::-1]):
        raise JobFailed(f"{config.out / 'sample.png'} can't be written.")


def _save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    partial = path.with_suffix(".part")
    try:
        save_file(tensors, partial, metadata)
        partial.replace(path)
    except OSError as error:
        raise JobFailed(f"{path} can't be written: {error.strerror or error}.") from error


def _resume_training(path: Path, network: MatcherNetwork, optimizer: torch.optim.Optimizer) -> _TrainingProgress:
    if not path.exists():
        return _TrainingProgress()
    try:
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        tensors = load_file(path)
        network.load_state_dict({name[8:]: value for name, value in tensors.items() if name.startswith("network.")})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise JobFailed(f"The checkpoint {path} can't be read; remove it to begin anew.") from error
    state = _TrainingProgress(int(metadata["step"]), int(metadata["pictures"]), float(metadata["seconds"]))
    for index, parameter in enumerate(network.parameters()):
        if f"exp_avg.{index}" in tensors:
            moments = {name: tensors[f"{name}.{index}"].to(parameter.device) for name in ("exp_avg", "exp_avg_sq")}
            optimizer.state[parameter] = {"step": torch.tensor(float(state.step))} | moments
    return state
