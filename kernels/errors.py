"""Errors of the kernels layer.

KernelError
└── BackendUnavailableError   the backend is known, but cannot run on this machine
"""


class KernelError(Exception):
    """Base class of every error that the kernels raise on purpose."""


class BackendUnavailableError(KernelError, RuntimeError):
    """The backend is known, but cannot run on this machine.

    Parameters
    ----------
    backend : str
        Name of the backend that was asked for.
    obstacle : str
        What is missing, as one clause.
    install : str, optional
        Command that removes the obstacle; empty if no command can.
    """

    exit_code = 5

    def __init__(self, backend: str, obstacle: str, install: str = "") -> None:
        # Positional arguments only: exceptions are pickled between processes.
        super().__init__(backend, obstacle, install)
        self.backend, self.obstacle, self.install = backend, obstacle, install

    def __str__(self) -> str:
        remedy = f"; {self.install}" if self.install else ""
        return f"backend {self.backend!r} cannot run: {self.obstacle}{remedy}"
