"""See engine/models/anidoc."""
