"""The models there are: one folder each, with a model.toml that is read without importing anything. Standard library only.

    title = "Flats"
    description = "One sentence for the animator."
    tasks = ["colorize"]                 # of engine.job.TASKS
    license = "GPL-3.0-or-later"
    commercial = true                    # may what it makes be used commercially?
    revision = "1"                       # part of what a finished picture is known by: raise it when the output changes
    needs = ["reference"]                # what the animator must give
    devices = ["cpu"]                    # what it can use, best last

    [stages]                             # what its progress goes through, in order, and the share of the time that each takes, 1 in all
    "Reading drawings" = 0.4
    Painting = 0.6

    [notes]                              # what to know of a task before choosing the model for it; may be left out
    inbetween = "One sentence."

    [options.gap]                        # the model's own options, shown in the order written
    default = 12.0                       # its type is the option's type: bool, int, float or str
    title = "Gap"
    description = "One sentence for a tooltip."
    minimum = 0.0                        # numbers only, both may be left out
    maximum = 64.0
    choices = ["a", "b"]                 # text only, may be left out
    folder = true                        # text only, may be left out: it names a folder
    paint_only = true                    # may be left out: it changes nothing of what networks make, which is kept when it changes

    [[weights]]                          # what it needs that is not shipped, one table for each repository of the hub; without any, but
                                         # with an option `weights`, files are put in place by hand as docs/<model>.md says
    repository = "owner/name"
    commit = "0123…"                     # 40 hexadecimal digits
    license = "One sentence."            # shown and accepted before anything is fetched
    terms = "https://…"                  # where it can be read
    prefix = "folder/"                   # of the files in the repository, may be left out
    files = ["unet/config.json"]         # where they go below the model's folder of weights
    bytes = 1000000                      # of all of them, about

The package beside it exports `load(device) -> Model`. Folders of models elsewhere are added to this package's `__path__`.
"""

import argparse
import functools
import importlib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from ..host.weights_store import WeightsSource
from ..job import Job, Picture
from ..job.errors import BadInput, EngineMissing
from ..job.messages import Event

