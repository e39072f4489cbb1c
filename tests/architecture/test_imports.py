"""What an import costs, and which names it offers."""

import ast
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import gpu_pipeline

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"cupy", "dask", "jax", "matplotlib", "networkx", "numba", "numpy", "pandapower", "pandas", "xarray", "zarr"}


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter in the root of the repository."""
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("module", ["gpu_pipeline", "gpu_pipeline.cli"])
def test_import_loads_nothing_heavy(module):
    """One import at module level is enough to make every command wait for numba or pandas."""
    done = run_python("-c", f"import sys, {module}; print(*sorted({HEAVY} & set(sys.modules)))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_help_answers_within_300_ms():
    """A heavy import, rich markup or work at start-up makes the command line sluggish.

    Processor time stands for the time waited, as start-up does little else: other tests hold the second core.
    """
    run_python("-m", "gpu_pipeline", "--help")  # writes the bytecode
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = run_python("-m", "gpu_pipeline", "--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert statistics.median(seconds) < 0.3, seconds


@pytest.mark.parametrize("folder", ["kernels", "resilience"])
def test_bare_folder_name_is_refused(folder):
    """Started from the repository, `import kernels` would find our folder and hide the package of that name."""
    done = run_python("-c", f"import {folder}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: this folder was imported as '{folder}'; import it as 'gpu_pipeline.{folder}'"
    )


def test_public_names_agree():
    """The names stand in three places: for type checkers, for loading and for `import *`."""
    tree = ast.parse(Path(gpu_pipeline.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module.removeprefix("gpu_pipeline.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("gpu_pipeline.")
        for alias in node.names
    }
    assert typed == gpu_pipeline._MODULE_OF
    assert sorted([*typed, "__version__"]) == sorted(gpu_pipeline.__all__)


@pytest.mark.parametrize("name", gpu_pipeline.__all__)
def test_public_name_resolves(name):
    """A name is loaded on first use, so a renamed function shows only there."""
    assert getattr(gpu_pipeline, name) is not None
    assert name in dir(gpu_pipeline)


def test_unknown_name_is_an_attribute_error():
    """Only this error is understood by `hasattr` and by doctest collectors; a KeyError would break them."""
    with pytest.raises(AttributeError, match=r"module 'gpu_pipeline' has no attribute 'kuramoto_model'"):
        _ = gpu_pipeline.kuramoto_model
