"""What stands beside every figure: machine, versions, revision, and how busy others kept the cores meanwhile."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DISTRIBUTIONS = (
    "gpu-pipeline", "numpy", "scipy", "numba", "llvmlite", "torch", "torchdiffeq", "torchsde", "jax", "jaxlib",
    "diffrax", "lineax", "pytest-benchmark",
)  # fmt: skip
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def limit_threads(threads: int) -> None:
    """Give every library this many threads and the process as many cores; only before the libraries are imported."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    # XLA takes as many threads as the process has cores; there is no setting of its own that all versions obey.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:threads])


def describe(threads: int) -> dict[str, Any]:
    """Machine, versions, date and revision as plain JSON values."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "caches": _caches(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions(),
        "load_before": os.getloadavg()[0],
    }


def revision() -> str:
    """Git revision of the working tree, ``-dirty`` where it differs from it, or "unknown" outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _versions() -> dict[str, str]:
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _caches() -> dict[str, str]:
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        found[f"L{level} {kind.lower()}"] = size
    return found


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


class Neighbors:
    """Share of all cores that went to others, or to the hypervisor, since this object was made."""

    def __init__(self) -> None:
        self.wall, self.own, self.busy = time.monotonic(), time.process_time(), _busy_seconds()

    def share(self) -> float | None:
        """Between 0 and 1; None where /proc/stat is missing."""
        busy = _busy_seconds()
        if self.busy is None or busy is None:
            return None
        cores = os.cpu_count() or 1
        others = (busy - self.busy) - (time.process_time() - self.own)
        return max(0.0, others) / (cores * (time.monotonic() - self.wall))


def _busy_seconds() -> float | None:
    """Seconds of all cores not spent idle or waiting for disks; stolen time counts as busy."""
    for line in _lines("/proc/stat"):
        if line.startswith("cpu "):
            user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return None
