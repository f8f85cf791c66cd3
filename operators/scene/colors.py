"""A scene's color management: whether pictures come out in the colors that they have, and settings with which they do."""

import bpy


def find_difference(scene: bpy.types.Scene) -> str:
    """What makes the scene show and render pictures in other colors than they have, in one sentence with what to do; else ''.

    No color space of a picture undoes a view transform: none but Standard can show every color.
    """
    if scene.render.image_settings.color_management == "OVERRIDE":
        reason = "The output's own color management may change"
    elif changing := _find_changing_setting(scene.view_settings):
        reason = f"{changing} changes"
    elif scene.display_settings.display_device != "sRGB":
        reason = f"The display device '{scene.display_settings.display_device}' changes"
    else:
        return ""
    return f"{reason} the colors of strips and planes: choose Show Exact Colors."


def _find_changing_setting(view: bpy.types.ColorManagedViewSettings) -> str:
    if view.view_transform != "Standard":
        return f"The view transform '{view.view_transform}'"
    if view.look != "None":
        return f"The look '{view.look}'"
    if view.exposure != 0:
        return "The exposure of the view"
    if view.gamma != 1:
        return "The gamma of the view"
    if view.use_curve_mapping:
        return "The curve of the view"
    return "The white balance of the view" if view.use_white_balance else ""


def show_exact_colors(scene: bpy.types.Scene) -> None:
    """Let a scene show and render each color as the picture has it."""
    scene.render.image_settings.color_management = "FOLLOW_SCENE"
    scene.display_settings.display_device = "sRGB"
    view = scene.view_settings
    view.view_transform, view.look, view.exposure, view.gamma = "Standard", "None", 0, 1
    view.use_curve_mapping = view.use_white_balance = False
