"""Every difference between Blender 4.3 and 5.2 that Shiage meets, and nowhere else."""

from collections.abc import Iterator

import bpy

# 4.3 draws every curve as a polyline, whatever its type says.
DRAWS_CURVES = bpy.app.version >= (4, 4, 0)

# Up to 5.1 a DOTS or BOX material draws a row of separate shapes; 5.2 draws a line through them, as strokes do.
DRAWS_DOTS = bpy.app.version < (5, 2, 0)

# From 5.1 on a stroke says itself whether its line is hidden and whether it is filled; before, its material does.
STROKES_HIDE_THEMSELVES = bpy.app.version >= (5, 1, 0)

# Settings that a version still has, though they do nothing there any more.
IDLE_SETTINGS = {"show_stroke", "show_fill"} if STROKES_HIDE_THEMSELVES else set()

# From 4.5 on a path says that it may begin with // and need not exist yet; else its field is shown as an error.
OUTPUT_FOLDER = {"OUTPUT_PATH", "PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()


# The type of Grease Pencil data; up to 4.5 `bpy.types.GreasePencil` is that of annotations.
GREASE_PENCIL = getattr(bpy.types, "GreasePencilv3", None) or bpy.types.GreasePencil


def grease_pencils() -> bpy.types.bpy_prop_collection:
    """The Grease Pencil data of the file; up to 4.5 `bpy.data.grease_pencils` holds annotations."""
    return bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils


def shows_line(material: bpy.types.Material | None) -> bool:
    """Whether a material lets its strokes show a line."""
    style = material.grease_pencil if material else None
    return style is None or not style.hide and (STROKES_HIDE_THEMSELVES or style.show_stroke)


def shows_fill(material: bpy.types.Material | None) -> bool:
    """Whether a material fills its strokes; from 5.1 on they say that themselves."""
    return material is not None and not STROKES_HIDE_THEMSELVES and material.grease_pencil.show_fill


def add_mask(scene: bpy.types.Scene, ob: bpy.types.Object, layer, mask) -> None:
    """Let a layer of an object show where another of its layers, `mask`, has something. Up to 5.1 only an operator can do that; the object
    must be in the scene."""
    if hasattr(layer.mask_layers, "add"):
        layer.mask_layers.add(mask)
        return
    ob.data.layers.active = layer
    with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0], object=ob, active_object=ob, grease_pencil=ob.data):
        bpy.ops.grease_pencil.layer_mask_add(name=mask.name)


def get_fcurves(animation: bpy.types.AnimData) -> Iterator[bpy.types.FCurve]:
    """The curves that animate a data-block by its action and by its NLA strips."""
    used = [(animation.action, getattr(animation, "action_slot", None))]
    used += [(strip.action, getattr(strip, "action_slot", None)) for track in animation.nla_tracks for strip in track.strips]
    for action, slot in used:
        if action is None:
            continue
        if hasattr(action, "fcurves"):  # up to 4.5; there a slotted action shows the curves of its first slot
            yield from action.fcurves
        if hasattr(action, "layers") and slot is not None:
            for layer in action.layers:
                for strip in layer.strips:
                    bag = strip.channelbag(slot)
                    if bag is not None:
                        yield from bag.fcurves


# --- the sequencer ------------------------------------------------------------------------------------------------


STRIPS = "strips" if "strips" in bpy.types.SequenceEditor.bl_rna.properties else "sequences"  # the name of the collection


def get_strips(editor: bpy.types.SequenceEditor):
    return getattr(editor, STRIPS)


def all_strips(editor: bpy.types.SequenceEditor):
    """Those inside of meta strips too."""
    return getattr(editor, f"{STRIPS}_all")


def strip_range(strip) -> tuple[int, int]:
    """The first frame that a strip shows and the first one that it no longer shows."""
    if hasattr(strip, "left_handle"):
        return int(strip.left_handle), int(strip.right_handle)
    return int(strip.frame_final_start), int(strip.frame_final_end)


def content_start(strip) -> int:
    """The frame at which a strip's first picture would show if nothing were trimmed."""
    return round(strip.content_start if hasattr(strip, "content_start") else strip.frame_start)


def place_strip(strip, start: int, end: int) -> None:
    """Let the first picture of an image strip show at frame `start`, and the strip, untrimmed, up to before `end`."""
    if hasattr(strip, "content_start"):
        strip.content_start = start
    else:
        strip.frame_start = start
    trim_strip(strip, start, end)


def trim_strip(strip, start: int, end: int) -> None:
    """Show a strip from frame `start` up to before `end`, its pictures where they are."""
    if hasattr(strip, "left_handle"):
        strip.left_handle, strip.right_handle = start, end
    else:
        strip.frame_final_start, strip.frame_final_end = start, end


def forget_pictures(strip) -> None:
    """Make the Sequencer read a strip's files again; it does so by itself up to 4.5."""
    if hasattr(strip, "invalidate_cache"):
        strip.invalidate_cache("RAW")


def show_in_sequencer(scene: bpy.types.Scene) -> None:
    """From 5.0 on the Sequencer shows a scene of the workspace's choice: choose this one where nothing else was chosen."""
    for window in bpy.context.window_manager.windows:
        workspace = window.workspace
        if window.scene == scene and hasattr(workspace, "sequencer_scene") and workspace.sequencer_scene is None:
            workspace.sequencer_scene = scene


# --- rendering ----------------------------------------------------------------------------------------------------


def render_png(scene: bpy.types.Scene) -> None:
    """Let a scene render to PNG; from 5.0 on the kind of medium is chosen first."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode = "RGBA"
    settings.color_depth = "8"


def use_nodes(material: bpy.types.Material) -> None:
    """Give a material a node tree; from 5.0 on each has one."""
    if material.node_tree is None:
        material.use_nodes = True
