"""Run by Blender: what `blender -b FILE -c shiage ARGUMENTS` does with the open file, and its exit status to a file.

... -- STATUS_FILE [ARGUMENTS...]
"""

import sys
from pathlib import Path

import addon_utils
import bpy

NAME = "bl_ext.user_default.shiage"
answer, *arguments = sys.argv[sys.argv.index("--") + 1 :]
commands = {}
register = bpy.utils.register_cli_command


def remember(name, main):
    commands[name] = main
    return register(name, main)


bpy.utils.register_cli_command = remember
try:
    addon_utils.disable(NAME)
    addon_utils.enable(NAME)
finally:
    bpy.utils.register_cli_command = register
Path(answer).write_text(str(commands["shiage"](arguments)), "utf-8")
