"""The backends by name: what each needs, whether it can run here, and how to open a problem on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from gpu_pipeline.kernels.errors import BackendUnavailableError

if TYPE_CHECKING:
    from gpu_pipeline.kernels.problem import Engine, Problem

BackendName = Literal["cupy", "numba_cuda", "jax", "cpu"]


@dataclass(frozen=True, slots=True)
class Backend:
    """One way to run the kernels.

    Attributes
    ----------
    arrays : str
        Library whose arrays it works on.
    requires : tuple of str
        Importable modules it needs.
    needs_gpu : bool
    install : str
        Command that adds the modules.
    implemented : bool
        Whether this version has kernels for it.
    """

    arrays: str
    requires: tuple[str, ...]
    needs_gpu: bool
    install: str
    implemented: bool


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a backend can run here; if not, what stands in the way and the command that adds what is missing."""

    runs: bool
    obstacle: str | None = None
    install: str | None = None


BACKENDS: Final[Mapping[BackendName, Backend]] = MappingProxyType(
    {
        "cupy": Backend("cupy", ("cupy",), True, "pip install 'gpu-pipeline[cuda13]'", False),
        "numba_cuda": Backend("cupy", ("numba_cuda", "cupy"), True, "pip install 'gpu-pipeline[cuda13]'", False),
        "jax": Backend("jax", ("jax",), False, "pip install 'gpu-pipeline[jax]'", False),
        "cpu": Backend("numpy", ("numba",), False, "pip install gpu-pipeline", True),
    }
)


def availability(name: BackendName) -> Availability:
    """Say whether the backend can run on this machine. Imports none of the libraries."""
    backend = BACKENDS[name]
    missing = [module for module in backend.requires if find_spec(module) is None]
    obstacles = [f"{' and '.join(missing)} not installed"] if missing else []
    if not backend.implemented:
        obstacles.append("this version has kernels for the CPU only")
    return Availability(not obstacles, ", and ".join(obstacles) or None, backend.install if missing else None)


def open_engine(name: BackendName, problem: Problem, *, threads: int | None = None) -> Engine:
    """Open a problem on a backend.

    Raises
    ------
    BackendUnavailableError
        If the backend is unknown or cannot run here.
    """
    check_available(name)
    if problem.method == "dopri5":
        from gpu_pipeline.kernels.cpu.adaptive import AdaptiveCpuEngine

        engine: Engine = AdaptiveCpuEngine(problem, threads)
        return engine
    from gpu_pipeline.kernels.cpu.engine import CpuEngine

    return CpuEngine(problem, threads)


def check_available(name: str) -> None:
    """Raise `BackendUnavailableError` unless the backend of this name can run here."""
    if name not in BACKENDS:
        raise BackendUnavailableError(name, f"there is no such backend; known are {', '.join(get_args(BackendName))}")
    found = availability(cast("BackendName", name))
    if not found.runs:
        remedy = f"{found.install} adds the library; " if found.install else ""
        raise BackendUnavailableError(name, found.obstacle or "", f"{remedy}use backend='cpu' to run now")
