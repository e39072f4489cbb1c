"""Phase-oscillator dynamics on GPU and CPU.

Every public name is loaded on its first use, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpu_pipeline.generators import erdos_renyi, ring, scale_free, small_world
    from gpu_pipeline.grids import load_grid
    from gpu_pipeline.models import Kuramoto, SecondOrder
    from gpu_pipeline.networks import Dense, MeanField, Sparse, as_network
    from gpu_pipeline.observables import (
        effective_frequency,
        local_order_parameter,
        metastability,
        order_parameter,
        phase_locking_matrix,
    )
    from gpu_pipeline.simulation import Simulation
    from gpu_pipeline.stores import open_result

__version__ = "0.1.0"

__all__ = [
    "Dense",
    "Kuramoto",
    "MeanField",
    "SecondOrder",
    "Simulation",
    "Sparse",
    "__version__",
    "as_network",
    "effective_frequency",
    "erdos_renyi",
    "load_grid",
    "local_order_parameter",
    "metastability",
    "open_result",
    "order_parameter",
    "phase_locking_matrix",
    "ring",
    "scale_free",
    "small_world",
]

_MODULE_OF = {
    "Dense": "networks",
    "Kuramoto": "models",
    "MeanField": "networks",
    "SecondOrder": "models",
    "Simulation": "simulation",
    "Sparse": "networks",
    "as_network": "networks",
    "effective_frequency": "observables",
    "erdos_renyi": "generators",
    "load_grid": "grids",
    "local_order_parameter": "observables",
    "metastability": "observables",
    "open_result": "stores",
    "order_parameter": "observables",
    "phase_locking_matrix": "observables",
    "ring": "generators",
    "scale_free": "generators",
    "small_world": "generators",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'gpu_pipeline' has no attribute {name!r}")
    value: object = getattr(import_module(f"gpu_pipeline.{_MODULE_OF[name]}"), name)
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
