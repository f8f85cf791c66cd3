"""See engine/models/animate_anyone."""
