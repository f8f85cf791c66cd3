"""What the animator chose, kept in the .blend: `scene.shiage` for the shot, `object.shiage` for a drawing's own wishes.

Only data and what follows from it; the operators and panels that show it are elsewhere.
"""

import os
import re
import tempfile
from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatVectorProperty, IntProperty, PointerProperty, StringProperty

from .... import __package__ as EXTENSION
from ....engine import models
from ....engine.job.errors import BadInput
from ....engine.job.files import compute_digest
from .. import compat
from ..rig import bones
from . import inbetween, options, rig
from .options import model_items, number_model


class SHIAGE_PG_reference(bpy.types.PropertyGroup):
    """One colored picture. An image of the file and not a path, so that Blender shows its thumbnail, relocates and packs it."""

    image: PointerProperty(
        type=bpy.types.Image,
        name="Reference",
        description="A colored picture of what is drawn: a character sheet in any pose, or a colored frame of the shot",
    )


class SHIAGE_PG_layer(bpy.types.PropertyGroup):
    """A layer that the animator took out, by its name (`name` is a property of every PropertyGroup)."""


HINTS = [
    ("COLOR", "Color", "The region wears this color"),
    ("NONE", "Unpainted", "The region stays unpainted"),
    ("SAME", "Same as Another", "The region wears what another one wears"),
]


class SHIAGE_PG_hint(bpy.types.PropertyGroup):
    """A correction: what the region at a point of a frame's picture wears. Points are fractions of the picture's size, from its top left,
    so that they hold for pictures of any size."""

    frame: IntProperty(name="Frame", description="The frame that was corrected")
    point: FloatVectorProperty(name="Point", description="Where the region was pointed at", size=2)
    kind: EnumProperty(name="Kind", description="What the region wears", items=HINTS)
    color: FloatVectorProperty(name="Color", description="What the region wears", subtype="COLOR_GAMMA", size=4, min=0, max=1)
    other_frame: IntProperty(name="Other Frame", description="The frame of the region that this one is like")
    other_point: FloatVectorProperty(name="Other Point", description="Where that region was pointed at", size=2)


class SHIAGE_PG_object(bpy.types.PropertyGroup):
    """`object.shiage`."""

    references: CollectionProperty(
        type=SHIAGE_PG_reference,
        name="References",
        description="Pictures for this object alone; without any, it shares the shot's references",
    )
    excluded_layers: CollectionProperty(
        type=SHIAGE_PG_layer, name="Left-out Layers", description="Layers of this object that are not colored"
    )
    active_reference: IntProperty(name="Active Reference", description="The reference that the list shows as chosen", min=0)
    pins: CollectionProperty(type=inbetween.SHIAGE_PG_pin, name="Pinned Pairs", description="Strokes that become each other in inbetweens")
    bones: PointerProperty(type=bones.SHIAGE_PG_bones, override=bones.OVERRIDABLE)
    active_pin: IntProperty(name="Active Pair", description="The pinned pair that the list shows as chosen", min=0)


_OPTIONS = options.make_option_groups(options.list_models())


class SHIAGE_PG_shot(bpy.types.PropertyGroup):
    """`scene.shiage`."""

    model: EnumProperty(
        name="Model", description="What paints the drawings", items=model_items("colorize"), default=number_model(models.DEFAULT)
    )
    references: CollectionProperty(
        type=SHIAGE_PG_reference, name="References", description="Colored pictures for every object that has none of its own"
    )
    active_reference: IntProperty(name="Active Reference", description="The reference that the list shows as chosen", min=0)

    source: EnumProperty(
        name="Source",
        description="Where the drawings come from",
        items=[
            ("GREASE_PENCIL", "Grease Pencil", "The Grease Pencil drawings as the scene's camera sees them"),
            ("STRIP", "Scans", "An image or movie strip of scanned drawings in the Sequencer"),
        ],
    )
    strip: StringProperty(name="Strip", description="The Sequencer strip that holds the scanned drawings")
    use_selected: BoolProperty(name="Selected Only", description="Color the selected Grease Pencil objects and no others")

    size_mode: EnumProperty(
        name="Size",
        description="The size of the colored pictures",
        items=[
            ("RENDER", "Render Size", "A percentage of the scene's resolution"),
            ("OWN", "Own Size", "A width and a height of its own"),
        ],
    )
    percentage: IntProperty(
        name="Percentage",
        description="Percentage of the scene's resolution",
        subtype="PERCENTAGE",
        default=100,
        min=1,
        soft_max=100,
        max=400,
    )
    width: IntProperty(name="Width", description="Width of the pictures", subtype="PIXEL", default=1920, min=4, max=16384)
    height: IntProperty(name="Height", description="Height of the pictures", subtype="PIXEL", default=1080, min=4, max=16384)

    range_mode: EnumProperty(
        name="Frames",
        description="The frames to color",
        items=[
            ("SCENE", "Scene", "The scene's frame range"),
            ("PREVIEW", "Preview", "The preview range, or the scene's where there is none"),
            ("OWN", "Own", "A start and an end of its own"),
        ],
    )
    frame_start: IntProperty(name="Start", description="First frame to color", default=1)
    frame_end: IntProperty(name="End", description="Last frame to color", default=24)
    frame_step: IntProperty(
        name="Step",
        description="Look at every n-th frame only and hold it: 2 for a shot on twos that is seen through a moving camera",
        default=1,
        min=1,
        soft_max=4,
    )

    hints: CollectionProperty(type=SHIAGE_PG_hint, name="Corrections", description="What a person has set right; the whole shot heeds it")
    active_hint: IntProperty(name="Active Correction", description="The correction that the list shows as chosen", min=0)

    options: PointerProperty(type=_OPTIONS[-1])  # of each model, see options.py
    inbetween: PointerProperty(type=inbetween.SHIAGE_PG_inbetween)
    rig: PointerProperty(type=rig.SHIAGE_PG_rig)

    destination: EnumProperty(
        name="Destination",
        description="Where the colored frames go",
        items=[
            ("STRIP", "Sequencer Strip", "An image strip in the Sequencer, held as the drawings are held"),
            ("PLANE", "Camera Plane", "A plane that fills the camera's view, under the lines"),
        ],
    )
    output: StringProperty(
        name="Output",
        description="The folder that gets a job folder for each shot; // is the folder of the .blend file. Empty: the preferences' one",
        subtype="DIR_PATH",
        options=compat.OUTPUT_FOLDER,
    )


