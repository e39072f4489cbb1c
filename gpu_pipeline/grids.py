r"""Power grids as networks of phase oscillators, from power flows that pandapower solves.

The model is the lossless one of the swing equation: node i exchanges the power
:math:`\sum_j K_{ij} \sin(\theta_i - \theta_j)` with its neighbors, and at a fixed point this equals its injection
:math:`P_i`. Voltages stay at the magnitudes of the power flow. Three steps lead from a solved power flow to it:

* :math:`K_{ij} = |V_i| |V_j| \operatorname{Im} Y_{ij}`, averaged over both directions. These differ only at
  phase-shifting transformers, whose shift is thereby left out: flow :math:`k \sin(\theta_i - \theta_j - \phi)` keeps
  its part :math:`k \cos\phi \sin(\theta_i - \theta_j)`. Line conductances are left out as well.
* :math:`P_i` is the net injection of the power flow (generation minus load minus shunt conductance), with the losses
  of all lines taken off in equal shares, so that each connected part of the grid sums to zero.
* A series capacitor, or the star point of a three-winding transformer, gives a line a negative :math:`K_{ij}`, which
  keeps its sign. A bus that hangs mainly on such a line stores no energy in the grid, but is an oscillator in the
  model, and pushes it away from the operating point: case300, iceland, case3120sp, case9241pegase and the grids of
  RTE are such.
  ``negative_lines="flip"`` takes absolute values instead. Its operating point is stable, and the largest line angle
  of case300 stays the same to a thousandth of a degree.

Per-unit values refer to ``net.sn_mva``. Source of the model: Dörfler, Chertkov & Bullo, PNAS 110, 2005 (2013),
doi:10.1073/pnas.1212134110.
"""

import copy
import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gpu_pipeline.errors import InputError, IntegrationError, ShapeError
from gpu_pipeline.graphs import Sparse, require, scipy_sparse
from gpu_pipeline.networks import from_scipy

if TYPE_CHECKING:
    import pandapower
    import scipy.sparse

__all__ = ["GRID_NAMES", "PowerGrid", "from_pandapower", "load_grid"]

GRID_NAMES = (
    "case4gs",
    "case5",
    "case6ww",
    "case9",
    "case14",
    "case24_ieee_rts",
    "case30",
    "case_ieee30",
    "case39",
    "case57",
    "case89pegase",
    "case118",
    "case_illinois200",
    "case300",
    "case1354pegase",
    "case1888rte",
    "case2848rte",
    "case2869pegase",
    "case3120sp",
    "case6470rte",
    "case6495rte",
    "case6515rte",
    "case9241pegase",
    "GBnetwork",
    "GBreducednetwork",
    "iceland",
)
NegativeLines: TypeAlias = Literal["keep", "flip"]
SHUNT_CONDUCTANCE = 4  # column of the bus table of PYPOWER, in MW at 1 p.u.
MAX_NEWTON_STEPS = 50
DAMPING = 0.5 ** np.arange(30)  # fractions of a Newton step, tried until one lowers the mismatch
STEP_TOLERANCE = 1e-10  # rad: Newton's next step would be the square of it


