"""Errors that the user can act on. Standard library only: Blender loads this module too.

Every message is one sentence that says what happened and what to do. `kind` travels in the `failed` event and in
result.json, so that the caller can react without reading the text.
"""


class ShiageError(Exception):
    """Base class of all errors whose message is shown to the user."""

    kind = "error"
    exit_code = 4


class BadInput(ShiageError):
    """The request is invalid: a missing file, an empty range, an unknown model."""

    kind = "bad_input"
    exit_code = 2


class EngineMissing(ShiageError):
    """No engine for this version of Shiage is installed."""

    kind = "engine_missing"
    exit_code = 3


class JobFailed(ShiageError):
    """The job started and could not be finished: out of memory, a full disk, a crash of the engine."""

    kind = "job_failed"
    exit_code = 4


class JobCancelled(ShiageError):
    """The user cancelled the job. Finished pictures are kept."""

    kind = "cancelled"
    exit_code = 130
