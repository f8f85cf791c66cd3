"""The places of a figure that bones bear.

A place is a joint as a bone can bear it: "shoulder.R" is where the upper arm begins. Left and right are the figure's own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

SIDES = {"R": "Right", "L": "Left"}
ARM, LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
LIMBS = ARM + LEG
FINGERS = ("thumb", "index", "middle", "ring", "pinky")

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

    @property
    def argument(self) -> str:
        """Its name in a shell, 'left_elbow' for instance."""
        return self.title.replace(" ", "_").lower()


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
NEEDED = (*BODY, "head")  # without one of these no figure is animated


def list_limbs() -> Iterator[tuple[str, str, str]]:
    """The three places of each arm and leg, from the body outwards."""
    for side in SIDES:
        for root, middle, end in (ARM, LEG):
            yield f"{root}.{side}", f"{middle}.{side}", f"{end}.{side}"