@dataclass(frozen=True, eq=False)
class PowerGrid:
    r"""Lossless model of a power grid at its operating point.

    Parameters
    ----------
    name : str
        Name of the grid.
    network : Sparse
        Symmetric weights :math:`K_{ij} = |V_i| |V_j| \operatorname{Im} Y_{ij}`, per unit: the largest power that each
        line can carry. Negative for capacitive lines.
    power : ndarray of float64, shape (N,)
        Net injection of each node, per unit, positive for generation; sums to zero.
    bus_ids : ndarray of int64, shape (N,)
        Bus of the source behind each node, the lowest one where closed switches join several; -1 for the star point
        of a three-winding transformer, which no bus stands for.
    lines : ndarray of int32, shape (E, 2)
        Pairs of coupled nodes, each once, in ascending order; parallel lines count as one.
    angles : ndarray of float64, shape (N,)
        Voltage angles of the power flow in rad.

    Raises
    ------
    ShapeError
        If an array does not fit the network.
    InputError
        If power or angles are not finite, or the power of a connected part does not sum to zero.
    """

    name: str
    network: Sparse
    power: NDArray[np.float64]
    bus_ids: NDArray[np.int64]
    lines: NDArray[np.int32]
    angles: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("power", "bus_ids", "angles"):
            values = getattr(self, name)
            if values.shape != (self.n_nodes,):
                raise ShapeError(f"{name} has shape {values.shape}, expected ({self.n_nodes},); one value per node")
            bad = np.flatnonzero(~np.isfinite(values))
            if bad.size:
                raise InputError(f"{name}[{bad[0]}] is {values[bad[0]]}, expected a finite number; replace it")
        imbalance = np.bincount(_components(self.network.to_scipy())[1], self.power)
        worst = int(np.argmax(np.abs(imbalance)))
        if abs(imbalance[worst]) > 1e-9 * max(1.0, float(np.abs(self.power).sum())):
            raise InputError(
                f"power sums to {imbalance[worst]:.6g} in connected part {worst}, expected 0 without losses; "
                "subtract its mean"
            )

    @property
    def n_nodes(self) -> int:
        """Number of nodes N."""
        return self.network.n_nodes

    def __repr__(self) -> str:
        return f"PowerGrid({self.name!r}, n_nodes={self.n_nodes}, lines={len(self.lines)})"

    def max_line_angle(self, theta: ArrayLike) -> float:
        """Largest difference of phase across a line in rad, between 0 and pi.

        Parameters
        ----------
        theta : array_like of float, shape (N,)
            Phases in rad, wrapped or not.

        Raises
        ------
        ShapeError
            If ``theta`` has another shape.
        """
        theta = np.asarray(theta, dtype=np.float64)
        if theta.shape != (self.n_nodes,):
            raise ShapeError(f"theta has shape {theta.shape}, expected ({self.n_nodes},); one phase per node")
        across = theta[self.lines[:, 0]] - theta[self.lines[:, 1]]
        return float(np.abs(np.angle(np.exp(1j * across))).max(initial=0.0))

    def fixed_point(self) -> NDArray[np.float64]:
        r"""Phases at which every node exchanges exactly its injection.

        Newton's method, damped by halving, on :math:`\sum_j K_{ij} \sin(\theta_i - \theta_j) = P_i`. It starts at the
        angles of the power flow, and so arrives at the operating point rather than at another solution.

        Returns
        -------
        theta : ndarray of float64, shape (N,)
            In rad, not wrapped. One node of each connected part keeps its angle of the power flow.

        Raises
        ------
        IntegrationError
            If Newton's method arrives nowhere, as happens when the lines cannot carry the power.
        """
        coupling = self.network.to_scipy()
        free, theta = _free_nodes(coupling), self.angles.copy()
        mismatch = _mismatch(coupling, theta, self.power)
        for _ in range(MAX_NEWTON_STEPS):
            step = _newton_step(coupling, theta, free, mismatch)
            if np.abs(step).max() < STEP_TOLERANCE:
                return theta + step
            for fraction in DAMPING:
                trial = _mismatch(coupling, theta + fraction * step, self.power)
                # A NaN, from a singular Jacobian, never passes.
                if np.linalg.norm(trial[free]) < np.linalg.norm(mismatch[free]):
                    break
            else:
                break
            theta, mismatch = theta + fraction * step, trial
        raise IntegrationError(
            f"{self.name} has no fixed point near its power flow: {np.abs(mismatch).max():.3g} p.u. stay unbalanced, "
            "expected 0; lower the power or strengthen the lines"
        )


def load_grid(name: str, *, negative_lines: NegativeLines = "keep") -> PowerGrid:
    """Test grid that pandapower brings along, for example ``"case118"``. Needs the extra ``grid``.

    Parameters
    ----------
    name : str
        One of `GRID_NAMES`, the names of pandapower.
    negative_lines : {"keep", "flip"}, default "keep"
        See `from_pandapower`.

    Returns
    -------
    grid : PowerGrid
        From the power flow of the grid as published.

    Raises
    ------
    InputError
        If the name is unknown, or pandapower is not installed.
    """
    if name not in GRID_NAMES:
        raise InputError(f"grid {name!r} is unknown, expected one of {', '.join(GRID_NAMES)}; use from_pandapower")
    _pandapower()
    networks = require("pandapower.networks", "pip install 'gpu-pipeline[grid]'")
    return from_pandapower(getattr(networks, name)(), name=name, negative_lines=negative_lines)


def from_pandapower(
    net: "pandapower.pandapowerNet", *, name: str = "grid", negative_lines: NegativeLines = "keep"
) -> PowerGrid:
    """Grid from a network of pandapower, whose power flow is solved on a copy. Needs the extra ``grid``.

    Parameters
    ----------
    net : pandapower.pandapowerNet
        Any balanced AC network; it is not changed. Buses out of service or without supply are left out.
    name : str, default "grid"
        Name for titles and messages.
    negative_lines : {"keep", "flip"}, default "keep"
        Lines of negative strength, from series capacitors and three-winding transformers: "keep" is the fixed point
        nearest to the power flow, often a saddle; "flip" makes the strength positive, and the point stable.

    Returns
    -------
    grid : PowerGrid
        Nodes in pandapower's internal order: `PowerGrid.bus_ids` leads back to the buses.

    Raises
    ------
    InputError
        If pandapower is not installed, ``net`` is none of its networks, or ``negative_lines`` is unknown.
    IntegrationError
        If the power flow does not converge.
    """
    pp = _pandapower()
    if not isinstance(net, pp.pandapowerNet):
        raise InputError(f"net is {type(net).__name__}, expected a pandapower network; load it with pandapower")
    if negative_lines not in get_args(NegativeLines):
        raise InputError(f"negative_lines is {negative_lines!r}, expected 'keep' or 'flip'; leave it out to keep signs")
    net = copy.deepcopy(net)
    _run_power_flow(net, name)
    solved = net._ppc["internal"]
    voltage, admittance = solved["V"], scipy_sparse().csr_array(solved["Ybus"])
    magnitude = np.abs(voltage)
    network = _line_strengths(admittance, magnitude, negative_lines)
    injection = (voltage * np.conj(admittance @ voltage)).real
    shunts = solved["bus"][:, SHUNT_CONDUCTANCE].real / solved["baseMVA"] * magnitude**2
    return PowerGrid(
        name=name,
        network=network,
        power=_without_losses(injection - shunts, network),
        bus_ids=_bus_ids(net, voltage.size),
        lines=_pairs(network),
        angles=np.angle(voltage),
    )


