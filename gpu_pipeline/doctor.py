"""What this machine offers: packages, processor, memory, disk, GPUs, and which backends can run on them.

Nothing here raises for something that is missing, and no package is imported to ask for its version.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gpu_pipeline.device import DeviceChoice

__all__ = ["BackendReport", "Checkup", "Cpu", "Gpu", "Memory", "examine", "find_gpu", "render"]

PACKAGES: Final = (
    *("numpy", "numba", "scipy", "xarray", "zarr", "networkx"),
    *("matplotlib", "pandapower", "dask", "cupy", "numba-cuda", "jax"),
)
EXTRAS: Final = {"matplotlib": "plot", "pandapower": "grid", "dask": "dask"}

_SIMD: Final = ("avx512f", "avx2", "fma", "sve", "asimd", "neon")


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor: `usable` cores are those that this process may run on."""

    model: str
    cores: int
    usable: int
    simd: list[str]


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory, in bytes; None where the system does not say."""

    total: int | None
    available: int | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """NVIDIA driver and devices; `obstacle` says why there are none."""

    driver: str | None = None
    cuda: str | None = None
    devices: list[str] = field(default_factory=list)
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class BackendReport:
    """Whether a backend can run here; else what is in the way, and the command that helps."""

    name: str
    runs: bool
    obstacle: str | None
    install: str | None


@dataclass(frozen=True, slots=True)
class Checkup:
    """All that `gpu-pipeline doctor` knows."""

    gpu_pipeline: str
    python: str
    system: str
    packages: dict[str, str | None]
    cpu: Cpu
    memory: Memory
    disk_free: int
    gpu: Gpu
    backends: list[BackendReport]
    choice: "DeviceChoice"

    def as_dict(self) -> dict[str, object]:
        """Return the facts as plain dictionaries and lists, ready for JSON."""
        return asdict(self)


def examine() -> Checkup:
    """Look at this machine; takes well below a second and starts nothing.

    Returns
    -------
    facts : Checkup
    """
    from gpu_pipeline import __version__
    from gpu_pipeline.device import choose_device

    return Checkup(
        gpu_pipeline=__version__,
        python=f"{platform.python_version()} ({sys.executable})",
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        packages={name: _version(name) for name in PACKAGES},
        cpu=_cpu(),
        memory=_memory(),
        disk_free=shutil.disk_usage(Path.cwd()).free,
        gpu=find_gpu(),
        backends=_backends(),
        choice=choose_device(),
    )


def _version(package: str) -> str | None:
    """Version of an installed package; CuPy is called after the CUDA it was built for."""
    names = ("cupy-cuda13x", "cupy-cuda12x", "cupy") if package == "cupy" else (package,)
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def _cpu() -> Cpu:
    described = _cpuinfo()
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    flags = (described.get("flags") or described.get("Features") or "").split()
    model = described.get("model name") or platform.processor() or platform.machine()
    return Cpu(model, cores, usable, [name for name in _SIMD if name in flags])


def _cpuinfo() -> dict[str, str]:
    """Entries of the first processor that Linux lists; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory() -> Memory:
    import psutil

    try:
        memory = psutil.virtual_memory()
    except (OSError, RuntimeError):
        return Memory(None, None)
    return Memory(int(memory.total), int(memory.available))


def find_gpu() -> Gpu:
    """Ask the NVIDIA driver for its version and devices, without creating a context on any of them.

    Returns
    -------
    gpu : Gpu
        With `obstacle` where no device can be used. Never raises.
    """
    library = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
    try:
        cuda = ctypes.CDLL(library)
    except OSError:
        return Gpu(obstacle=f"no NVIDIA driver found ({library} is missing)")
    if code := cuda.cuInit(0):
        obstacle = f"the NVIDIA driver finds no usable GPU (cuInit returned {code}); see what nvidia-smi reports"
        return Gpu(_driver_version(), obstacle=obstacle)
    return Gpu(_driver_version(), _cuda_version(cuda), _device_names(cuda))


def _cuda_version(cuda: ctypes.CDLL) -> str:
    """Newest CUDA version that the driver runs."""
    number = ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(number))
    return f"{number.value // 1000}.{number.value % 1000 // 10}"


def _device_names(cuda: ctypes.CDLL) -> list[str]:
    count, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    cuda.cuDeviceGetCount(ctypes.byref(count))
    names = []
    for index in range(count.value):
        device = ctypes.c_int()
        cuda.cuDeviceGet(ctypes.byref(device), index)
        cuda.cuDeviceGetName(name, len(name), device)
        names.append(name.value.decode(errors="replace"))
    return names


def _driver_version() -> str | None:
    """Version of the driver as nvidia-smi tells it; the library knows only that of CUDA."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(answer.stdout.split()), None)


def _backends() -> list[BackendReport]:
    from gpu_pipeline.kernels.backends import BACKENDS, availability

    found = {name: availability(name) for name in BACKENDS}
    return [BackendReport(name, a.runs, a.obstacle, a.install) for name, a in found.items()]


def render(facts: Checkup) -> "RenderableType":
    """Lay the facts out for a terminal of 80 columns.

    Parameters
    ----------
    facts : Checkup
        From `examine`.

    Returns
    -------
    page : rich renderable
    """
    from rich.console import Group
    from rich.text import Text

    def heading(text: str) -> Text:
        return Text(f"\n{text}", style="bold")

    return Group(
        Text(f"gpu-pipeline {facts.gpu_pipeline}", style="bold"),
        _machine_table(facts),
        heading("Packages"),
        _package_table(facts.packages),
        heading("Backends"),
        _backend_table(facts.backends),
    )


def _machine_table(facts: Checkup) -> "RenderableType":
    cpu, memory, gpu = facts.cpu, facts.memory, facts.gpu
    devices = ", ".join(gpu.devices) or f"none: {gpu.obstacle}"
    versions = f" (driver {gpu.driver or 'unknown'}, CUDA {gpu.cuda})" if gpu.devices else ""
    rows = {
        "Python": facts.python,
        "System": facts.system,
        "CPU": f"{cpu.model}; {cpu.usable} of {cpu.cores} cores usable; {' '.join(cpu.simd) or 'SIMD unknown'}",
        "Memory": f"{_gigabytes(memory.available)} available of {_gigabytes(memory.total)}",
        "Disk": f"{_gigabytes(facts.disk_free)} free here",
        "GPU": devices + versions,
    }
    choice = facts.choice
    rows["Runs use"] = f"backend {choice.backend}: {choice.reason}"
    if choice.fix:
        rows[""] = choice.fix
    return _grid(list(rows.items()))


def _gigabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 2**30:.1f} GiB"


def _package_table(packages: dict[str, str | None]) -> "RenderableType":
    present = ", ".join(f"{name} {number}" for name, number in packages.items() if number)
    absent = [name for name, number in packages.items() if not number]
    rows = [("installed", present)]
    if absent:
        rows.append(("missing", ", ".join(absent)))
    rows += [("to add", f"pip install 'gpu-pipeline[{EXTRAS[name]}]'  ({name})") for name in absent if name in EXTRAS]
    return _grid(rows)


def _backend_table(backends: list[BackendReport]) -> "RenderableType":
    rows = []
    for backend in backends:
        state = "can run" if backend.runs else f"cannot run: {backend.obstacle}"
        rows.append((backend.name, f"{state}\n{backend.install}" if backend.install and not backend.runs else state))
    return _grid(rows)


def _grid(rows: list[tuple[str, str]]) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=12)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(f"  {name}", Text(text))
    return table
