"""How the figure on the reference stands: its joints are clicked on the picture one by one, dragged into place, or taken from the rig."""

import bpy
from bpy.app.translations import pgettext_tip
from bpy.props import BoolProperty

from ..engine.job.errors import BadInput, ShiageError
from . import animate, session
from .scene import settings
from .scene.read import camera
from .scene.rig import bones, marks, places, poses

NEAR, NEARER = 12, 4  # px around a mark within which a click takes hold of it; while another joint is asked for, which may lie beside

TITLES = {"nose": "Nose"} | {name: place.title for name, place in places.PLACES.items() if name in marks.JOINTS}
marking: "SHIAGE_OT_mark_reference | None" = None  # the one that is running


def reference_of(context) -> bpy.types.Image | None:
    return context.scene.shiage.rig.reference


class _OnReference:
    """An operator on the joints of the scene's reference."""

    @classmethod
    def poll(cls, context):
        image = reference_of(context)
        reason = ""
        if image is None:
            reason = "Choose a picture of the character first"
        elif image.library is not None:
            reason = "The picture belongs to another file: make it local to mark joints on it"
        if reason:
            cls.poll_message_set(pgettext_tip(reason))  # pyright: ignore
        return not reason


class SHIAGE_OT_mark_reference(_OnReference, bpy.types.Operator):
    """Click the joints of the figure on the picture, one after the other, so that the poses get the drawing's proportions"""

    bl_idname = "shiage.mark_reference"
    bl_label = "Mark Joints"
    bl_options = {"REGISTER", "UNDO"}

    _held = ""  # the joint that is dragged

    def invoke(self, context, _event):
        global marking
        area = _image_area(context)
        self.pointer, self.was = area.as_pointer(), area.ui_type
        area.ui_type = "IMAGE_EDITOR"
        area.spaces.active.image = image = reference_of(context)
        self.before = marks.of_image(image)
        self.asked = [name for name in marks.JOINTS if name not in self.before]
        marking = self
        context.window.cursor_modal_set("CROSSHAIR")
        context.window_manager.modal_handler_add(self)
        self._show_prompt(context)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        image = reference_of(context)  # looked up each time: undo and other operators may have been at work
        region = image and self._find_region(context)
        pressed = event.value == "PRESS"
        if image is None or region is None or (event.type in {"RET", "NUMPAD_ENTER"} and pressed):
            return self._end_marking(context, {"FINISHED"})
        if event.type in {"ESC", "RIGHTMOUSE"} and pressed:
            marks.set_marks(image, self.before)
            return self._end_marking(context, {"CANCELLED"})
        x, y = event.mouse_x - region.x, event.mouse_y - region.y
        inside = 0 <= x < region.width and 0 <= y < region.height
        if self._held and event.type == "MOUSEMOVE":
            self._set_mark(image, self._held, region, x, y)
        elif self._held and event.type == "LEFTMOUSE" and not pressed:
            self._held = ""
        elif event.type == "LEFTMOUSE" and pressed and inside:
            self._held = _find_mark_near(image, region, (x, y), NEARER if self.asked else NEAR) or (self.asked.pop(0) if self.asked else "")
            if self._held:
                self._set_mark(image, self._held, region, x, y)
        elif event.type == "X" and pressed and inside and self.asked:
            self.asked.pop(0)
        elif event.type == "BACK_SPACE" or (event.type == "Z" and event.ctrl):  # Blender's own undo would take back what is under way
            if pressed:
                self._go_back(image)
        else:
            return {"PASS_THROUGH"}  # zoom and pan as ever
        self._show_prompt(context)
        return {"RUNNING_MODAL"}

    def cancel(self, _context):
        """Blender ends it: a file is loaded, or the window is closed."""
        global marking
        marking = None

    @property
    def joint_prompt(self) -> str:
        """The joint that is asked for, in words; '' when all are there."""
        return TITLES[self.asked[0]] if self.asked else ""

    def _set_mark(self, image, name: str, region, x: float, y: float) -> None:
        u, v = region.view2d.region_to_view(x, y)
        marks.set_marks(image, {**marks.of_image(image), name: (min(max(u, 0.0), 1.0), min(max(1 - v, 0.0), 1.0))})

    def _go_back(self, image) -> None:
        """Ask for the joint before once more."""
        done = [name for name in marks.JOINTS if name not in self.asked]
        if done:
            self.asked.insert(0, done[-1])
            self.asked.sort(key=marks.JOINTS.index)
            marks.set_marks(image, {name: at for name, at in marks.of_image(image).items() if name not in self.asked})

    def _find_area(self, context):
        """The area of the picture, None when it was closed."""
        return next((area for area in context.window.screen.areas if area.as_pointer() == self.pointer), None)

    def _find_region(self, context):
        area = self._find_area(context)
        if area is None or area.type != "IMAGE_EDITOR":
            return None
        return next(region for region in area.regions if region.type == "WINDOW")

    def _show_prompt(self, context) -> None:
        wanted = (
            pgettext_tip("Click: {}").format(pgettext_tip(self.joint_prompt))
            if self.joint_prompt
            else pgettext_tip("Drag what is not right")
        )
        keys = "    ".join(f"{key}: {pgettext_tip(text)}" for key, text in _KEYS)
        context.workspace.status_text_set(f"{wanted}    {keys}")
        _redraw_marks(context)

    def _end_marking(self, context, outcome):
        global marking
        marking = None
        context.window.cursor_modal_restore()
        context.workspace.status_text_set(None)
        area = self._find_area(context)
        if area is not None:
            area.ui_type = self.was
        _redraw_marks(context)
        return outcome


