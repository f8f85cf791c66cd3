"""Run by Blender: run the scripts that conftest.py requests on stdin, one after the other, each on a freshly opened file.

A request is a line of JSON: {"file": path or null, "script": path, "arguments": [...]}. When its script has ended, a line is printed:
SERVED and, as JSON, the traceback if it raised.
"""

import json
import runpy
import sys
import traceback

import bpy

for line in sys.stdin:
    request = json.loads(line)
    error = ""
    try:
        if request["file"]:
            bpy.ops.wm.open_mainfile(filepath=request["file"])
        else:
            bpy.ops.wm.read_homefile()
        sys.argv[sys.argv.index("--") + 1 :] = request["arguments"]
        runpy.run_path(request["script"], run_name="__main__")
    except BaseException:  # noqa: BLE001  # the next script is to run, whatever this one has done
        error = traceback.format_exc()
    sys.stderr.flush()
    print(f"\nSERVED {json.dumps(error)}", flush=True)
