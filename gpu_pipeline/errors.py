"""Errors that users meet, each with the exit code of the command line.

PipelineError (1)
├── InputError (2), also a ValueError
│   ├── ConfigError
│   ├── ShapeError
│   └── StepTooLargeError
├── IntegrationError (3)
├── InsufficientMemoryError (4), also a MemoryError
└── StoreError (1)

``BackendUnavailableError`` (5) comes from the kernels and is offered here as well.
"""

from gpu_pipeline.kernels.errors import BackendUnavailableError, KernelError

__all__ = [
    "BackendUnavailableError",
    "ConfigError",
    "InputError",
    "InsufficientMemoryError",
    "IntegrationError",
    "KernelError",
    "PipelineError",
    "ShapeError",
    "StepTooLargeError",
    "StoreError",
]


class PipelineError(Exception):
    """Base class of the errors that a user can act on."""

    exit_code = 1


class InputError(PipelineError, ValueError):
    """A value the user gave cannot be used."""

    exit_code = 2


class ConfigError(InputError):
    """A configuration file cannot be used; the message names the key."""


class ShapeError(InputError):
    """An array has the wrong shape or dtype; nothing is padded, cut or cast silently."""


class StepTooLargeError(InputError):
    """The step is too large for the rates of the model."""


class IntegrationError(PipelineError):
    """The integration broke down: a non-finite state, or a step size that fell below the resolution of time."""

    exit_code = 3


class InsufficientMemoryError(PipelineError, MemoryError):
    """The run needs more memory than the machine has."""

    exit_code = 4


class StoreError(PipelineError):
    """A run folder or result store is missing, foreign or damaged."""
