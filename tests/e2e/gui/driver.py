"""Drives Blender's window from within: a scenario is a generator of steps that yields the seconds until its next step.

    from driver import run
    def scenario(): ...; yield 0.5; ...
    run(scenario)

Between two steps Blender handles its events, so a click has its effect by the next one. The seconds of a step that points, clicks or
presses a key start when the input has reached the X server, however busy the machine is. Blender quits after the scenario. If it raised,
the traceback is in $SHIAGE_TEST_OUT/failure.txt, with a screenshot beside it.
"""

import os
import subprocess
import sys
import traceback
from pathlib import Path

import bpy

OUT = Path(os.environ["SHIAGE_TEST_OUT"])
_inputs: list[subprocess.Popen] = []  # processes of xdotool that may be running


def run(scenario) -> None:
    steps = scenario()
    pause = 0.0

    def step():
        nonlocal pause
        if _inputs:
            if any(process.poll() is None for process in _inputs):
                return 0.02
            _inputs.clear()
            return pause
        try:
            pause = next(steps)
            return 0.02 if _inputs else pause
        except StopIteration:
            bpy.ops.wm.quit_blender()
        except Exception:
            (OUT / "failure.txt").write_text(traceback.format_exc(), "utf-8")
            screenshot("failure.png")
            bpy.ops.wm.quit_blender()
            raise

    quiet()
    bpy.app.timers.register(step, first_interval=3.0, persistent=True)


def quiet() -> None:
    """Set preferences for fast software drawing, without saving them."""
    preferences = bpy.context.preferences
    preferences.use_preferences_save = False
    preferences.view.show_splash = False
    preferences.system.viewport_aa = "OFF"


def window():
    return bpy.context.window_manager.windows[0]


def viewport():
    """The 3-D viewport, solid, with its sidebar open."""
    area = next(area for area in window().screen.areas if area.type == "VIEW_3D")
    area.spaces.active.shading.type = "SOLID"
    area.spaces.active.show_region_ui = True
    return area


def cutting_desk():
    """Steps that reduce the window to the viewport, looking through the camera, the Sequencer's preview beside it and its strips below.
    Returns the three areas."""
    screen = window().screen
    for area in [area for area in screen.areas if area.type != "VIEW_3D"]:
        with bpy.context.temp_override(window=window(), area=area):
            bpy.ops.screen.area_close()
        yield 0.5
    _split("HORIZONTAL", 0.22)
    yield 0.5
    strips_area = min(screen.areas, key=lambda area: area.height)
    strips_area.type = "SEQUENCE_EDITOR"
    strips_area.spaces.active.view_type = "SEQUENCER"
    yield 0.5
    _split("VERTICAL", 0.56)
    yield 0.5
    preview = max((area for area in screen.areas if area.type == "VIEW_3D"), key=lambda area: area.x)
    preview.type = "SEQUENCE_EDITOR"
    preview.spaces.active.view_type = "PREVIEW"
    preview.spaces.active.preview_overlay.show_metadata = False
    for area in (strips_area, preview):
        area.spaces.active.show_region_ui = area.spaces.active.show_region_toolbar = False
    area = viewport()
    area.spaces.active.show_region_toolbar = area.spaces.active.show_gizmo = area.spaces.active.overlay.show_overlays = False
    area.spaces.active.region_3d.view_perspective = "CAMERA"
    yield 0.5
    return area, preview, strips_area


def _split(direction: str, factor: float) -> None:
    area = viewport()
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window(), area=area, region=region):
        bpy.ops.screen.area_split(direction=direction, factor=factor)


def show_all(area) -> None:
    """Fit the content of an area into it."""
    for region in (region for region in area.regions if region.type in ("WINDOW", "PREVIEW")):
        with bpy.context.temp_override(window=window(), area=area, region=region):
            for operator in (bpy.ops.sequencer.view_all, bpy.ops.sequencer.view_all_preview, bpy.ops.view3d.view_center_camera):
                if operator.poll():
                    operator()


