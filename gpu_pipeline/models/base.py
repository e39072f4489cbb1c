"""What every model offers, and how its parameters are checked."""

import hashlib
import html
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gpu_pipeline.errors import InputError, ShapeError
from gpu_pipeline.graphs import Network

Float = NDArray[np.float64]


class Model(Protocol):
    """A model on a network: the arrays a kernel needs, by name."""

    @property
    def network(self) -> Network:
        """What the oscillators live on."""
        ...

    @property
    def replicas(self) -> int:
        """Number of replicas that the parameters imply; 1 if none has a replica axis."""
        ...

    @property
    def equation(self) -> str:
        """The equation of motion in one line."""
        ...

    def parameters(self) -> Mapping[str, Float]:
        """Parameters by name."""
        ...


def checked(
    name: str, value: ArrayLike, unit: str, shapes: Mapping[str, tuple[int | None, ...]], *, least: float | None = None
) -> Float:
    """A parameter as float64, or one line that says what is wrong with it.

    Parameters
    ----------
    name, unit : str
        For the message.
    value : array_like of float
    shapes : mapping of str to tuple
        Allowed shapes by the words that name them; None stands for any length of at least 1.
    least : float, optional
        Smallest allowed value.

    Raises
    ------
    InputError
        If it is no number, not finite, or too small.
    ShapeError
        If it has none of the shapes.
    """
    try:
        given = np.asarray(value)
    except ValueError:
        raise ShapeError(f"{name} is a ragged list; expected {' or '.join(shapes)}") from None
    if given.dtype.kind not in "iuf":
        raise InputError(f"{name} holds {given.dtype} values, expected real numbers in {unit}")
    array = np.array(given, dtype=np.float64)
    if not any(_matches(array.shape, shape) for shape in shapes.values()):
        raise ShapeError(f"{name} has shape {array.shape}, expected {' or '.join(shapes)}")
    bad = ~np.isfinite(array)
    if bad.any():
        raise InputError(f"{name}{_first(bad)} is {array[bad][0]}, expected a finite number in {unit}")
    if least is not None and (array < least).any():
        low = array < least
        raise InputError(f"{name}{_first(low)} is {array[low][0]:g} {unit}, expected at least {least:g}")
    array.setflags(write=False)
    return array


def _matches(shape: tuple[int, ...], allowed: tuple[int | None, ...]) -> bool:
    return len(shape) == len(allowed) and all(
        length == want or (want is None and length > 0) for length, want in zip(shape, allowed, strict=True)
    )


def _first(bad: NDArray[np.bool_]) -> str:
    return "" if bad.ndim == 0 else f"[{', '.join(str(i) for i in np.argwhere(bad)[0])}]"


def common_replicas(**parameters: Float) -> int:
    """The length of the replica axes, which must agree.

    Raises
    ------
    ShapeError
        If two parameters have different numbers of replicas.
    """
    lengths = {name: array.shape[0] for name, array in parameters.items() if array.ndim and array.shape[0] > 1}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ShapeError(f"the numbers of replicas differ: {found}; give each parameter one value or the same number")
    return next(iter(lengths.values()), 1)


def digest(model: Model) -> str:
    """SHA-256 of the model's kind, network and parameters."""
    sha = hashlib.sha256(f"{type(model).__name__} {model.network.digest()}".encode())
    for name, array in model.parameters().items():
        sha.update(f" {name} {array.shape} ".encode() + array.tobytes())
    return sha.hexdigest()


def as_html(model: Model, units: Mapping[str, str]) -> str:
    """A table for notebooks: the equation and each parameter with its range."""
    rows = [("equation", model.equation), ("network", repr(model.network)), ("replicas", str(model.replicas))]
    rows += [(name, f"{_range(array)} {units[name]}") for name, array in model.parameters().items()]
    cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows)
    return f"<table><caption>{type(model).__name__}</caption>{cells}</table>"


def _range(array: Float) -> str:
    low, high = float(array.min()), float(array.max())
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
