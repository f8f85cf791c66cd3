"""Everything heavy, in a process and a Python of its own. Never imports bpy; `python -m engine` is its outside face."""

VERSION = "0.1.0"
