"""The demo shot: a courier who spots someone, points and waves. `demo/build.py` draws it; nothing here is part of the extension."""
