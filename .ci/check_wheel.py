"""Use the installed package, away from its sources: import every module, run a few steps, read them back."""

import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

import numpy as np

import gpu_pipeline

HOME = Path(gpu_pipeline.__file__).parent
COMMANDS = {"gpu_pipeline.__main__"}


def import_all() -> int:
    """Import every module of the package and return their number."""
    names = [info.name for info in pkgutil.walk_packages(gpu_pipeline.__path__, "gpu_pipeline.")]
    for name in set(names) - COMMANDS:
        importlib.import_module(name)
    return len(names)


def run_steps(folder: Path) -> float:
    """Integrate 64 identical oscillators into a store and return the coherence read back from it."""
    model = gpu_pipeline.Kuramoto(gpu_pipeline.MeanField(64), np.zeros(64), coupling=2.0)
    simulation = gpu_pipeline.Simulation(model, dt=0.05, seed=1)
    simulation.run(400, sample_every=100, store=folder / "result.zarr", progress="none")
    with gpu_pipeline.open_result(folder / "result.zarr") as result:
        return float(result["coherence"].isel(time=-1, replica=0))


if not HOME.is_relative_to(sys.prefix):
    sys.exit(f"gpu_pipeline was imported from {HOME}, not from the wheel in {sys.prefix}")
count = import_all()
with tempfile.TemporaryDirectory() as name:
    coherence = run_steps(Path(name))
if not coherence > 0.999:
    sys.exit(f"64 identical oscillators reached a coherence of {coherence:.4f}; 1 was expected")
print(f"{count} modules imported from the wheel; 64 identical oscillators reached a coherence of {coherence:.6f}")