def only_panels(*names: str) -> None:
    """Show only these panels of Shiage in the viewport, all open. Others would push them out of the window."""
    panels = module("panels")
    panels.unregister = lambda: None  # the panels are no longer registered
    for name in reversed(panels.PANELS):
        bpy.utils.unregister_class(getattr(bpy.types, f"SHIAGE_PT_{name}"))
    for name in names:
        made = panels._make_panel(name, "VIEW_3D")
        made.bl_options = set()
        bpy.utils.register_class(made)


def with_window(function) -> None:
    """Call a function that needs a window in its context, which timers lack: undo, modes."""
    area = viewport()
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window(), area=area, region=region):
        function()


def sidebar(area):
    return next(region for region in area.regions if region.type == "UI")


def until(condition, seconds: float):
    """Steps that wait for a condition. Raises TimeoutError."""
    waited = 0.0
    while not condition():
        if waited > seconds:
            raise TimeoutError(f"not within {seconds} s: {condition.__name__}")
        waited += 0.25
        yield 0.25


def find_button(area, operator: str):
    """Steps that find an operator's button in the sidebar by pointing at it. Returns its place in the window."""
    region = sidebar(area)
    x = region.x + int(0.45 * region.width)
    for y in range(region.y + region.height - 30, region.y + 10, -11):
        point(x, y)
        yield 0.15
        bpy.context.window_manager.clipboard = ""
        with bpy.context.temp_override(window=window(), area=area, region=region):
            if bpy.ops.ui.copy_python_command_button.poll():
                bpy.ops.ui.copy_python_command_button()
        if bpy.context.window_manager.clipboard.startswith(f"bpy.ops.{operator}("):
            return x, y
    raise LookupError(f"the sidebar shows no button of {operator}")


def point(x: int, y: int) -> None:
    _start_input(f"xdotool mousemove {x} {window().height - y}")


def click(x: int, y: int) -> None:
    """Click a place of the window, in pixels from the bottom left. Blender handles it after the step has ended."""
    _start_input(f"xdotool mousemove {x} {window().height - y}; sleep 0.3; xdotool click 1")


def drag(start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press the button at a place of the window, move to another and release it."""
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    moves = [f"mousemove {round(x)} {round(window().height - y)}" for x, y in (start, middle, end)]
    steps = [f"xdotool {step}" for step in (moves[0], "mousedown 1", moves[1], moves[2], "mouseup 1")]
    _start_input("; sleep 0.3; ".join(steps))


def key(name: str) -> None:
    """Press a key, by its X name. Blender handles it after the step has ended."""
    _start_input(f"xdotool key {name}")


def _start_input(command: str) -> None:
    _inputs.append(subprocess.Popen(["sh", "-c", command]))


def screenshot(name: str) -> None:
    subprocess.run(["import", "-window", "root", str(OUT / name)], check=False)


def module(name: str):
    """A module of the installed extension: module("operators.session")."""
    return sys.modules[f"bl_ext.user_default.shiage.{name}"]


def colored() -> bool:
    """Whether the strip exists. Raises RuntimeError when the job failed."""
    for entry in module("operators.session").entries:
        if entry.job.state in ("failed", "cancelled"):
            raise RuntimeError(entry.job.text)
    return bool(strips())


def begin_long_job(reference: Path) -> None:
    """Start a job that takes some seconds."""
    bpy.ops.shiage.open_references(directory=str(reference.parent), files=[{"name": reference.name}])
    settings = bpy.context.scene.shiage
    settings.size_mode, settings.width, settings.height = "OWN", 3000, 2250
    bpy.ops.wm.save_mainfile()
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}


def engines() -> list[str]:
    """The ids of this Blender's engine processes."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in children if b"\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def strips() -> list:
    editor = bpy.context.scene.sequence_editor
    return [] if editor is None else list(editor.strips if hasattr(editor, "strips") else editor.sequences)
