"""Replaces the `blender` program where there is none: Blender as a Python module, with this repository as its extension.

    .venv/bpy-5.2/bin/python tools/bpy_blender.py -b [FILE] -c shiage ARGUMENTS...
    .venv/bpy-5.2/bin/python tools/bpy_blender.py -b [FILE] [--python-exit-code N] --python SCRIPT [-- ARGUMENTS...]

Preferences and extensions are those of $BLENDER_USER_RESOURCES, which must be set. The extension is linked into it.
"""

import os
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "bl_ext.user_default.shiage"


def main() -> int:
    arguments = sys.argv[1:]
    if arguments[:1] != ["-b"]:
        sys.exit(__doc__)
    file = arguments.pop(1) if len(arguments) > 1 and not arguments[1].startswith("-") else None
    commands = _enable_extension()
    import bpy

    if file:
        bpy.ops.wm.open_mainfile(filepath=str(Path(file).resolve()))
    if arguments[1:3] == ["-c", "shiage"]:
        return commands["shiage"](arguments[3:])
    if arguments[1:2] == ["--python-exit-code"]:  # a script that raises ends this Python with 1 anyhow
        del arguments[1:3]
    if len(arguments) > 2 and arguments[1] == "--python":
        runpy.run_path(arguments[2], run_name="__main__")
        return 0
    sys.exit(__doc__)


def _enable_extension() -> dict:
    """Enable the extension. Returns the commands that it registers: {name: function of a list of arguments}."""
    folder = Path(os.environ["BLENDER_USER_RESOURCES"], "extensions", "user_default")
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "shiage"
    if not link.is_symlink():
        link.symlink_to(ROOT, target_is_directory=True)
    import bpy  # isort: skip  (it provides addon_utils)
    import addon_utils

    commands = {}
    register = bpy.utils.register_cli_command

    def remember_command(name, function):
        commands[name] = function
        return register(name, function)

    bpy.utils.register_cli_command = remember_command
    if addon_utils.enable(NAME, default_set=True) is None:
        sys.exit("Shiage could not be enabled; see the error above.")
    return commands


if __name__ == "__main__":
    sys.exit(main())
