"""Corrections: point at a region that is painted wrongly, choose its color, and the whole shot is solved again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews
from bpy.app.translations import pgettext_tip
from bpy.props import EnumProperty, FloatVectorProperty, IntProperty, StringProperty

from ..engine import job as jobs
from ..engine.host.client import JobState
from ..engine.job.errors import BadInput, ShiageError
from ..engine.job.lock import lock_folder
from . import engine, session
from .jobs import import_pictures, push_undo
from .scene import settings
from .scene.read import camera, hints

COLUMNS = 8  # swatches in a row of the palette

_waiting: set[Path] = set()  # job folders that are solved again as soon as they are free
_icons: Any = None  # a square of each color


def find_painted_job(scene: bpy.types.Scene) -> session.JobEntry | None:
    """The job that has painted a scene, whether or not it is running again."""
    try:
        return session.find_entry(settings.job_folder(scene))
    except BadInput:
        return None


def find_obstacle(scene: bpy.types.Scene) -> str:
    """Why nothing can be corrected now, and what to do; '' when nothing is known to be in the way. Looks at memory only."""
    entry = find_painted_job(scene)
    if entry is None or not (entry.pictures or entry.live):
        return "Color the shot first, then correct it"
    return engine.find_obstacle()


def find_doubtful_pictures(scene: bpy.types.Scene) -> list[session.PictureNote]:
    """The pictures of a scene that have regions left unpainted for doubt."""
    entry = find_painted_job(scene)
    return [] if entry is None else [note for note in entry.notes if note.unknown]


def solve_again(scene: bpy.types.Scene) -> None:
    """Run a scene's job again with its present hints, at once or when it has ended; the drawings are not read anew. Raises ShiageError."""
    folder = settings.job_folder(scene)
    entry = session.find_entry(folder)
    if entry is not None and entry.live:
        _waiting.add(folder)
        session.wake_timer()
        return
    request = jobs.load_job(folder)
    if request.size != settings.get_size(scene):
        raise BadInput("The size of the pictures has changed since the shot was colored: color it again, that heeds the correction too.")
    with lock_folder(folder):
        jobs.save_job(replace(jobs.load_job(folder), hints=hints.of_scene(scene)), folder)
    if entry is None:
        entry = session.JobEntry(JobState(str(folder), scene.name), session.SceneOrigin.from_scene(scene), scene.shiage.destination)
    entry.warnings = ()
    session.submit_job(entry)


def _solve_waiting() -> bool:
    """Solve again what has become free; True while something waits."""
    for folder in list(_waiting):
        entry = session.find_entry(folder)
        if entry is not None and entry.live:
            continue
        _waiting.discard(folder)
        scene = None if entry is None else entry.origin.scene()
        if entry is not None and scene is not None:
            try:
                solve_again(scene)
            except ShiageError as error:
                entry.remark = str(error)
    return bool(_waiting)


class _SolvingOperator:
    """An operator that changes the hints and has the shot solved again."""

    def solve_shot(self, context, message: str):
        push_undo(context, message)
        try:
            solve_again(context.scene)
        except ShiageError as error:
            self.report({"WARNING"}, str(error))
            return {"FINISHED"}
        finally:
            session.redraw_sidebars(at_once=True)
        entry = find_painted_job(context.scene)
        if bpy.app.background and entry is not None:
            session.wait_for_job(entry, lambda _entry: None)
            if entry.job.state != "done":
                self.report({"ERROR"}, entry.job.text)
                return {"CANCELLED"}
            import_pictures(entry, context.scene)
        return {"FINISHED"}


