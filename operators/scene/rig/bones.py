"""Which bone of an armature bears which joint of a figure: found by the names of well-known rigs, unless the animator chose another.

A place is a joint as a bone can bear it: "shoulder.R" is where the upper arm begins. Left and right are the figure's own.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import bpy
from bpy.props import PointerProperty, StringProperty

SIDES = {"R": "Right", "L": "Left"}
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
OVERRIDABLE = {"LIBRARY_OVERRIDABLE"}  # a linked rig that is animated here can be mapped here

_BEGINS = {  # the bone that is meant, in words
    "shoulder": "upper arm",
    "elbow": "forearm",
    "wrist": "hand",
    "hip": "thigh",
    "knee": "shin",
    "ankle": "foot",
    "eye": "eye",
    "ear": "ear",
}


@dataclass(frozen=True)
class JointPlace:
    """`name` as in the maps, `title` for people, `text` for the tooltip."""

    name: str
    title: str
    text: str

    @property
    def identifier(self) -> str:
        """The name of its property."""
        return self.name.replace(".", "_").lower()


def _list_places() -> Iterator[JointPlace]:
    for side, word in SIDES.items():
        for limb in LIMBS:
            yield JointPlace(
                f"{limb}.{side}", f"{word} {limb.title()}", f"The {word.lower()} {_BEGINS[limb]}: the joint is where it begins"
            )
    yield JointPlace("head", "Head", "The bone of the head, from the neck to the crown; eyes, nose and ears are estimated from it")
    for side, word in SIDES.items():
        yield JointPlace(f"eye.{side}", f"{word} Eye", f"The {word.lower()} eye, if it has a bone")
    for side, word in SIDES.items():
        yield JointPlace(f"ear.{side}", f"{word} Ear", f"The {word.lower()} ear, if it has a bone")
    yield JointPlace("nose", "Nose", "The bone that begins at the tip of the nose, if there is one")
    yield JointPlace("jaw", "Jaw", "The bone that opens the mouth and ends at the chin, if there is one")
    for side, word in SIDES.items():
        for finger in FINGERS:
            for number in (1, 2, 3):
                title = f"{word} {finger.title()} {number}"
                yield JointPlace(f"{finger}.{number}.{side}", title, f"Bone {number} of the {word.lower()} {finger}, from the palm on")


PLACES = {place.name: place for place in _list_places()}
BODY = tuple(name for name in PLACES if name.split(".")[0] in LIMBS)
FACE = ("head", "eye.R", "eye.L", "ear.R", "ear.L", "nose", "jaw")


# --- rigs that are known by name -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preset:
    """How a kind of rig names its bones: `{}` stands for the side, which `sides` spells for right and left."""

    title: str
    sides: tuple[str, str]
    limbs: tuple[str, ...]  # of LIMBS
    head: str
    fingers: tuple[tuple[str, str, str], ...] = ()  # of FINGERS, three bones each
    face: Mapping[str, str] | None = None

    def names(self) -> dict[str, str]:
        """{place: bone}"""
        found = {"head": self.head}
        for side, spelled in zip(SIDES, self.sides, strict=True):
            found |= {f"{limb}.{side}": name.format(spelled) for limb, name in zip(LIMBS, self.limbs, strict=True)}
            for finger, bones in zip(FINGERS, self.fingers, strict=False):
                found |= {f"{finger}.{i}.{side}": name.format(spelled) for i, name in enumerate(bones, start=1)}
            for place, name in (self.face or {}).items():
                found[f"{place}.{side}" if place in ("eye", "ear") else place] = name.format(spelled)
        return found


def _expand_fingers(*patterns: str) -> tuple[tuple[str, str, str], ...]:
    """Three bones from each pattern, with # for their number."""
    return tuple((p.replace("#", "1"), p.replace("#", "2"), p.replace("#", "3")) for p in patterns)


_RIGIFY_LIMBS = ("upper_arm.{}", "forearm.{}", "hand.{}", "thigh.{}", "shin.{}", "foot.{}")
_RIGIFY_FINGERS = ("thumb.0#.{}", "f_index.0#.{}", "f_middle.0#.{}", "f_ring.0#.{}", "f_pinky.0#.{}")

