"""From a checked configuration to a model: files are read, random numbers drawn, networks built."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpu_pipeline.config_tables import (
    ArrayFile,
    FrequencyDraw,
    GridTable,
    KuramotoTable,
    Numbers,
    PowerDraw,
    SimulationTable,
    Spread,
)
from gpu_pipeline.errors import ConfigError, InputError

if TYPE_CHECKING:
    from gpu_pipeline.config import RunConfig
    from gpu_pipeline.config_tables import NetworkTable, SecondOrderTable, SimulationOptions
    from gpu_pipeline.grids import PowerGrid
    from gpu_pipeline.models import Kuramoto, SecondOrder
    from gpu_pipeline.networks import Network

__all__ = ["build", "draw"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a model lives on: a network, and the grid it came from, if any."""

    network: "Network"
    grid: "PowerGrid | None" = None

    @property
    def n_nodes(self) -> int:
        return self.network.n_nodes


def build(config: "RunConfig") -> "tuple[Kuramoto | SecondOrder, SimulationOptions]":
    """Make the model of a configuration, and the keyword arguments of `Simulation`; see `RunConfig.build`."""
    with _named("network"):
        setting = _setting(config.network)
    with _named("model"):
        model = _model(config.model, setting)
    table = config.simulation
    with _named("simulation.initial"):
        theta0 = _initial_phases(table, setting, table.replicas or model.replicas)
    return model, {
        "dt": table.dt,
        "method": table.method,
        "dtype": table.dtype,
        "seed": table.seed,
        "backend": table.backend,
        "replicas": table.replicas,
        "theta0": theta0,
        "threads": table.threads,
        "atol": table.atol,
    }


@contextmanager
def _named(section: str) -> Iterator[None]:
    """Say in which part of the file the problem lies."""
    try:
        yield
    except ConfigError:
        raise
    except InputError as exc:
        raise ConfigError(f"{section}: {exc}") from None


def _model(table: "KuramotoTable | SecondOrderTable", setting: _Setting) -> "Kuramoto | SecondOrder":
    return _kuramoto(table, setting) if isinstance(table, KuramotoTable) else _second_order(table, setting)


def _kuramoto(table: KuramotoTable, setting: _Setting) -> "Kuramoto":
    from gpu_pipeline.models import Kuramoto

    omega = _values(table.omega, setting.n_nodes, "model.omega")
    return Kuramoto(
        setting.network, omega, coupling=_number(table.coupling), alpha=_number(table.alpha), noise=_number(table.noise)
    )


def _second_order(table: "SecondOrderTable", setting: _Setting) -> "SecondOrder":
    from gpu_pipeline.models import SecondOrder

    if table.power is not None:
        power = _values(table.power, setting.n_nodes, "model.power")
    else:
        assert setting.grid is not None, "the configuration demands powers of every other network"
        power = setting.grid.power
    return SecondOrder(
        setting.network,
        power,
        inertia=_number(table.inertia),
        damping=_number(table.damping),
        coupling=_number(table.coupling),
        alpha=_number(table.alpha),
        temperature=_number(table.temperature),
    )


def _number(value: Numbers) -> "float | Array":
    return np.asarray(value) if isinstance(value, tuple) else value


def _setting(table: "NetworkTable") -> _Setting:
    """Build the network; the parameters were checked one by one, but not against each other."""
    from gpu_pipeline import generators, networks

    match table.kind:
        case "mean_field":
            return _Setting(networks.MeanField(table.n_nodes))
        case "ring":
            return _Setting(generators.ring(table.n_nodes, table.k))
        case "erdos_renyi":
            return _Setting(generators.erdos_renyi(table.n_nodes, degree=table.degree, p=table.p, seed=table.seed))
        case "small_world":
            return _Setting(generators.small_world(table.n_nodes, table.k, table.p, seed=table.seed))
        case "scale_free":
            return _Setting(generators.scale_free(table.n_nodes, table.m, seed=table.seed))
        case "dense":
            return _Setting(networks.from_dense(_square(_read(table.file, "network.file"))))
        case "sparse":
            return _Setting(networks.from_scipy(_load_sparse(table.file)))
        case "edges":
            edges = _read(table.file, "network.file")
            return _Setting(networks.from_edges(edges, table.n_nodes, directed=table.directed))
        case "grid":
            return _grid(table)


def _grid(table: GridTable) -> _Setting:
    from gpu_pipeline.grids import load_grid

    grid = load_grid(table.name)
    return _Setting(grid.network, grid)


def _square(matrix: Array) -> Array:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ConfigError(f"network.file: found shape {matrix.shape}, expected a square matrix (N, N)")
    return matrix


