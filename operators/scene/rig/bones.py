"""Which bone of an armature bears which joint of a figure: found by names and by the chain of bones, unless the animator chose another."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import bpy
import numpy as np
from bpy.app.translations import pgettext_rpt as translated
from bpy.props import PointerProperty, StringProperty

from . import limbs, names, presets, shape
from .places import BODY, NEEDED, PLACES, JointPlace, list_limbs

OVERRIDABLE = {"LIBRARY_OVERRIDABLE"}  # a linked rig that is animated here can be mapped here
HUMANOID = "Humanoid"  # the title of a rig that no preset knows
_LEAST_KNOWN = 6  # joints of the body that make a preset's word count where it does not know a whole limb


@dataclass(frozen=True)
class Found:
    """The bones of a rig: `title` what it was known as, '' for nothing, `names` {place: bone}, `twice` others that would do as well, as the
    armature holds more than one figure, `missing` the places that a figure needs and that no bone bears."""

    title: str
    names: Mapping[str, str]
    twice: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


# --- what the animator chose ------------------------------------------------------------------------------------------


def _search_bones(self, _context, _text):
    return [bone.name for bone in self.id_data.data.bones]


def _make_property(place: JointPlace):
    return StringProperty(name=place.title, description=place.text, search=_search_bones, override=OVERRIDABLE)


def _is_head(_self, ob: bpy.types.Object) -> bool:
    return ob.type == "EMPTY"


class SHIAGE_PG_bones(bpy.types.PropertyGroup):
    """`object.shiage.bones`: the bones that the animator chose himself; empty for those that are found by their names."""

    __annotations__ = {place.identifier: _make_property(place) for place in PLACES.values()} | {
        "face": PointerProperty(
            type=bpy.types.Object,
            name="Face",
            description="An empty that moves with the head, as large as it and in its middle, for rigs without bones in the face: "
            "its -Y axis looks where the face looks, its Z axis points to the crown",
            poll=_is_head,
            override=OVERRIDABLE,
        )
    }


def find_bones(ob: bpy.types.Object) -> Found:
    """The bones of an armature object as its names and its shape at rest tell them."""
    bones = ob.data.bones
    places = np.empty((2, 3 * len(bones)), np.float32)
    bones.foreach_get("head_local", places[0])
    bones.foreach_get("tail_local", places[1])
    parents = tuple("" if bone.parent is None else bone.parent.name for bone in bones)
    return _find_bones(tuple(bones.keys()), parents, places.tobytes())


@functools.lru_cache(maxsize=16)  # panels ask at each redraw
def _find_bones(bone_names: tuple[str, ...], parents: tuple[str, ...], places: bytes) -> Found:
    """`places` are float32 (2, N, 3), where the bones begin and end."""
    heads, tails = np.frombuffer(places, np.float32).reshape(2, -1, 3).astype(float)
    index = {name: bone for bone, name in enumerate(bone_names)}
    rest = limbs.RestBones(bone_names, tuple(index.get(name, -1) for name in parents), heads, tails)
    labels = names.read_labels(bone_names)
    known = presets.find_known_bones(bone_names)
    found = _merge_limbs({place: index[bone] for place, bone in known.names.items()}, bool(known.twice), rest, labels)
    if shape.is_on_all_fours(rest, found):
        found = {place: bone for place, bone in found.items() if place not in BODY}
    if "head" not in found and (head := shape.find_head(rest, labels, found)) is not None:
        found["head"] = head
    by_preset = sum(known.names.get(place) == bone_names[found[place]] for place in BODY if place in found)
    title = known.preset if by_preset >= _LEAST_KNOWN else HUMANOID if any(place in found for place in BODY) else ""
    return _make_found(title, {place: bone_names[bone] for place, bone in found.items()}, known.twice)


def _merge_limbs(known: Mapping[str, int], twice: bool, rest: limbs.RestBones, labels: list[names.BoneLabel]) -> dict[str, int]:
    """{place: bone}: what a preset knows, limbs that it does not know whole as names and chains tell them, the others by shape. A limb that
    is there more than once is left out, unless the whole figure is."""
    found = dict(known)
    named, doubtful = limbs.find_limbs(rest, labels)
    trusted = sum(place in known for place in BODY) >= _LEAST_KNOWN
    shaped: dict[str, int] | None = None
    for places in list_limbs():
        doubt = places[0] in doubtful
        if all(place in known for place in places) and (twice or not doubt):
            continue
        own = {place: found.pop(place) for place in places if place in found}
        if doubt:
            continue
        limb = {place: named[place] for place in places if place in named}
        if len(limb) < len(places):
            shaped = shape.find_body(rest, labels) if shaped is None else shaped
            limb = _take_shaped(shaped, places, labels) or limb or (own if trusted else {})
        found |= limb
    return found


def _take_shaped(shaped: Mapping[str, int], places: tuple[str, ...], labels: list[names.BoneLabel]) -> dict[str, int]:
    """A limb as the shape tells it, unless a name tells otherwise."""
    for place in places:
        joint, _, side = place.partition(".")
        if place not in shaped:
            return {}
        label = labels[shaped[place]]
        if label.side not in ("", side) or (label.joints and joint not in label.joints) or label.other:
            return {}
    return {place: shaped[place] for place in places}


def of_armature(ob: bpy.types.Object) -> Found:
    """The bones of an armature object, the animator's own choice over what is found. A chosen bone that is not there is none."""
    found = find_bones(ob)
    own = {name: chosen for name, place in PLACES.items() if (chosen := getattr(ob.shiage.bones, place.identifier))}
    borne = {name: bone for name, bone in {**found.names, **own}.items() if bone in ob.data.bones}
    return _make_found(found.title, borne, found.twice, has_face=ob.shiage.bones.face is not None)


def _make_found(title: str, borne: Mapping[str, str], twice: tuple[str, ...], has_face: bool = False) -> Found:
    """`has_face`: an empty stands for the head."""
    missing = tuple(name for name in NEEDED if name not in borne and not (has_face and name == "head"))
    return Found(title, borne, twice, missing)


def list_titles(places: tuple[str, ...]) -> str:
    return ", ".join(translated(PLACES[name].title) for name in places)


def find_obstacle(found: Found) -> str:
    """Why no figure can be read off these bones; '' when one can."""
    if found.missing:
        return translated("No bone is known for {}: choose them under Bones").format(list_titles(found.missing))
    return ""


def list_free_bones(ob: bpy.types.Object, found: Found) -> list[str]:
    """The bones that bear nothing yet, those first whose names tell nothing else."""
    free = [bone.name for bone in ob.data.bones if bone.name not in found.names.values()]
    other = {name: label.other for name, label in zip(free, names.read_labels(free), strict=True)}
    return sorted(free, key=lambda name: other[name])
