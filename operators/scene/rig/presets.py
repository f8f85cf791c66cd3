"""Rigs that are known by the names of their bones, exactly as programs and add-ons spell them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .places import BODY, FINGERS, LIMBS, SIDES


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
class KnownBones:
    """The bones of a rig: `preset` is the title of what it was known by, '' for nothing, `names` {place: bone}, `twice` others that would
    do as well, because the armature holds more than one figure."""

    preset: str
    names: Mapping[str, str]
    twice: tuple[str, ...] = ()


def find_known_bones(bone_names: tuple[str, ...]) -> KnownBones:
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
        return KnownBones("", {})
    _body, _all, preset, names = readings[0]
    twice = tuple(next(iter(others.values())) for body, _all, _preset, others in readings[1:] if body >= len(BODY) - 2)
    return KnownBones(preset, names, twice)


def _match_preset(bones: Mapping[str, str]) -> tuple[int, int, str, dict[str, str]]:
    """The preset that knows most of some bones: how many of the body, how many in all, its title, {place: bone}."""
    readings = []
    for preset in PRESETS:
        names = {place: bones[name.lower()] for place, name in preset.names().items() if name.lower() in bones}
        readings.append((sum(place in names for place in BODY), len(names), preset.title, names))
    return max(readings, key=lambda reading: reading[:2])
