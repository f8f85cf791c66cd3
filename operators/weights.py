"""The weights of models: which are there, and fetching them when a person asks. What is known is kept here, so that drawing looks at no
disk."""

import textwrap
import time
from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from ..engine import models
from ..engine.host import weights_store as store
from ..engine.host.environment import ChildProcess
from ..engine.job.errors import ShiageError
from ..engine.job.messages import TERMINAL, Done, Progress
from . import engine, session
from .scene.settings import options

missing: dict[str, list[str]] = {}  # files, by model
folders: dict[str, Path] = {}
empty: set[str] = set()  # models whose weights are put in place by hand, and whose folder has nothing in it
said: dict[str, str] = {}  # how the last download of a model ended, if badly
getting: ChildProcess | None = None
progress = Progress("", "", 0.0)  # of the download; its `job` is the model


def refresh_missing() -> None:
    """See which models and which files are there."""
    options.refresh_models()
    empty.clear()
    for model in options.list_models():
        folders[model.id] = store.locate_weights(model.id)
        missing[model.id] = store.list_missing(model.id, model.weights)
        if model.by_hand and not any(folders[model.id].glob("*")):
            empty.add(model.id)


def find_obstacle(scene: bpy.types.Scene, model: str) -> str:
    """Why a model can't work for a scene for want of weights; '' when nothing is known to be in the way. Looks at memory only."""
    if getattr(getattr(scene.shiage.options, model), "weights", ""):
        return ""
    if model in empty:
        return "Put the model's weights in place first: see Models"
    if not missing.get(model):
        return ""
    return "Wait until the weights are downloaded" if getting is not None else "Get the model's weights first, under Models"


class _ModelOperator:
    model: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @property
    def info(self) -> models.ModelInfo:
        return models.info(self.model)


class SHIAGE_OT_get_weights(_ModelOperator, bpy.types.Operator):
    """Download the model's weights, once. Their licenses are shown first"""

    bl_idname = "shiage.get_weights"
    bl_label = "Download Weights"
    bl_options = {"REGISTER"}

    accept: BoolProperty(name="I have read these licenses and accept them", options={"SKIP_SAVE"})
    _shown = ()  # what the dialog asks to accept

    @classmethod
    def poll(cls, _context):
        reason = ""
        if getting is not None:
            reason = "Weights are being downloaded: wait, or cancel that"
        elif not bpy.app.online_access:
            reason = "Downloading needs the network: allow online access in the preferences, under System"
        elif engine.find_obstacle():
            reason = engine.find_obstacle()
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def _list_unaccepted(self) -> list[store.WeightsSource]:
        """What is not accepted yet."""
        return [source for source in self.info.weights if not store.is_license_accepted(store.locate_weights(self.model), source)]

    def invoke(self, context, _event):
        self._shown = tuple(self._list_unaccepted())
        if not self._shown:
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(self, width=520, confirm_text="Download")

    def draw(self, _context):
        for source in self._shown:
            box = self.layout.box()
            box.label(text=f"{source.repository}  ·  {source.bytes / 1e9:.1f} GB", translate=False)
            column = box.column(align=True)
            for line in textwrap.wrap(source.license, 80):
                column.label(text=line, translate=False)
            box.operator("wm.url_open", text="Read the License", icon="URL").url = source.terms
        self.layout.prop(self, "accept")

    def execute(self, _context):
        global getting, progress
        try:
            unread = self._list_unaccepted()
            if unread and not self.accept:
                self.report({"ERROR"}, "Nothing was downloaded: accept the licenses first")
                return {"CANCELLED"}
            for source in unread:
                store.accept_license(store.locate_weights(self.model), source)
            getting = store.start_download(self.model, session.engine_python(), session.user_folder("engine"), bpy.app.online_access)
        except ShiageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        progress = Progress(self.model, "", 0.0)
        said.pop(self.model, None)
        session.wake_timer()
        while bpy.app.background and getting is not None:
            _follow_download()
            time.sleep(0.05)
        if self.model in said:
            self.report({"ERROR"}, said[self.model])
            return {"CANCELLED"}
        return {"FINISHED"}


class SHIAGE_OT_cancel_weights(bpy.types.Operator):
    """Stop the download; what has arrived is kept for the next time"""

    bl_idname = "shiage.cancel_weights"
    bl_label = "Cancel Download"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context):
        if getting is None:
            cls.poll_message_set("Nothing is being downloaded")
        return getting is not None

    def execute(self, _context):
        if getting is not None:
            _handle_events(getting.cancel())
        session.redraw_sidebars(at_once=True)
        return {"FINISHED"}


class SHIAGE_OT_copy_weights_list(_ModelOperator, bpy.types.Operator):
    """Copy the list of files and of the places they belong to, for a machine without network"""

    bl_idname = "shiage.copy_weights_list"
    bl_label = "Copy List of Files"
    bl_options = {"REGISTER"}

    def execute(self, context):
        context.window_manager.clipboard = store.describe_manual_download(self.model, self.info.weights)
        self.report({"INFO"}, f"The list of files is in the clipboard; they belong below {store.locate_weights(self.model)}")
        return {"FINISHED"}


class SHIAGE_OT_look_for_weights(bpy.types.Operator):
    """Look again which weights are there"""

    bl_idname = "shiage.look_for_weights"
    bl_label = "Look Again"
    bl_options = {"REGISTER"}

    def execute(self, _context):
        refresh_missing()
        session.redraw_sidebars(at_once=True)
        return {"FINISHED"}


def _handle_events(events) -> None:
    global getting, progress
    for event in events:
        if isinstance(event, Progress):
            progress = event
        elif isinstance(event, TERMINAL):
            getting = None
            refresh_missing()
            if not isinstance(event, Done):
                said[event.job] = getattr(event, "text", "The download was cancelled: what has arrived is kept for the next time")


def _follow_download() -> bool:
    if getting is not None:
        events = getting.poll()
        _handle_events(events)
        if events:
            session.redraw_sidebars()
    return getting is not None


CLASSES = (SHIAGE_OT_get_weights, SHIAGE_OT_cancel_weights, SHIAGE_OT_copy_weights_list, SHIAGE_OT_look_for_weights)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    session.on_tick.append(_follow_download)
    refresh_missing()


def unregister() -> None:
    if getting is not None:
        _handle_events(getting.cancel())
    session.on_tick.remove(_follow_download)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