CLASSES = (
    *_OPTIONS,
    *inbetween.CLASSES,
    *rig.CLASSES,
    SHIAGE_PG_reference,
    SHIAGE_PG_layer,
    SHIAGE_PG_hint,
    SHIAGE_PG_object,
    SHIAGE_PG_shot,
)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.shiage = PointerProperty(type=SHIAGE_PG_shot)
    bpy.types.Object.shiage = PointerProperty(type=SHIAGE_PG_object, override=bones.OVERRIDABLE)
    bpy.types.Image.shiage = PointerProperty(type=rig.SHIAGE_PG_image)


def unregister() -> None:
    del bpy.types.Image.shiage
    del bpy.types.Object.shiage
    del bpy.types.Scene.shiage
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)


# --- what follows from the settings -------------------------------------------------------------------------------


def get_size(scene: bpy.types.Scene) -> tuple[int, int]:
    """Width and height of the pictures in pixels."""
    chosen = scene.shiage
    if chosen.size_mode == "OWN":
        return chosen.width, chosen.height
    render = scene.render
    return max(1, render.resolution_x * chosen.percentage // 100), max(1, render.resolution_y * chosen.percentage // 100)


def frame_range(scene: bpy.types.Scene) -> tuple[int, int, int]:
    """First frame, last frame (included) and step."""
    chosen = scene.shiage
    if chosen.range_mode == "OWN":
        first, last = chosen.frame_start, chosen.frame_end
    elif chosen.range_mode == "PREVIEW" and scene.use_preview_range:
        first, last = scene.frame_preview_start, scene.frame_preview_end
    else:
        first, last = scene.frame_start, scene.frame_end
    return first, last, chosen.frame_step


def get_objects(scene: bpy.types.Scene, view_layer: bpy.types.ViewLayer) -> list[bpy.types.Object] | None:
    """The objects that the animator chose, or None for all of the scene."""
    if not scene.shiage.use_selected:
        return None
    return [ob for ob in view_layer.objects if ob.select_get(view_layer=view_layer)]


def get_options(scene: bpy.types.Scene, model: str) -> dict[str, object]:
    """The options of a model as the scene has them, as they stand in job.json."""
    return options.get_option_values(scene.shiage.options, models.info(model))


def get_output(scene: bpy.types.Scene) -> str:
    """The folder that gets the job folder, as it was written: // is the folder of the .blend file."""
    return scene.shiage.output.strip() or bpy.context.preferences.addons[EXTENSION].preferences.output.strip()


def output_is_temporary(scene: bpy.types.Scene) -> bool:
    """True while the pictures would go to a folder that is deleted with Blender's session: the .blend was never saved."""
    return _is_temporary(get_output(scene))


def _is_temporary(folder: str) -> bool:
    return folder.startswith("//") and not bpy.data.filepath


def job_folder(scene: bpy.types.Scene, task: str = "colorize") -> Path:
    """The scene's job folder for a task, absolute and without '..', the same on each run so that finished work is found again. An unsaved
    file's lies in Blender's own temporary folder (see `output_is_temporary`). No two scenes and tasks of a file share one. Raises BadInput
    when no output folder is set."""
    folder = get_output(scene)
    if not folder:
        raise BadInput("No output folder is set: choose one under Output.")
    name = _scene_name(scene)
    if _is_temporary(folder):
        root = os.path.join(bpy.app.tempdir or tempfile.gettempdir(), "shiage")
    else:
        root = bpy.path.abspath(folder)
        if bpy.data.filepath:
            name = f"{_clean(os.path.splitext(os.path.basename(bpy.data.filepath))[0])}-{name}"
    if task != "colorize":
        name = f"{name}-{task}"
    return Path(os.path.abspath(os.path.join(root, name)))


_NO_PART = re.compile(r'[<>:"/\\|?*\x00-\x1f]')  # of a file's name, on some system
_MISTAKEN = re.compile(r"-(inbetween|animate)(-|$)|~[0-9a-f]{8}$", re.IGNORECASE)  # for a job of another scene: see `job_folder`


def _scene_name(scene: bpy.types.Scene) -> str:
    """A scene's name as that of a folder: as it is, unless another scene could have the same, also where the system knows no case."""
    alike = any(other != scene and other.name.casefold() == scene.name.casefold() for other in bpy.data.scenes if other.library is None)
    if alike or scene.library is not None or _MISTAKEN.search(scene.name):
        return _marked(scene.name, scene.name_full)
    return _clean(scene.name)


def _clean(name: str) -> str:
    """A name as that of a file: as it is where it can be."""
    return _marked(name, name) if _NO_PART.search(name) or name != name.strip(" .") else name


def _marked(name: str, full: str) -> str:
    """A name that can be that of a file, told from others by a digest."""
    return f"{_NO_PART.sub('_', name).strip(' .')}~{compute_digest(full)[:8]}"
