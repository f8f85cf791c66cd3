"""The button that lets a scene show colors as they are."""

import bpy

from .jobs import push_undo
from .scene import colors


class SHIAGE_OT_show_exact_colors(bpy.types.Operator):
    """Show and render the colors that the pictures have: sets the scene's view transform to Standard, without look, exposure and gamma"""

    bl_idname = "shiage.show_exact_colors"
    bl_label = "Show Exact Colors"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if colors.find_difference(context.scene):
            return True
        cls.poll_message_set("The colors are exact already")
        return False

    def execute(self, context):
        colors.show_exact_colors(context.scene)
        push_undo(context, self.bl_label)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((SHIAGE_OT_show_exact_colors,))
