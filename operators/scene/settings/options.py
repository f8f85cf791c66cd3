"""Models and their own options as settings of the shot. They are made from each model.toml, so an option is described once, there."""

import functools
import zlib

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from ....engine import models
from ....engine.models import ModelInfo, Option

_models: tuple[ModelInfo, ...] = ()


def refresh_models() -> None:
    """See which models there are. Raises BadInput for a model.toml that is not understood."""
    global _models
    _models = models.available()
    _choices.cache_clear()


def list_models() -> tuple[ModelInfo, ...]:
    """The models that there were when that was last seen to: what is drawn, and the choices that Blender asks for, look at no disk."""
    if not _models:
        refresh_models()
    return _models


def find_model(model_id: str) -> ModelInfo | None:
    return next((model for model in list_models() if model.id == model_id), None)


def number_model(model_id: str) -> int:
    """A model's number in the .blend: made from its id, and not its place in the list, so that a new model changes no old file."""
    return zlib.crc32(model_id.encode()) & 0x7FFFFFFF


@functools.cache  # Blender keeps no copy of dynamic enum items: the list must live as long as Blender may draw it
def _enum_items(*texts: tuple[str, str, str]) -> list[tuple[str, str, str, int]]:
    return [(*text, number_model(text[0])) for text in texts]


def model_items(task: str):
    """What an enum of the models for a task takes as its `items`."""
    return lambda _settings, _context: _choices(task)


@functools.cache
def _choices(task: str) -> list[tuple[str, str, str, int]]:
    return _enum_items(*((m.id, m.title, m.description) for m in list_models() if task in m.tasks))


def make_option_groups(infos: tuple[ModelInfo, ...]) -> tuple[type, ...]:
    """Property group classes in the order they register; the last one has a property for each model, named by its id."""
    groups = {model.id: _make_class(model.id, {name: _make_property(option) for name, option in model.options.items()}) for model in infos}
    return *groups.values(), _make_class("options", {name: PointerProperty(type=cls) for name, cls in groups.items()})


def get_option_values(chosen: bpy.types.PropertyGroup, model: ModelInfo) -> dict[str, object]:
    """What was chosen for a model, as it stands in job.json. Floats without the noise of single precision, folders without //."""
    own = getattr(chosen, model.id)
    found = {name: getattr(own, name) for name in model.options}
    found |= {name: bpy.path.abspath(found[name]) for name, option in model.options.items() if option.folder and found[name]}
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in found.items()}


def _make_class(name: str, properties: dict[str, object]) -> type:
    return type(f"SHIAGE_PG_{name}", (bpy.types.PropertyGroup,), {"__annotations__": properties})


def _make_property(option: Option):
    common = {"name": option.title, "description": option.description, "default": option.default}
    limits = {key: value for key, value in (("min", option.minimum), ("max", option.maximum)) if value is not None}
    match option.default:
        case bool():
            return BoolProperty(**common)
        case int():
            return IntProperty(**common, **{key: int(value) for key, value in limits.items()})
        case float():
            share = (option.minimum, option.maximum) == (0.0, 1.0)
            return FloatProperty(**common, **limits, subtype="FACTOR" if share else "NONE", precision=2 if share else 1)
        case _ if option.choices:
            return EnumProperty(**common, items=[(choice, choice.replace("_", " ").capitalize(), "") for choice in option.choices])
        case _ if option.folder:
            return StringProperty(**common, subtype="DIR_PATH")
        case _:
            return StringProperty(**common)
