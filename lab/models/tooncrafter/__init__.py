"""See engine/models/tooncrafter."""
