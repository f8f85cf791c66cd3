"""See engine/models/lvcd."""
