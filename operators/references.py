"""Choosing references: from files, from pictures that the .blend already has, for the shot or for one object."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, IntProperty, StringProperty

from ..engine.job.errors import BadInput

OWNER = EnumProperty(
    name="For",
    items=[
        ("SCENE", "Shot", "Every object that has no reference of its own"),
        ("OBJECT", "Active Object", "The active object alone"),
    ],
    options={"HIDDEN", "SKIP_SAVE"},
)


def settings_of(context: bpy.types.Context, owner: str):
    """The property group whose `references` are meant, or None where there is no active Grease Pencil object."""
    if owner == "SCENE":
        return context.scene.shiage
    active = context.active_object
    return active.shiage if active and active.type == "GREASEPENCIL" else None


def open_image(path: Path) -> bpy.types.Image:
    """The picture as an image of the file. Raises BadInput when there is none or it can't be read."""
    if not path.is_file():
        raise BadInput(f"The reference {path} does not exist: choose another picture.")
    known = set(bpy.data.images)
    try:
        image = bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError as error:
        raise BadInput(f"The reference {path} can't be read: choose another picture.") from error
    if not all(image.size):  # asking for the size is what makes Blender read the file
        if image not in known:
            bpy.data.images.remove(image)
        raise BadInput(f"The reference {path} is not a picture that Blender can read: save it as PNG and choose that.")
    return image


def add_reference(settings, image: bpy.types.Image) -> None:
    """Put an image at the end of the references, once, and choose it."""
    names = [reference.image for reference in settings.references]
    if image in names:
        settings.active_reference = names.index(image)
        return
    settings.references.add().image = image
    settings.active_reference = len(settings.references) - 1


class SHIAGE_OT_open_references(bpy.types.Operator):
    """Choose one or more colored pictures of what is drawn: a character sheet in any pose, or a colored frame of the shot"""

    bl_idname = "shiage.open_references"
    bl_label = "Open References"
    bl_options = {"REGISTER", "UNDO"}

    owner: OWNER
    directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE", "HIDDEN"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"SKIP_SAVE", "HIDDEN"})
    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context, _event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        settings = settings_of(context, self.owner)
        if settings is None:
            self.report({"ERROR"}, "Choose a Grease Pencil object first")
            return {"CANCELLED"}
        names = [file.name for file in self.files if file.name]
        if not names:
            self.report({"ERROR"}, "No picture was chosen: mark one or more in the file browser")
            return {"CANCELLED"}
        added = 0
        for name in names:
            try:
                add_reference(settings, open_image(Path(self.directory, name)))
                added += 1
            except BadInput as error:
                self.report({"ERROR"}, str(error))
        return {"FINISHED"} if added else {"CANCELLED"}


class SHIAGE_OT_add_reference(bpy.types.Operator):
    """Use a picture that this file already has as a reference"""

    bl_idname = "shiage.add_reference"
    bl_label = "Add Reference"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    owner: OWNER
    image: StringProperty(name="Image", options={"SKIP_SAVE"})

    def execute(self, context):
        settings = settings_of(context, self.owner)
        image = bpy.data.images.get(self.image)
        if settings is None or image is None:
            self.report({"ERROR"}, f"This file has no image '{self.image}': choose another")
            return {"CANCELLED"}
        add_reference(settings, image)
        return {"FINISHED"}


class SHIAGE_OT_remove_reference(bpy.types.Operator):
    """Take this reference out; the picture itself stays"""

    bl_idname = "shiage.remove_reference"
    bl_label = "Remove Reference"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    owner: OWNER
    index: IntProperty(min=0, options={"SKIP_SAVE"})

    def execute(self, context):
        settings = settings_of(context, self.owner)
        if settings is None or self.index >= len(settings.references):
            return {"CANCELLED"}
        settings.references.remove(self.index)
        settings.active_reference = max(0, min(settings.active_reference, len(settings.references) - 1))
        return {"FINISHED"}


class SHIAGE_OT_toggle_layer(bpy.types.Operator):
    """Color this layer, or leave it out"""

    bl_idname = "shiage.toggle_layer"
    bl_label = "Color Layer"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    object: StringProperty(options={"SKIP_SAVE"})
    layer: StringProperty(options={"SKIP_SAVE"})

    def execute(self, _context):
        ob = bpy.data.objects.get(self.object)
        if ob is None:
            return {"CANCELLED"}
        excluded = ob.shiage.excluded_layers
        index = excluded.find(self.layer)
        if index < 0:
            excluded.add().name = self.layer
        else:
            excluded.remove(index)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (SHIAGE_OT_open_references, SHIAGE_OT_add_reference, SHIAGE_OT_remove_reference, SHIAGE_OT_toggle_layer)
)