def _pandapower() -> ModuleType:
    return require("pandapower", "pip install 'gpu-pipeline[grid]'")


def _run_power_flow(net: "pandapower.pandapowerNet", name: str) -> None:
    """Solve the power flow in place."""
    pp = _pandapower()
    with warnings.catch_warnings():
        # Grids from before pandapower 3 carry no table of tap positions; nothing here reads one.
        warnings.filterwarnings("ignore", message="tap_dependency_table", category=DeprecationWarning)
        try:
            pp.runpp(net, numba=False)
        except pp.LoadflowNotConverged as exc:
            raise IntegrationError(f"the power flow of {name} did not converge: {exc}; check loads and lines") from exc


def _line_strengths(
    admittance: "scipy.sparse.csr_array", magnitude: NDArray[np.float64], negative_lines: NegativeLines
) -> Sparse:
    """Symmetric K_ij = |V_i| |V_j| Im Y_ij off the diagonal."""
    entries = admittance.tocoo()
    off = entries.row != entries.col
    i, j = entries.row[off], entries.col[off]
    strengths = magnitude[i] * magnitude[j] * entries.data[off].imag / 2
    both = (np.append(strengths, strengths), (np.append(i, j), np.append(j, i)))
    symmetric = scipy_sparse().coo_array(both, shape=admittance.shape).tocsr()
    return from_scipy(abs(symmetric) if negative_lines == "flip" else symmetric)


def _components(coupling: "scipy.sparse.csr_array") -> tuple[int, NDArray[np.int32]]:
    """Number of connected parts, and the part of each node."""
    csgraph = require("scipy.sparse.csgraph", "pip install scipy")
    count, part = csgraph.connected_components(coupling, directed=False)
    return int(count), part


def _without_losses(injection: NDArray[np.float64], network: Sparse) -> NDArray[np.float64]:
    """Injections less an equal share of the losses of their connected part."""
    count, part = _components(network.to_scipy())
    share = np.bincount(part, injection, count) / np.bincount(part, minlength=count)
    return np.asarray(injection - share[part], dtype=np.float64)


def _pairs(network: Sparse) -> NDArray[np.int32]:
    """Coupled nodes (i, j) with i < j."""
    rows = np.repeat(np.arange(network.n_nodes, dtype=np.int32), np.diff(network.indptr))
    upper = rows < network.indices
    return np.column_stack([rows[upper], network.indices[upper]])


def _bus_ids(net: "pandapower.pandapowerNet", n_nodes: int) -> NDArray[np.int64]:
    """Lowest bus of pandapower behind each node, -1 where there is none."""
    buses = np.sort(net.bus.index[net.bus.in_service].to_numpy(dtype=np.int64))[::-1]
    node = net._pd2ppc_lookups["bus"][buses]
    known = (node >= 0) & (node < n_nodes)
    ids = np.full(n_nodes, -1, dtype=np.int64)
    ids[node[known]] = buses[known]  # of several writes to one node the last stays: the lowest bus
    return ids


def _free_nodes(coupling: "scipy.sparse.csr_array") -> NDArray[np.intp]:
    """All nodes but the first of each connected part: phases are defined up to a common turn."""
    first = np.unique(_components(coupling)[1], return_index=True)[1]
    return np.delete(np.arange(coupling.shape[0]), first)


def _differences(coupling: "scipy.sparse.csr_array", theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """theta_i - theta_j of every stored entry (i, j)."""
    target = np.repeat(theta, np.diff(coupling.indptr))
    return np.asarray(target - theta[coupling.indices], dtype=np.float64)


def _mismatch(
    coupling: "scipy.sparse.csr_array", theta: NDArray[np.float64], power: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Outflow minus injection of every node, per unit."""
    flows = coupling.copy()
    flows.data *= np.sin(_differences(coupling, theta))
    return np.asarray(flows.sum(axis=1) - power, dtype=np.float64)


def _newton_step(
    coupling: "scipy.sparse.csr_array",
    theta: NDArray[np.float64],
    free: NDArray[np.intp],
    mismatch: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Newton's step, zero for the nodes that are held; NaN where the Jacobian is singular."""
    sparse, linalg = scipy_sparse(), require("scipy.sparse.linalg", "pip install scipy")
    slopes = coupling.copy()
    slopes.data *= np.cos(_differences(coupling, theta))
    jacobian = (sparse.diags_array(slopes.sum(axis=1)) - slopes).tocsr()[free][:, free]
    step = np.zeros(theta.size)
    try:
        step[free] = linalg.splu(jacobian.tocsc()).solve(-mismatch[free])
    except RuntimeError:  # exactly singular
        step[free] = np.nan
    return step
