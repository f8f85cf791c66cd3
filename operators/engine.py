"""The engine's Python: install it, choose it, test it. What is known of it is kept here, so that drawing looks at no disk."""

import bpy

from ..engine.host import environment
from ..engine.host.environment import ChildProcess, EngineStatus
from ..engine.job.errors import ShiageError
from ..engine.job.messages import TERMINAL, Cancelled, Done, Failed, Progress
from . import session
from .scene.settings import options

status = EngineStatus("missing", "")
installing: ChildProcess | None = None
progress = Progress("", "", 0.0)  # of the installation


def refresh_status() -> None:
    """See whether there is an engine at all, which is cheap; `SHIAGE_OT_test_engine` sees whether it works."""
    global status
    python = session.engine_python()
    if python.is_file():
        status = EngineStatus("ready", "The engine is installed")
    else:
        status = EngineStatus("missing", f"There is no engine at {python}: install it, or choose another Python")


def find_obstacle() -> str:
    """Why no job can be done at present; '' when nothing is known to be in the way."""
    if installing is not None:
        return "The engine is being installed: wait until that is done"
    return "" if status.usable else "Install the engine first, in Shiage's preferences"


class SHIAGE_OT_install_engine(bpy.types.Operator):
    """Download Python packages of about 1 GB and install the engine with them, beside Blender and not into it"""

    bl_idname = "shiage.install_engine"
    bl_label = "Install Engine"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context):
        if installing is not None:
            cls.poll_message_set("The engine is being installed")
            return False
        if not bpy.app.online_access:
            cls.poll_message_set("Installing needs the network: allow online access in the preferences, under System")
            return False
        return True

    def execute(self, _context):
        global installing, progress
        session.close_engine()  # a running engine would hold on to what is to be replaced
        try:
            installing = environment.start_install(session.user_folder("engine"), bpy.app.online_access)
        except ShiageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        progress = Progress("", "Starting", 0.0)
        session.wake_timer()
        return {"FINISHED"}


class SHIAGE_OT_cancel_install(bpy.types.Operator):
    """Stop the installation; what was downloaded is kept for the next time"""

    bl_idname = "shiage.cancel_install"
    bl_label = "Cancel Installation"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context):
        if installing is None:
            cls.poll_message_set("No installation is running")
        return installing is not None

    def execute(self, _context):
        if installing is not None:
            for event in installing.cancel():
                _handle_event(event)
        session.redraw_sidebars(at_once=True)
        return {"FINISHED"}


class SHIAGE_OT_open_install_log(bpy.types.Operator):
    """Show what the last installation printed"""

    bl_idname = "shiage.open_install_log"
    bl_label = "Installation Log"
    bl_options = {"REGISTER"}

    def execute(self, _context):
        log = session.user_folder("engine") / environment.LOG_FILE
        if not log.is_file():
            self.report({"ERROR"}, "There is no log: nothing was installed from here yet")
            return {"CANCELLED"}
        bpy.ops.wm.path_open(filepath=str(log))
        return {"FINISHED"}


class SHIAGE_OT_test_engine(bpy.types.Operator):
    """Check the engine's Python and its packages, and color a small picture with it. Blender waits some seconds for it"""

    bl_idname = "shiage.test_engine"
    bl_label = "Test Engine"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context):
        if installing is not None:
            cls.poll_message_set("The engine is being installed: wait until that is done")
        return installing is None

    def execute(self, context):
        global status
        if context.window:
            context.window.cursor_set("WAIT")
        python = session.engine_python()
        status = environment.check_engine(python)
        if status.state == "ready":
            status = environment.run_self_test(python, session.user_folder("engine"))
        if context.window:
            context.window.cursor_set("DEFAULT")
        session.redraw_sidebars(at_once=True)
        self.report({"INFO" if status.usable else "ERROR"}, status.text)
        return {"FINISHED"} if status.usable else {"CANCELLED"}


def _handle_event(event) -> None:
    global installing, progress, status
    if isinstance(event, Progress):
        progress = event
    elif isinstance(event, TERMINAL):
        installing = None
        options.refresh_models()
        if isinstance(event, Done):
            status = environment.check_engine(session.engine_python())
        else:
            refresh_status()
            if isinstance(event, Failed):
                status = EngineStatus("broken", event.text)
            elif isinstance(event, Cancelled) and not status.usable:
                status = EngineStatus("missing", "The installation was cancelled: what was downloaded is kept for the next time")


def _follow_install() -> bool:
    if installing is not None:
        events = installing.poll()
        for event in events:
            _handle_event(event)
        if events:
            session.redraw_sidebars()
    return installing is not None


CLASSES = (
    SHIAGE_OT_install_engine,
    SHIAGE_OT_cancel_install,
    SHIAGE_OT_open_install_log,
    SHIAGE_OT_test_engine,
)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    session.on_tick.append(_follow_install)
    refresh_status()


def unregister() -> None:
    if installing is not None:
        for event in installing.cancel():
            _handle_event(event)
    session.on_tick.remove(_follow_install)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
