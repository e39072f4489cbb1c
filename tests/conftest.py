"""Environment of the tests, set before anything imports numba, and fixtures for what a machine may lack."""

import hashlib
import os
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GPU_BACKENDS = {"cupy", "numba_cuda"}


def kernel_digest() -> str:
    """Digest of every kernel source: numba's own cache overlooks edits in functions inlined from other modules."""
    digest = hashlib.sha256(version("numba").encode())
    for source in sorted((ROOT / "kernels").rglob("*.py")):
        digest.update(source.relative_to(ROOT).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / "numba" / kernel_digest()))
os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # threading layers stall when another worker holds the core
os.environ.setdefault("GPU_PIPELINE_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")


def gpu_obstacle() -> str | None:
    """Why no test can use a GPU here, or None if one can."""
    if find_spec("cupy") is None:
        return "cupy is not installed"
    runtime = import_module("cupy").cuda.runtime
    try:
        runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        return f"no usable CUDA device: {error}"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip GPU tests where there is none, and fail them if GPU_PIPELINE_REQUIRE promises one."""
    if item.get_closest_marker("gpu") is None or (obstacle := gpu_obstacle()) is None:
        return
    required = GPU_BACKENDS & set(os.environ.get("GPU_PIPELINE_REQUIRE", "").split(","))
    if required:
        pytest.fail(f"GPU_PIPELINE_REQUIRE names {', '.join(sorted(required))}, but {obstacle}", pytrace=False)
    pytest.skip(f"{obstacle}; GPU_PIPELINE_REQUIRE=cupy turns this into a failure")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of measured data; tests that ask for it are skipped where there is none."""
    named = os.environ.get("GPU_PIPELINE_DATA")
    if not named:
        pytest.skip("GPU_PIPELINE_DATA is not set; it names the folder of measured data")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"GPU_PIPELINE_DATA names {named!r}, which is no folder; correct or unset it", pytrace=False)
    return folder
