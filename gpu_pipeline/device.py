"""Which device a run gets, and why."""

import ctypes
import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gpu_pipeline.kernels.backends import BACKENDS, BackendName, availability, check_available

__all__ = ["DeviceChoice", "choose_device", "processor_name"]


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """The device of a run.

    Attributes
    ----------
    name : str
        What a person calls it.
    backend : str
        Name of the backend that drives it.
    reason : str
        Why this one, in one clause.
    fix : str or None
        What to do to get a faster one, if anything.
    """

    name: str
    backend: BackendName
    reason: str
    fix: str | None = None


def choose_device(backend: str = "auto") -> DeviceChoice:
    """Choose the best backend that can run, or check the one asked for.

    Raises
    ------
    BackendUnavailableError
        If a backend asked for by name cannot run: there is no silent fallback.
    """
    if backend != "auto":
        check_available(str(backend))
        name: BackendName = backend  # type: ignore[assignment]  # check_available knows the name
        return DeviceChoice(processor_name(), name, "asked for by name")
    best = next(name for name in BACKENDS if availability(name).runs)
    reason, fix = _why_no_gpu()
    return DeviceChoice(processor_name(), best, reason, fix)


def _why_no_gpu() -> tuple[str, str | None]:
    library = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
    if _loads(library):
        return "an NVIDIA driver is present, but this version has kernels for the CPU only", None
    return (
        f"no NVIDIA driver found ({library} is missing)",
        "for a GPU install an NVIDIA driver and the extra 'gpu-pipeline[cuda13]'; this version still uses the CPU",
    )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


@cache
def processor_name() -> str:
    """Name of the processor, as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return "CPU: " + line.partition(":")[2].strip()
    return f"CPU: {platform.processor() or platform.machine()}"