def _find_mark_near(image, region, mouse: tuple[float, float], limit: float) -> str:
    """The joint that is marked under the mouse, '' for none."""
    places = {name: to_region(region, at) for name, at in marks.of_image(image).items()}
    away = {name: max(abs(at[0] - mouse[0]), abs(at[1] - mouse[1])) for name, at in places.items()}
    name = min(away, key=away.__getitem__, default="")
    return name if name and away[name] <= limit else ""


def _redraw_marks(context) -> None:
    """Show the joints as they are now, in the sidebars and over the picture."""
    session.redraw_sidebars(at_once=True)
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                area.tag_redraw()


_KEYS = (("X", "Skip"), ("Backspace", "Back"), ("Enter", "Finish"), ("Esc", "Cancel"))


def to_region(region, at: marks.Point) -> tuple[float, float]:
    """A place of the picture in pixels of an Image Editor's region, from its bottom left."""
    return region.view2d.view_to_region(at[0], 1 - at[1], clip=False)


def _image_area(context):
    """The area to show the picture in: an Image Editor, or the largest other area, which is one meanwhile."""
    areas = list(context.window.screen.areas)
    editors = [area for area in areas if area.ui_type == "IMAGE_EDITOR"]
    return max(editors or areas, key=lambda area: area.width * area.height)


class SHIAGE_OT_marks_from_rig(_OnReference, bpy.types.Operator):
    """Lay the armature's rest pose over the figure on the picture as a first guess; then drag what is not right"""

    bl_idname = "shiage.marks_from_rig"
    bl_label = "Guess from Rig"
    bl_options = {"REGISTER", "UNDO"}

    use_frame: BoolProperty(
        name="Present Frame",
        description="Take the pose of this frame through the camera instead: for a rig that was posed over the picture, as the camera's "
        "background image",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, _context, properties):
        return cls.bl_rna.properties["use_frame"].description if properties.use_frame else cls.__doc__

    def execute(self, context):
        scene, image = context.scene, reference_of(context)
        armature = scene.shiage.rig.armature
        assert image is not None, "poll has seen to it"
        try:
            reason = animate.obstacle_of_armature(scene, armature)
            if reason:
                raise BadInput(f"{reason}.")
            if not all(image.size):
                raise BadInput(f"The picture '{image.name}' can't be read: choose another.")
            figure = poses.read_figure(armature, bones.of_armature(armature))
            if self.use_frame:
                depsgraph, size = context.evaluated_depsgraph_get(), settings.get_size(scene)
                marks.set_marks_from_pose(image, poses.read_pose(figure, depsgraph, camera.of_scene(scene, depsgraph, size)), size)
            else:
                joints = {name: at for name, at in poses.at_rest(figure).items() if name in marks.JOINTS}
                marks.set_marks(image, marks.over_figure(image, joints))
        except ShiageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        _redraw_marks(context)
        return {"FINISHED"}


class SHIAGE_OT_clear_marks(_OnReference, bpy.types.Operator):
    """Forget the joints of the figure on the picture: the poses keep the rig's proportions then"""

    bl_idname = "shiage.clear_marks"
    bl_label = "Clear Joints"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        marks.set_marks(reference_of(context), {})
        _redraw_marks(context)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((SHIAGE_OT_mark_reference, SHIAGE_OT_marks_from_rig, SHIAGE_OT_clear_marks))