def _load_sparse(path: str) -> object:
    import scipy.sparse

    try:
        return scipy.sparse.load_npz(path)
    except (OSError, ValueError, KeyError) as exc:
        raise ConfigError(f"network.file: {path} is no matrix written by scipy.sparse.save_npz: {exc}") from None


def _read(path: str, key: str) -> Array:
    """Read a .npy or .csv file of finite real numbers."""
    try:
        loaded = np.load(path, allow_pickle=False) if path.endswith(".npy") else np.loadtxt(path, delimiter=",")
        numbers = np.asarray(loaded)
    except (OSError, ValueError, EOFError) as exc:
        raise ConfigError(f"{key}: {Path(path).name} cannot be read: {exc}") from None
    if numbers.dtype.kind not in "iuf":
        raise ConfigError(f"{key}: {Path(path).name} holds {numbers.dtype}, expected real numbers")
    bad = np.argwhere(~np.isfinite(numbers))
    if bad.size:
        index, value = tuple(map(int, bad[0])), numbers[tuple(bad[0])]
        raise ConfigError(f"{key}: {Path(path).name} holds {value} at {index}, expected finite numbers")
    return numbers.astype(np.float64)


def _values(value: "Numbers | FrequencyDraw | PowerDraw | ArrayFile", n_nodes: int, key: str) -> Array:
    """One value per node, or a row of them per replica."""
    if isinstance(value, FrequencyDraw | PowerDraw):
        return draw(value, n_nodes)
    numbers = _read(value.file, f"{key}.file") if isinstance(value, ArrayFile) else np.asarray(value, dtype=np.float64)
    if isinstance(value, float):
        return np.full(n_nodes, value)
    return _per_node(numbers, n_nodes, key)


def _per_node(numbers: Array, n_nodes: int, key: str) -> Array:
    if numbers.ndim not in (1, 2) or numbers.shape[-1] != n_nodes:
        raise ConfigError(f"{key}: found shape {numbers.shape}, expected ({n_nodes},) or (replicas, {n_nodes})")
    return numbers


def _standard_lorentzian(u: Array) -> Array:
    return np.tan(math.pi * (u - 0.5))


def _standard_normal(u: Array) -> Array:
    return np.array([NormalDist().inv_cdf(x) for x in u])


_INVERSE: dict[str, Callable[[Array], Array]] = {
    "lorentzian": _standard_lorentzian,
    "normal": _standard_normal,
    "uniform": lambda u: 2 * u - 1,
    "constant": np.zeros_like,
}


def draw(table: FrequencyDraw | PowerDraw, n_nodes: int) -> Array:
    """Draw one value per node through the inverse of the distribution function.

    Parameters
    ----------
    table : FrequencyDraw or PowerDraw
        Distribution, center, width, cutoff and seed. With ``quantile`` the values sit at the probabilities
        (i + 1/2)/N and are dealt to the nodes in an order that the seed decides; else the probabilities are random.
    n_nodes : int
        Number of values N.

    Returns
    -------
    values : ndarray of float64, shape (N,)
        In the unit of center and width.
    """
    rng = np.random.default_rng(table.seed)
    if table.quantile:
        u = rng.permutation((np.arange(n_nodes) + 0.5) / n_nodes)
    else:
        # Midpoints of 2^52 cells: neither 0 nor 1, whose inverse is infinite.
        u = (rng.integers(2**52, size=n_nodes) + 0.5) * 2.0**-52
    deviation = table.width * _INVERSE[table.distribution](np.asarray(u))
    if table.cutoff is not None:
        deviation = np.clip(deviation, -table.cutoff, table.cutoff)
    return np.asarray(table.center + deviation)


def _initial_phases(table: SimulationTable, setting: _Setting, replicas: int) -> Array | None:
    """Initial phases; None leaves them to the simulation, which draws them from its seed."""
    from gpu_pipeline import initial

    if isinstance(table.initial, ArrayFile):
        return _per_node(_read(table.initial.file, "simulation.initial.file"), setting.n_nodes, "simulation.initial")
    if isinstance(table.initial, Spread):
        center = setting.grid.fixed_point() if setting.grid is not None else np.zeros(setting.n_nodes)
        seeds = table.seed if isinstance(table.seed, tuple) else [table.seed] * replicas
        rows = [
            initial.uniform(setting.n_nodes, table.initial.spread, rng=np.random.default_rng([seed, replica]))
            for replica, seed in enumerate(seeds)
        ]
        return initial.wrap(center + np.stack(rows))
    named: dict[str, Callable[[], Array | None]] = {
        "uniform": lambda: None,
        "twisted": lambda: initial.twisted(setting.n_nodes, 1),
        "splay": lambda: initial.splay(setting.n_nodes),
    }
    return named[table.initial]()
