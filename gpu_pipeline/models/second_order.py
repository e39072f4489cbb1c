"""Second-order phase oscillators: inertia and damping, as in the swing equation of power grids."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from gpu_pipeline.errors import InputError
from gpu_pipeline.graphs import Network
from gpu_pipeline.kernels.problem import Order
from gpu_pipeline.models.base import Float, as_html, checked, common_replicas, digest
from gpu_pipeline.networks import as_network

_UNITS: Final = {
    "power": "power",
    "inertia": "power s^2/rad",
    "damping": "power s/rad",
    "coupling": "power per weight",
    "alpha": "rad",
    "temperature": "energy",
}


class SecondOrder:
    """Phase oscillators with inertia on a network; the swing equation of a power grid.

    M_i v_i' = P_i - g_i v_i + K sum_j A_ij sin(theta_j - theta_i - alpha) + sqrt(2 g_i T_i) xi_i,   theta_i' = v_i

    Parameters
    ----------
    network : Network or anything `as_network` takes
        K A_ij is the largest power that flows from j to i (row = target).
    power : array_like of float, shape (N,) or (R, N)
        Driving torque P: power fed in (positive) or drawn, in the unit of K A.
    inertia : float or array_like, shape () or (N,), default 1.0
        M > 0, power s^2/rad.
    damping : float or array_like, shape () or (N,), default 0.1
        g >= 0, power s/rad.
    coupling : float or array_like, shape () or (R,), default 1.0
        K multiplies the weights.
    alpha : float or array_like, shape () or (R,), default 0.0
        Phase lag in rad.
    temperature : float or array_like, shape () or (N,), default 0.0
        k_B T of the thermal noise that belongs to the damping, energy, at least 0.

    Raises
    ------
    InputError
        If a parameter is not finite, of the wrong shape, or out of range.

    References
    ----------
    Filatrella, Nielsen & Pedersen, Eur. Phys. J. B 61, 485 (2008).
    """

    order: Final[Order] = "second"

    def __init__(
        self,
        network: Network,
        power: ArrayLike,
        *,
        inertia: ArrayLike = 1.0,
        damping: ArrayLike = 0.1,
        coupling: ArrayLike = 1.0,
        alpha: ArrayLike = 0.0,
        temperature: ArrayLike = 0.0,
    ) -> None:
        self.network = as_network(network)
        n = self.network.n_nodes
        self.power = checked("power", power, "power", {f"({n},)": (n,), f"(replicas, {n})": (None, n)})
        per_node: dict[str, tuple[int | None, ...]] = {"one number": (), f"({n},)": (n,)}
        self.inertia = checked("inertia", inertia, _UNITS["inertia"], per_node)
        if (self.inertia <= 0.0).any():
            raise InputError(f"inertia is {self.inertia.min():g}, expected more than 0; without inertia use Kuramoto")
        self.damping = checked("damping", damping, _UNITS["damping"], per_node, least=0.0)
        self.temperature = checked("temperature", temperature, "energy", per_node, least=0.0)
        per_replica: dict[str, tuple[int | None, ...]] = {"one number": (), "one per replica": (None,)}
        self.coupling = checked("coupling", coupling, _UNITS["coupling"], per_replica)
        self.alpha = checked("alpha", alpha, "rad", per_replica)
        self.replicas = common_replicas(power=np.atleast_2d(self.power), coupling=self.coupling, alpha=self.alpha)

    @property
    def n_nodes(self) -> int:
        """Number of oscillators N."""
        return self.network.n_nodes

    @property
    def stochastic(self) -> bool:
        """Whether any oscillator feels thermal noise: it needs temperature and damping."""
        return bool(np.any((self.temperature > 0.0) & (self.damping > 0.0)))

    @property
    def equation(self) -> str:
        """The equation of motion, with the terms that are present."""
        lag = " - alpha" if np.any(self.alpha) else ""
        noise = " + sqrt(2 g_i T_i) xi_i" if self.stochastic else ""
        return f"M_i v_i' = P_i - g_i v_i + K sum_j A_ij sin(theta_j - theta_i{lag}){noise}, theta_i' = v_i"

    def parameters(self) -> Mapping[str, Float]:
        """Parameters by name, as checked."""
        return {
            "power": self.power,
            "inertia": self.inertia,
            "damping": self.damping,
            "coupling": self.coupling,
            "alpha": self.alpha,
            "temperature": self.temperature,
        }

    def digest(self) -> str:
        """Hexadecimal SHA-256 of network and parameters."""
        return digest(self)

    def __repr__(self) -> str:
        return f"SecondOrder({self.network!r}, replicas={self.replicas}, stochastic={self.stochastic})"

    def _repr_html_(self) -> str:
        return as_html(self, _UNITS)