PRESETS = (
    Preset(
        "Rigify",
        ("R", "L"),
        tuple(f"DEF-{name}" for name in _RIGIFY_LIMBS),
        "DEF-spine.006",
        _expand_fingers(*(f"DEF-{name}" for name in _RIGIFY_FINGERS)),
        {"eye": "ORG-eye.{}", "ear": "DEF-ear.{}", "nose": "DEF-nose.002", "jaw": "jaw_master"},
    ),
    Preset(
        "Human Metarig",
        ("R", "L"),
        _RIGIFY_LIMBS,
        "spine.006",
        _expand_fingers(*_RIGIFY_FINGERS),
        {"eye": "eye.{}", "ear": "ear.{}", "nose": "nose.002", "jaw": "jaw"},
    ),
    Preset(
        "Mixamo or CMU",
        ("Right", "Left"),
        ("{}Arm", "{}ForeArm", "{}Hand", "{}UpLeg", "{}Leg", "{}Foot"),
        "Head",
        _expand_fingers("{}HandThumb#", "{}HandIndex#", "{}HandMiddle#", "{}HandRing#", "{}HandPinky#"),
        {"eye": "{}Eye", "jaw": "Jaw"},
    ),
    Preset(
        "MakeHuman",
        ("R", "L"),
        ("upperarm01.{}", "lowerarm01.{}", "wrist.{}", "upperleg01.{}", "lowerleg01.{}", "foot.{}"),
        "head",
        _expand_fingers("finger1-#.{}", "finger2-#.{}", "finger3-#.{}", "finger4-#.{}", "finger5-#.{}"),
        {"eye": "eye.{}", "jaw": "jaw"},
    ),
    Preset(
        "Game Engine",
        ("r", "l"),
        ("upperarm_{}", "lowerarm_{}", "hand_{}", "thigh_{}", "calf_{}", "foot_{}"),
        "head",
        _expand_fingers("thumb_0#_{}", "index_0#_{}", "middle_0#_{}", "ring_0#_{}", "pinky_0#_{}"),
        {"eye": "eye_{}", "jaw": "jaw"},
    ),
    Preset(
        "VRM",
        ("R", "L"),
        tuple(f"J_Bip_{{}}_{name}" for name in ("UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot")),
        "J_Bip_C_Head",
        _expand_fingers("J_Bip_{}_Thumb#", "J_Bip_{}_Index#", "J_Bip_{}_Middle#", "J_Bip_{}_Ring#", "J_Bip_{}_Little#"),
        {"eye": "J_Adj_{}_FaceEye"},
    ),
)
_COPY = ".001"  # what Blender adds to the bones of a second figure that is joined with the first
_PREFIX = re.compile(r"(?:.*[:|])?(?:mixamorig\d*[_:])?", re.IGNORECASE)  # of a namespace, or of the program that it came from


@dataclass(frozen=True)
class Found:
    """The bones of a rig: `preset` is the title of what it was known by, '' for nothing, `names` {place: bone}, `twice` others that would
    do as well, because the armature holds more than one figure."""

    preset: str
    names: Mapping[str, str]
    twice: tuple[str, ...] = ()


@functools.lru_cache(maxsize=16)  # panels ask at each redraw
def find_known_bones(bone_names: tuple[str, ...]) -> Found:
    """What the names of an armature's bones tell. Case and namespaces don't matter; of several figures the first one counts."""
    figures: dict[tuple[str, str], dict[str, str]] = {}  # {the rest of the name in lower case: bone} by what tells figures apart
    for bone in bone_names:
        prefix = _PREFIX.match(bone)[0]  # pyright: ignore[reportOptionalSubscript]  (it matches anything)
        name = bone[len(prefix) :].lower()
        figures.setdefault((prefix, ""), {}).setdefault(name, bone)
        if name.endswith(_COPY):
            figures.setdefault((prefix, _COPY), {}).setdefault(name.removesuffix(_COPY), bone)
    readings = [reading for bones in figures.values() if (reading := _match_preset(bones))[0]]
    readings.sort(key=lambda reading: reading[:2], reverse=True)
    if not readings:
        return Found("", {})
    _body, _all, preset, names = readings[0]
    twice = tuple(next(iter(others.values())) for body, _all, _preset, others in readings[1:] if body >= len(BODY) - 2)
    return Found(preset, names, twice)


def _match_preset(bones: Mapping[str, str]) -> tuple[int, int, str, dict[str, str]]:
    """The preset that knows most of some bones: how many of the body, how many in all, its title, {place: bone}."""
    readings = []
    for preset in PRESETS:
        names = {place: bones[name.lower()] for place, name in preset.names().items() if name.lower() in bones}
        readings.append((sum(place in names for place in BODY), len(names), preset.title, names))
    return max(readings, key=lambda reading: reading[:2])


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


def of_armature(ob: bpy.types.Object) -> Found:
    """The bones of an armature object, the animator's own choice over what the names tell. A chosen bone that is not there is none."""
    found = find_known_bones(tuple(ob.data.bones.keys()))
    own = {name: chosen for name, place in PLACES.items() if (chosen := getattr(ob.shiage.bones, place.identifier))}
    names = {name: bone for name, bone in {**found.names, **own}.items() if bone in ob.data.bones}
    return Found(found.preset, names, found.twice)


def find_missing_places(found: Found) -> tuple[str, ...]:
    """The places of the body, and the head, that no bone bears."""
    return tuple(name for name in (*BODY, "head") if name not in found.names)


def find_obstacle(found: Found) -> str:
    """Why no figure can be read off these bones; '' when one can, of whatever is there."""
    if len([name for name in BODY if name in found.names]) < 4:
        return "No bones of a figure are known by their names: choose them under Bones"
    return ""