class SHIAGE_OT_fix_region(bpy.types.Operator):
    """Click a wrongly painted region of this frame, in the preview or through the camera, and choose its color: the whole shot heeds it"""

    bl_idname = "shiage.fix_region"
    bl_label = "Fix Region"
    bl_options = {"REGISTER"}

    frame: IntProperty(options={"HIDDEN", "SKIP_SAVE"})
    point: FloatVectorProperty(size=2, default=(-1, -1), options={"HIDDEN", "SKIP_SAVE"})  # of the region that is to be like the next

    @classmethod
    def poll(cls, context):
        reason = find_obstacle(context.scene)
        if reason:
            cls.poll_message_set(pgettext_tip(reason))
        return not reason

    _pressed = False

    def invoke(self, context, _event):
        context.window.cursor_modal_set("EYEDROPPER")
        wanted = "Click the region that it is to be like" if self.point[0] >= 0 else "Click the region to correct"
        context.workspace.status_text_set(f"{pgettext_tip(wanted)}    Esc: {pgettext_tip('Cancel')}")
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type in {"ESC", "RIGHTMOUSE"}:
            return self._end_picking(context, {"CANCELLED"})
        if event.type != "LEFTMOUSE":
            return {"PASS_THROUGH"}
        if event.value == "PRESS" or not self._pressed:
            self._pressed = event.value == "PRESS"  # the palette opens on release, else that would choose what lies under the mouse
            return {"RUNNING_MODAL"}
        self._end_picking(context, {"FINISHED"})
        try:
            self._handle_click(context, _get_picture_point(context, event))
        except ShiageError as error:
            self.report({"WARNING"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def _end_picking(self, context, outcome):
        context.window.cursor_modal_restore()
        context.workspace.status_text_set(None)
        return outcome

    def _handle_click(self, context, point: hints.Point) -> None:
        scene = context.scene
        region = hints.region_at(settings.job_folder(scene), scene.frame_current, point)
        if self.point[0] >= 0:
            bpy.ops.shiage.correct(frame=self.frame, point=self.point, kind="SAME", other_frame=scene.frame_current, other_point=point)
            return
        frame = scene.frame_current

        def draw(menu, _context):
            draw_palette(menu.layout, region, frame, point)

        context.window_manager.popup_menu(draw, title="Fix Region", icon="EYEDROPPER")


def draw_palette(layout, region: hints.PaintedRegion, frame: int, point: hints.Point) -> None:
    """The colors that a region may wear, to be clicked."""
    layout.operator_context = "EXEC_DEFAULT"
    grid = layout.grid_flow(row_major=True, columns=COLUMNS, even_columns=True, align=True)
    for color in region.colors:
        button = grid.operator("shiage.correct", text="", icon_value=get_color_icon(color))
        button.frame, button.point, button.kind, button.color = frame, point, "COLOR", color
    layout.separator()
    button = layout.operator("shiage.correct", text="Leave Unpainted", icon="X")
    button.frame, button.point, button.kind = frame, point, "NONE"
    layout.operator_context = "INVOKE_DEFAULT"
    button = layout.operator("shiage.fix_region", text="Same as Another Region…", icon="EYEDROPPER")
    button.frame, button.point = frame, point


def get_color_icon(color: str) -> int:
    """The number of an icon that shows a color '#rrggbbaa'."""
    if color not in _icons:
        square = _icons.new(color)
        square.icon_size = (16, 16)
        square.icon_pixels_float = [value / 255 for value in bytes.fromhex(color[1:])] * 256
    return _icons[color].icon_id


def _get_picture_point(context, event) -> hints.Point:
    """The place of the picture that the mouse is on. Raises BadInput when it is on none."""
    for area in context.window.screen.areas:
        for region in area.regions:
            x, y = event.mouse_x - region.x, event.mouse_y - region.y
            if not (0 <= x < region.width and 0 <= y < region.height):
                continue
            if area.type == "SEQUENCE_EDITOR" and region.type == "PREVIEW":
                return _in_preview(context.scene, region, x, y)
            if area.type == "VIEW_3D" and region.type == "WINDOW" and not _is_over_ui(area, event):
                return _in_viewport(context.scene, area.spaces.active, region, x, y)
    raise BadInput("Click on the picture: in the Sequencer's preview, or in a viewport that looks through the camera.")


def _is_over_ui(area, event) -> bool:
    """Whether the mouse is on a sidebar, toolbar or header that lies over the viewport."""
    return any(
        region.type != "WINDOW"
        and region.width > 1
        and 0 <= event.mouse_x - region.x < region.width
        and 0 <= event.mouse_y - region.y < region.height
        for region in area.regions
    )


def _in_preview(scene, region, x: float, y: float) -> hints.Point:
    render = scene.render
    across, up = region.view2d.region_to_view(x, y)  # from the picture's middle, in pixels of the full resolution
    aspect = render.pixel_aspect_x / render.pixel_aspect_y
    return across / (render.resolution_x * aspect) + 0.5, 0.5 - up / render.resolution_y


def _in_viewport(scene, space, region, x: float, y: float) -> hints.Point:
    seen = space.region_3d
    if seen.view_perspective != "CAMERA" or scene.camera is None:
        raise BadInput("Look through the camera first (View, Cameras, Active Camera), or click in the Sequencer's preview.")
    left, right, bottom, top = camera.frame_in_region(scene, region, seen)
    return (x - left) / (right - left), (top - y) / (top - bottom)


class SHIAGE_OT_correct(_SolvingOperator, bpy.types.Operator):
    """Let this region wear this color, here and wherever it goes in the shot"""

    bl_idname = "shiage.correct"
    bl_label = "Correct Region"
    bl_options = {"REGISTER", "INTERNAL"}

    frame: IntProperty(options={"SKIP_SAVE"})
    point: FloatVectorProperty(size=2, options={"SKIP_SAVE"})
    kind: EnumProperty(items=settings.HINTS, options={"SKIP_SAVE"})
    color: StringProperty(options={"SKIP_SAVE"})
    other_frame: IntProperty(options={"SKIP_SAVE"})
    other_point: FloatVectorProperty(size=2, options={"SKIP_SAVE"})

    @classmethod
    def description(cls, _context, properties):
        return properties.color[:7] if properties.kind == "COLOR" else cls.__doc__

    def execute(self, context):
        scene = context.scene
        width, height = settings.get_size(scene)
        same_as = jobs.FramePoint(self.other_frame, (self.other_point[0] * width, self.other_point[1] * height))
        hint = jobs.Hint(
            self.frame,
            (self.point[0] * width, self.point[1] * height),
            self.color if self.kind == "COLOR" else None,
            same_as if self.kind == "SAME" else None,
        )
        try:
            hints.add_hint(scene, hint, hints.region_at(settings.job_folder(scene), self.frame, tuple(self.point)))
        except ShiageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return self.solve_shot(context, self.bl_label)


class SHIAGE_OT_remove_correction(_SolvingOperator, bpy.types.Operator):
    """Take this correction back; the whole shot is solved again"""

    bl_idname = "shiage.remove_correction"
    bl_label = "Remove Correction"
    bl_options = {"REGISTER", "INTERNAL"}

    index: IntProperty(min=0, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        if not context.scene.shiage.hints:
            cls.poll_message_set(pgettext_tip("There is no correction to remove"))
        return bool(context.scene.shiage.hints)

    def execute(self, context):
        kept = context.scene.shiage
        if self.index >= len(kept.hints):
            return {"CANCELLED"}
        kept.hints.remove(self.index)
        kept.active_hint = max(0, min(kept.active_hint, len(kept.hints) - 1))
        return self.solve_shot(context, self.bl_label) if not find_obstacle(context.scene) else {"FINISHED"}


class SHIAGE_OT_next_unknown(bpy.types.Operator):
    """Go to the next picture with regions that were left unpainted for doubt"""

    bl_idname = "shiage.next_unknown"
    bl_label = "Go to Next Unknown"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if find_doubtful_pictures(context.scene):
            return True
        cls.poll_message_set(pgettext_tip("No region is in doubt"))
        return False

    def execute(self, context):
        frames = [note.frame for note in find_doubtful_pictures(context.scene)]
        context.scene.frame_set(next((frame for frame in frames if frame > context.scene.frame_current), frames[0]))
        return {"FINISHED"}


CLASSES = (SHIAGE_OT_fix_region, SHIAGE_OT_correct, SHIAGE_OT_remove_correction, SHIAGE_OT_next_unknown)


def register() -> None:
    global _icons
    _icons = bpy.utils.previews.new()
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    session.on_tick.append(_solve_waiting)


def unregister() -> None:
    _waiting.clear()
    session.on_tick.remove(_solve_waiting)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
    bpy.utils.previews.remove(_icons)
