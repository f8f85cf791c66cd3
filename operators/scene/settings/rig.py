"""What the animator chose for a figure that an armature drives: `scene.shiage.rig`; and joints marked on a reference: `image.shiage`."""

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatVectorProperty, IntProperty, PointerProperty

from ..rig.bones import SHIAGE_PG_bones
from .options import model_items, number_model

DEFAULT = "animate_anyone"


def _is_armature(_self, ob: bpy.types.Object) -> bool:
    return ob.type == "ARMATURE"


class SHIAGE_PG_rig(bpy.types.PropertyGroup):
    """`scene.shiage.rig`."""

    model: EnumProperty(name="Model", description="What makes the frames", items=model_items("animate"), default=number_model(DEFAULT))
    armature: PointerProperty(
        type=bpy.types.Object, name="Armature", description="The armature that moves like the character is to move", poll=_is_armature
    )
    reference: PointerProperty(
        type=bpy.types.Image, name="Reference", description="A colored picture of the whole character, in whatever pose, on even ground"
    )
    step: IntProperty(
        name="Spacing",
        description="A new picture at every so many frames: 1 for ones, 2 for twos. The models learned from wide spacings and move best so",
        default=2,
        min=1,
        soft_max=6,
    )
    show_skeleton: BoolProperty(name="Show Skeleton", description="Draw the pose over the camera's view, as the model is told of it")


class SHIAGE_PG_mark(bpy.types.PropertyGroup):
    """A joint of the figure in a picture, by its name (`name` is a property of every PropertyGroup)."""

    point: FloatVectorProperty(name="Point", description="Where it is, as fractions of the picture's size from its top left", size=2)


class SHIAGE_PG_image(bpy.types.PropertyGroup):
    """`image.shiage`."""

    marks: CollectionProperty(type=SHIAGE_PG_mark, name="Joints", description="Where the joints of the figure in this picture are")


CLASSES = (SHIAGE_PG_bones, SHIAGE_PG_rig, SHIAGE_PG_mark, SHIAGE_PG_image)
