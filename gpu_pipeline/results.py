"""What a run gives: the table of its variables, and samples turned into them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from gpu_pipeline.errors import InputError
from gpu_pipeline.kernels.problem import Samples

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["VARIABLES", "Recorder", "Variable", "chosen_variables", "wrapped_phases"]

Float = NDArray[np.float64]
TURN = 2.0 * math.pi
ANGLE = TURN / 2**32
"""Radians per unit of a 32-bit binary angle."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the result.

    Attributes
    ----------
    dims : tuple of str
    units, long_name : str
        Attributes of the variable.
    per_node : bool
        Whether it needs the phases, not only their sums.
    second_order : bool
        Whether only models with inertia have it.
    """

    dims: tuple[str, ...]
    units: str
    long_name: str
    per_node: bool = True
    second_order: bool = False


VARIABLES: Final = {
    "theta": Variable(("replica", "time", "node"), "rad", "phase, wrapped to [-pi, pi)"),
    "frequency": Variable(
        ("replica", "time", "node"), "rad/s", "mean frequency over the sampling interval that ends here"
    ),
    "velocity": Variable(("replica", "time", "node"), "rad/s", "instantaneous frequency", second_order=True),
    "coherence": Variable(("replica", "time"), "1", "modulus of the order parameter", per_node=False),
    "mean_phase": Variable(("replica", "time"), "rad", "argument of the order parameter", per_node=False),
}


def chosen_variables(asked: Sequence[str] | None, *, second_order: bool) -> tuple[str, ...]:
    """Names of the variables to keep, in the order of the table; None means all that the model has.

    Raises
    ------
    InputError
        If a name is unknown, or not one of this model's.
    """
    known = [name for name, variable in VARIABLES.items() if second_order or not variable.second_order]
    if asked is None:
        return tuple(known)
    if isinstance(asked, str) or not np.iterable(asked) or not len(asked):
        raise InputError(f"variables is {asked!r}, expected a list of some of {', '.join(known)}")
    for name in asked:
        if name not in known:
            raise InputError(f"variables holds {name!r}, expected some of {', '.join(known)}")
    return tuple(name for name in known if name in asked)


def wrapped_phases(raw: NDArray[np.int32] | Float, dtype: np.dtype[np.generic]) -> NDArray[np.float32] | Float:
    """Raw phases of a kernel as rad in [-pi, pi).

    Parameters
    ----------
    raw : ndarray
        int32 binary angles, or float64 radians less than a turn outside [-pi, pi).
    dtype : dtype
        Of the result. float32 rounds at both ends of the interval towards its middle.
    """
    if raw.dtype == np.int32:
        theta = np.asarray(raw * ANGLE, dtype=np.float64)
    else:
        theta = np.asarray(raw - TURN * np.floor((raw + math.pi) / TURN), dtype=np.float64)
        # raw + pi rounds: just inside either end, the turn taken off can be one too few or too many.
        theta = np.where((theta >= math.pi) | (theta < -math.pi), -math.pi, theta)
    if dtype == np.float32:
        edge = np.nextafter(np.float32(math.pi), np.float32(0.0))
        return np.asarray(np.clip(theta.astype(np.float32), -edge, edge))
    return theta


@dataclass
class Recorder:
    """Turns the samples of successive chunks into variables; remembers the last displacement for the frequency.

    Attributes
    ----------
    dtype : dtype
        Of the variables with a node axis; coherence and mean phase are always float64.
    """

    dtype: np.dtype[np.generic]
    last_raw: NDArray[np.int32] | Float | None = None
    last_winding: NDArray[np.int32] | None = None
    last_time: float = math.nan

    def variables(self, names: Iterable[str], samples: Samples, times: Float) -> dict[str, NDArray[np.generic]]:
        """The named variables, time on the second axis."""
        made: dict[str, NDArray[np.generic]] = {}
        for name in names:
            if name == "coherence":
                made[name] = np.abs(samples.order_parameter).T
            elif name == "mean_phase":
                made[name] = np.angle(samples.order_parameter).T
            elif name == "theta":
                made[name] = np.swapaxes(wrapped_phases(samples.phase, self.dtype), 0, 1)
            elif name == "velocity":
                made[name] = np.swapaxes(samples.velocity, 0, 1).astype(self.dtype)
            else:
                made[name] = np.swapaxes(self._frequency(samples, times), 0, 1).astype(self.dtype)
        self.remember(samples, times)
        return made

    def remember(self, samples: Samples, times: Float) -> None:
        """Let the next interval begin at the last of these samples."""
        if samples.phase.shape[0]:
            self.last_raw, self.last_winding = samples.phase[-1], samples.winding[-1]
            self.last_time = float(times[-1])

    def _frequency(self, samples: Samples, times: Float) -> Float:
        """Displacement between samples over the time between them; whole turns and the rest apart, to lose no digit."""
        raw, winding, before = samples.phase, samples.winding, self.last_time
        if self.last_raw is None or self.last_winding is None:
            first_raw, first_winding = raw[:1], winding[:1]
        else:
            first_raw, first_winding = self.last_raw[None], self.last_winding[None]
        unit = ANGLE if raw.dtype == np.int32 else 1.0
        rest = np.diff(np.concatenate([first_raw, raw]).astype(np.float64), axis=0) * unit
        turns = np.diff(np.concatenate([first_winding, winding]).astype(np.float64), axis=0)
        spans = np.diff(np.concatenate([[before], times]))
        return np.asarray((rest + turns * TURN) / spans[:, None, None])


def as_dataset(
    variables: dict[str, NDArray[np.generic]], times: Float, replicas: NDArray[np.int64], n_nodes: int
) -> "xr.Dataset":
    """Variables as a dataset with coordinates, units and names."""
    import xarray as xr

    data = {
        name: (VARIABLES[name].dims, array, {"units": VARIABLES[name].units, "long_name": VARIABLES[name].long_name})
        for name, array in variables.items()
    }
    coords: dict[str, tuple[str, NDArray[np.generic], dict[str, str]]] = {
        "replica": ("replica", replicas, {"long_name": "replica number"}),
        "time": ("time", times, {"units": "s", "long_name": "time"}),
    }
    if any("node" in VARIABLES[name].dims for name in variables):
        coords["node"] = ("node", np.arange(n_nodes), {"long_name": "oscillator number"})
    return xr.Dataset(data, coords=coords)
