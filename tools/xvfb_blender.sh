#!/usr/bin/env bash
# Run Blender's window on a virtual X server with software GL; SCRIPT.py runs at its start.
#
#   tools/xvfb_blender.sh SCRIPT.py [blender arguments...]
#
# SCRIPT.py drives the window from bpy.app.timers and ends with bpy.ops.wm.quit_blender().
# Exit status: Blender's; 3 when SCRIPT.py raised at the start, 124 when the time was up.
#
# Variables: BLENDER       the command that starts it (in-blender-sid blender, in a chroot, or blender)
#            CHROOT_HOME   its home, kept for the shader cache (/tmp/shiage-gui-home)
#            WIDTH HEIGHT  of the window in pixels (1024 x 640)
#            LIMIT         seconds (180)
set -euo pipefail
script="${1:?usage: xvfb_blender.sh SCRIPT.py [blender arguments...]}"
shift
read -ra blender <<<"${BLENDER:-in-blender-sid blender}"
WIDTH="${WIDTH:-1024}" HEIGHT="${HEIGHT:-640}" LIMIT="${LIMIT:-180}"
export CHROOT_HOME="${CHROOT_HOME:-/tmp/shiage-gui-home}" LIBGL_ALWAYS_SOFTWARE=1
mkdir -p "$CHROOT_HOME"
enter=(env "HOME=$CHROOT_HOME")
[ "${#blender[@]}" = 1 ] || enter=("${blender[0]}")

scratch="$(mktemp -d)"
server=
trap '[ -z "$server" ] || { kill "$server"; wait "$server"; } 2>/dev/null || true; rm -rf "$scratch"' EXIT
# The server takes a free display and writes its number once it is ready.
"${enter[@]}" Xvfb -displayfd 1 -screen 0 "${WIDTH}x${HEIGHT}x24" +extension GLX -nolisten tcp >"$scratch/display" 2>"$scratch/log" &
server=$!
for _ in $(seq 200); do
  [ ! -s "$scratch/display" ] || break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
[ -s "$scratch/display" ] || { cat "$scratch/log" >&2; echo "Xvfb did not start" >&2; exit 1; }
DISPLAY=":$(head -n 1 "$scratch/display")"
export DISPLAY

status=0
timeout -k 10 "$LIMIT" "${enter[@]}" "${blender[@]: -1}" --window-geometry 0 0 "$WIDTH" "$HEIGHT" --python-exit-code 3 "$@" --python "$script" || status=$?
exit "$status"