DEFAULTS = {"colorize": "flats", "inbetween": "vector", "animate": "animate_anyone"}  # what does a task unless another is chosen
DEFAULT = DEFAULTS["colorize"]
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Option:
    """One option of a model. `default` is a bool, int, float or str, and what is given must be of its kind."""

    name: str
    default: object
    title: str
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    folder: bool = False
    paint_only: bool = False

    def check(self, value: object) -> object:
        """The value in the option's own type. Raises BadInput when it is of another type or out of range."""
        kind = type(self.default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise BadInput(f"The option '{self.name}' must be {_KIND_NAMES[kind]}, not {value!r}.")
        if isinstance(value, (int, float)):
            low, high = self.minimum, self.maximum
            if not (low is None or value >= low) or not (high is None or value <= high):
                raise BadInput(f"The option '{self.name}' is {value}: it must lie between {low} and {high}.")
        if self.choices and value not in self.choices:
            raise BadInput(f"The option '{self.name}' can't be '{value}': use one of {', '.join(self.choices)}.")
        return value


_KIND_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class ModelInfo:
    """What a model.toml says; see the module's docstring."""

    id: str
    title: str
    description: str
    tasks: tuple[str, ...]
    license: str
    commercial: bool
    revision: str
    needs: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cpu",)
    stages: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)
    weights: tuple[WeightsSource, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def by_hand(self) -> bool:
        """Whether it has weights that are not fetched, but that a person puts in place."""
        return "weights" in self.options and not self.weights

    def network_options(self, options: Mapping[str, object]) -> dict[str, object]:
        """Those of a job's `options` that change what its networks make."""
        return {name: value for name, value in options.items() if not self.options[name].paint_only}

    def resolve(self, given: Mapping[str, object]) -> dict[str, object]:
        """All options of the model, those given over the defaults. Raises BadInput for one that it does not have."""
        for name in given:
            if name not in self.options:
                raise BadInput(f"The model '{self.id}' has no option '{name}': it has {', '.join(self.options) or 'none'}.")
        return {name: option.check(given[name]) if name in given else option.default for name, option in self.options.items()}


class Model(Protocol):
    """What `load` of a model's package returns."""

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        """Make the pictures that `job.pictures` names, in any order, each yielded once its file is in place.

        `job.options` holds every option of the model. A picture that is still right is not made again. `on_event` takes Progress
        and Warned; `should_cancel` is asked at least once a picture and each second, and answered by `raise errors.JobCancelled`.
        """
        ...


def available() -> tuple[ModelInfo, ...]:
    """Every model of the search path, the defaults first, then by title. Raises BadInput for a model.toml that is not understood."""
    found = {}
    for folder in __path__:
        for path in sorted(Path(folder).glob("*/model.toml")):
            found.setdefault(path.parent.name, _read(path, path.stat().st_mtime_ns))
    first = list(DEFAULTS.values())
    return tuple(sorted(found.values(), key=lambda info: (first.index(info.id) if info.id in first else len(first), info.title)))


def info(model_id: str, task: str | None = None) -> ModelInfo:
    """One model. Raises BadInput, naming those there are, when there is none of this id or it does not do the task."""
    models = available()
    for model in models:
        if model.id == model_id:
            if task is not None and task not in model.tasks:
                able = ", ".join(m.id for m in models if task in m.tasks) or "none yet"
                raise BadInput(f"The model '{model_id}' can't {task}: models that can are {able}.")
            return model
    raise BadInput(f"There is no model '{model_id}': choose one of {', '.join(m.id for m in models) or 'none'}.")


def alternatives(task: str) -> tuple[ModelInfo, ...]:
    """The models that do a task without a graphics card, the default first. Raises BadInput for a model.toml that is not understood."""
    return tuple(model for model in available() if task in model.tasks and set(model.devices) <= {"cpu"})


def add_flags(group: argparse._ArgumentGroup, model: ModelInfo) -> None:
    """An argument for each option of a model, which is None unless it is given: `best_guess` is --best-guess and --no-best-guess.

    An option of a name that the command has an argument of is reached by the model's: `size` of the model `toy` is --toy-size.
    """
    for option in model.options.values():
        kind = type(option.default)
        usual = "" if option.default == "" else f"; default {option.default}"
        text = f"{option.description or option.title}{usual}".replace("%", "%%")
        metavar = None if option.choices else "DIR" if option.folder else kind.__name__.upper()
        more: dict[str, Any] = {"type": kind, "choices": option.choices or None, "metavar": metavar}
        if kind is bool:
            more = {"action": argparse.BooleanOptionalAction}
        flag, added = option.name.replace("_", "-"), False
        while not added:
            try:
                group.add_argument(f"--{flag}", dest=_DEST + option.name, help=text, **more)
                added = True
            except argparse.ArgumentError:  # the name is taken
                flag = f"{model.id.replace('_', '-')}-{flag}"


_DEST = "option "  # what an option is called among parsed arguments, where no argument of a command is


def flags(given: argparse.Namespace, model: ModelInfo) -> dict[str, object]:
    """The options that the arguments of `add_flags` give."""
    return {name: value for name in model.options if (value := getattr(given, _DEST + name)) is not None}


def load(model_id: str, device: str = "auto") -> Model:
    """Import a model's package and make it ready on a device ('auto', 'cpu', 'cuda').

    Raises BadInput for an unknown model or device, EngineMissing when a library that it needs is not installed.
    """
    info(model_id)
    if device not in DEVICES:
        raise BadInput(f"There is no device '{device}': use one of {', '.join(DEVICES)}.")
    try:
        return importlib.import_module(f"{__name__}.{model_id}").load(device)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(__name__.partition(".")[0] + "."):
            raise  # a defect of ours, not of the installation
        raise EngineMissing(f"The engine's Python has no module '{error.name}': install the engine again in the preferences.") from error


@functools.lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> ModelInfo:
    """One model.toml; read again when its time of change differs."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
        options = {}
        for name, table in raw.pop("options", {}).items():
            if type(table["default"]) not in _KIND_NAMES:
                raise TypeError(f"option '{name}' has a default of an unknown type")
            options[name] = Option(name=name, choices=tuple(table.pop("choices", ())), **table)
        lists = {key: tuple(raw.pop(key)) for key in ("tasks", "needs", "devices") if key in raw}
        weights = tuple(WeightsSource(files=tuple(table.pop("files")), **table) for table in raw.pop("weights", ()))
        return ModelInfo(id=path.parent.name, options=MappingProxyType(options), weights=weights, **lists, **raw)
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} is not understood ({error}): mend it or remove its folder.") from error
