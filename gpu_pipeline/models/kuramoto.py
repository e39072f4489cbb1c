"""First-order phase oscillators: Kuramoto, Sakaguchi-Kuramoto, and both with noise."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from gpu_pipeline.graphs import Network
from gpu_pipeline.kernels.problem import Order
from gpu_pipeline.models.base import Float, as_html, checked, common_replicas, digest
from gpu_pipeline.networks import as_network

_UNITS: Final = {"omega": "rad/s", "coupling": "rad/s", "alpha": "rad", "noise": "rad^2/s"}


class Kuramoto:
    """Kuramoto-Sakaguchi phase oscillators on a network, with or without noise.

    dtheta_i = [omega_i + K sum_j A_ij sin(theta_j - theta_i - alpha)] dt + sqrt(2 D_i) dW_i

    Parameters
    ----------
    network : Network or anything `as_network` takes
        A_ij pulls i towards j (row = target). On `MeanField`, sum_j A_ij is the average over all oscillators.
    omega : array_like of float, shape (N,) or (R, N)
        Natural frequencies in rad/s.
    coupling : float or array_like, shape () or (R,), default 1.0
        Coupling strength K in rad/s; negative couplings repel.
    alpha : float or array_like, shape () or (R,), default 0.0
        Phase lag in rad.
    noise : float or array_like, shape () or (N,), default 0.0
        Diffusion D in rad^2/s, at least 0.

    Raises
    ------
    InputError
        If a parameter is not finite, of the wrong shape, or negative where it must not be.

    References
    ----------
    Kuramoto, Chemical Oscillations, Waves, and Turbulence (1984). Sakaguchi & Kuramoto, Prog. Theor. Phys. 76, 576
    (1986). Acebrón et al., Rev. Mod. Phys. 77, 137 (2005).
    """

    order: Final[Order] = "first"

    def __init__(
        self,
        network: Network,
        omega: ArrayLike,
        *,
        coupling: ArrayLike = 1.0,
        alpha: ArrayLike = 0.0,
        noise: ArrayLike = 0.0,
    ) -> None:
        self.network = as_network(network)
        n = self.network.n_nodes
        self.omega = checked("omega", omega, "rad/s", {f"({n},)": (n,), f"(replicas, {n})": (None, n)})
        per_replica: dict[str, tuple[int | None, ...]] = {"one number": (), "one per replica": (None,)}
        self.coupling = checked("coupling", coupling, "rad/s", per_replica)
        self.alpha = checked("alpha", alpha, "rad", per_replica)
        self.noise = checked("noise", noise, "rad^2/s", {"one number": (), f"({n},)": (n,)}, least=0.0)
        self.replicas = common_replicas(omega=np.atleast_2d(self.omega), coupling=self.coupling, alpha=self.alpha)

    @property
    def n_nodes(self) -> int:
        """Number of oscillators N."""
        return self.network.n_nodes

    @property
    def stochastic(self) -> bool:
        """Whether any oscillator has noise."""
        return bool(np.any(self.noise > 0.0))

    @property
    def equation(self) -> str:
        """The equation of motion, with the terms that are present."""
        lag = " - alpha" if np.any(self.alpha) else ""
        torque = {"mean_field": f"K/N sum_j sin(theta_j - theta_i{lag})"}.get(
            self.network.kind, f"K sum_j A_ij sin(theta_j - theta_i{lag})"
        )
        return f"theta_i' = omega_i + {torque}" + (" + sqrt(2 D_i) xi_i" if self.stochastic else "")

    def parameters(self) -> Mapping[str, Float]:
        """Parameters by name, as checked."""
        return {"omega": self.omega, "coupling": self.coupling, "alpha": self.alpha, "noise": self.noise}

    def digest(self) -> str:
        """Hexadecimal SHA-256 of network and parameters."""
        return digest(self)

    def __repr__(self) -> str:
        return f"Kuramoto({self.network!r}, replicas={self.replicas}, stochastic={self.stochastic})"

    def _repr_html_(self) -> str:
        return as_html(self, _UNITS)
