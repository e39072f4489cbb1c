"""The three kinds of network as arrays, with the rules that their arrays obey.

Users import these classes from `gpu_pipeline.networks`, where the functions that build them stand as well.
"""

import hashlib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpu_pipeline.errors import InputError, ShapeError

if TYPE_CHECKING:
    import scipy.sparse

__all__ = ["Dense", "MeanField", "Network", "Sparse"]

SYMMETRY_TOLERANCE = 1e-12  # relative, per pair of weights


class _Described:
    """Digest and short descriptions, the same for every kind of network."""

    kind: ClassVar[str]

    if TYPE_CHECKING:  # at run time it would become the default value of MeanField's field

        @property
        def n_nodes(self) -> int: ...

    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        raise NotImplementedError

    def _facts(self) -> dict[str, str]:
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """Memory of the arrays in bytes."""
        return sum(array.nbytes for array in self._arrays())

    def digest(self) -> str:
        """Hexadecimal SHA-256 of the kind, the shapes and the arrays: equal digests mean equal networks."""
        sha = hashlib.sha256(f"{self.kind} {self.n_nodes}".encode())
        for array in self._arrays():
            sha.update(f" {array.dtype.name} {array.shape} ".encode())
            sha.update(array.reshape(-1).view(np.uint8).data)
        return sha.hexdigest()

    def __repr__(self) -> str:
        facts = "".join(f", {name}={value}" for name, value in self._facts().items())
        return f"{type(self).__name__}(n_nodes={self.n_nodes}{facts})"

    def _repr_html_(self) -> str:
        facts = {"nodes": f"{self.n_nodes:,}", **self._facts(), "memory": f"{self.nbytes / 1e6:,.3f} MB"}
        rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in facts.items())
        return f"<table><caption>{type(self).__name__} network</caption>{rows}</table>"


@dataclass(frozen=True, eq=False, repr=False)
class MeanField(_Described):
    """All-to-all network with weight 1/N for every pair, a node's pull on itself included.

    Parameters
    ----------
    n_nodes : int
        Number of nodes N, at least 1.

    Raises
    ------
    InputError
        If ``n_nodes`` is not a whole number or below 1.

    Notes
    -----
    It stores nothing: its coupling is the order parameter itself, in O(N). The self-term matters only with a phase
    lag, where it shifts every frequency by -K sin(alpha) / N.
    """

    n_nodes: int
    kind: ClassVar[Literal["mean_field"]] = "mean_field"

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_nodes", whole_number("n_nodes", self.n_nodes, least=1))

    def row_sums(self) -> NDArray[np.float64]:
        """Sum of absolute weights acting on each node: ones, float64 of shape (N,)."""
        return np.ones(self.n_nodes)

    @property
    def is_symmetric(self) -> bool:
        """Whether i pulls j as strongly as j pulls i: always true here."""
        return True

    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        return ()

    def _facts(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, eq=False, repr=False)
class Dense(_Described):
    """Network given by its full matrix of weights; `from_dense` converts other arrays.

    Parameters
    ----------
    weights : ndarray of float64, shape (N, N), C-contiguous
        ``weights[i, j]`` pulls node i towards node j; dimensionless, finite, zero on the diagonal. Not copied.

    Raises
    ------
    ShapeError
        If ``weights`` is no square, C-contiguous float64 array.
    InputError
        If a weight is NaN or infinite, or the diagonal is not zero.
    """

    weights: NDArray[np.float64]
    kind: ClassVar[Literal["dense"]] = "dense"

    def __post_init__(self) -> None:
        _check_array("weights", self.weights, np.float64, ndim=2)
        check_square("weights", self.weights.shape)
        finite = np.isfinite(self.weights)
        if not finite.all():
            i, j = divmod(int(np.argmin(finite)), self.n_nodes)
            raise not_finite(i, j, self.weights[i, j])
        diagonal = np.flatnonzero(self.weights.diagonal())
        if diagonal.size:
            raise self_coupled(diagonal[0])

    @property
    def n_nodes(self) -> int:
        """Number of nodes N."""
        return int(self.weights.shape[0])

    def row_sums(self) -> NDArray[np.float64]:
        """Sum of absolute weights acting on each node, float64 of shape (N,)."""
        return np.concatenate([np.abs(self.weights[rows]).sum(axis=1) for rows in _row_blocks(self.n_nodes)])

    @property
    def is_symmetric(self) -> bool:
        """Whether i pulls j as strongly as j pulls i, to 1e-12 relative."""
        for rows in _row_blocks(self.n_nodes):
            a, b = self.weights[rows], self.weights[:, rows].T
            if (np.abs(a - b) > SYMMETRY_TOLERANCE * np.maximum(np.abs(a), np.abs(b))).any():
                return False
        return True

    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        return (self.weights,)

    def _facts(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, eq=False, repr=False)
class Sparse(_Described):
    """Network in compressed sparse rows; `from_edges`, `from_scipy` and `from_networkx` build it.

    Parameters
    ----------
    indptr : ndarray of int64, shape (N + 1,)
        Row i holds the entries ``indptr[i]`` to ``indptr[i + 1]``.
    indices : ndarray of int32, shape (nnz,)
        Sources j that act on the target i of the row: ascending, without duplicates and without i itself.
    weights : ndarray of float64, shape (nnz,), optional
        Strength of each pull, dimensionless and finite; None means one everywhere. The arrays are not copied.

    Raises
    ------
    ShapeError
        If an array has the wrong dtype or shape.
    InputError
        If rows are unsorted, hold duplicates, self-couplings or sources out of range, or a weight is not finite.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weights: NDArray[np.float64] | None = None
    kind: ClassVar[Literal["sparse"]] = "sparse"

    def __post_init__(self) -> None:
        _check_array("indptr", self.indptr, np.int64, ndim=1)
        _check_array("indices", self.indices, np.int32, ndim=1)
        _check_indptr(self.indptr, self.indices.size)
        rows = self._rows()
        _check_columns(rows, self.indices, self.n_nodes)
        if self.weights is None:
            return
        _check_array("weights", self.weights, np.float64, ndim=1)
        if self.weights.shape != self.indices.shape:
            raise ShapeError(
                f"weights has {self.weights.size} entries, expected {self.indices.size} as in indices; "
                "pass one weight per entry or None"
            )
        finite = np.isfinite(self.weights)
        if not finite.all():
            e = int(np.argmin(finite))
            raise not_finite(rows[e], self.indices[e], self.weights[e])

    @property
    def n_nodes(self) -> int:
        """Number of nodes N."""
        return int(self.indptr.size - 1)

    def row_sums(self) -> NDArray[np.float64]:
        """Sum of absolute weights acting on each node, float64 of shape (N,)."""
        if self.weights is None:
            return np.diff(self.indptr).astype(np.float64)
        # With no entries at all, bincount answers in integers.
        return np.bincount(self._rows(), np.abs(self.weights), self.n_nodes).astype(np.float64)

    @property
    def is_symmetric(self) -> bool:
        """Whether i pulls j as strongly as j pulls i, to 1e-12 relative. Needs scipy."""
        a = self.to_scipy()
        larger = abs(a).maximum(abs(a.T))
        return bool((abs(a - a.T) - SYMMETRY_TOLERANCE * larger).max() <= 0)

    def to_scipy(self) -> "scipy.sparse.csr_array":
        """The same matrix for scipy, shape (N, N), float64; a copy. Needs scipy."""
        weights = np.ones(self.indices.size) if self.weights is None else self.weights
        shape = (self.n_nodes, self.n_nodes)
        return scipy_sparse().csr_array((weights, self.indices, self.indptr), shape=shape, copy=True)

    def _rows(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(self.n_nodes), np.diff(self.indptr))

    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        arrays = (self.indptr, self.indices)
        return arrays if self.weights is None else (*arrays, self.weights)

    def _facts(self) -> dict[str, str]:
        return {"entries": str(self.indices.size), "weighted": str(self.weights is not None)}


Network: TypeAlias = MeanField | Dense | Sparse


def whole_number(name: str, value: object, *, least: int | None = None) -> int:
    """``value`` as an int of at least ``least``; InputError names the parameter otherwise."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise InputError(f"{name} is {value!r}, expected a whole number; pass an int")
    if least is not None and value < least:
        raise InputError(f"{name} is {value}, expected at least {least}; raise it")
    return int(value)


def require(module: str, install: str) -> ModuleType:
    """Import a module on first use; InputError gives the command that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        package = module.partition(".")[0]
        raise InputError(f"{package} cannot be imported ({exc}), and this function needs it; run: {install}") from exc


def scipy_sparse() -> ModuleType:
    return require("scipy.sparse", "pip install scipy")


def _check_array(name: str, array: object, dtype: type[np.generic], *, ndim: int) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != ndim or not array.flags.c_contiguous:
        found = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ShapeError(
            f"{name} is {found}, expected a C-contiguous {ndim}-d array of {np.dtype(dtype)}; "
            "use from_dense, from_scipy or from_edges to convert"
        )


def check_square(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise ShapeError(f"{name} has shape {shape}, expected (N, N) with N > 0; one row and one column per node")


def check_real(name: str, dtype: np.dtype[np.generic]) -> None:
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise ShapeError(f"{name} has dtype {dtype}, expected real numbers of up to 64 bits; convert it first")


def _check_indptr(indptr: NDArray[np.int64], entries: int) -> None:
    if indptr.size < 2:
        raise ShapeError(f"indptr has {indptr.size} entries, expected N + 1 with N > 0; one more than nodes")
    if indptr[0] != 0 or indptr[-1] != entries or (np.diff(indptr) < 0).any():
        raise InputError(
            f"indptr runs from {indptr[0]} to {indptr[-1]}, expected ascending from 0 to {entries} (the entries of "
            "indices); use from_scipy to convert"
        )


def _check_columns(rows: NDArray[np.int64], columns: NDArray[np.int32], n_nodes: int) -> None:
    outside = (columns < 0) | (columns >= n_nodes)
    if outside.any():
        e = int(np.argmax(outside))
        raise InputError(f"indices[{e}] is {columns[e]}, expected 0 to {n_nodes - 1}; correct the source of the edge")
    loops = np.flatnonzero(rows == columns)
    if loops.size:
        raise self_coupled(rows[loops[0]])
    unsorted = np.flatnonzero((np.diff(rows) == 0) & (np.diff(columns) <= 0))
    if unsorted.size:
        e = int(unsorted[0])
        raise InputError(
            f"row {rows[e]} of indices holds {columns[e]} before {columns[e + 1]}, expected ascending columns without "
            "duplicates; use from_scipy to sort them"
        )


def not_finite(i: int, j: int, value: float) -> InputError:
    return InputError(f"weights[{i}, {j}] is {value}, expected a finite number; remove or replace it")


def self_coupled(i: int) -> InputError:
    return InputError(f"weights[{i}, {i}] is not zero, expected a zero diagonal; remove the self-coupling of node {i}")


def _row_blocks(n_nodes: int, height: int = 1024) -> Iterator[slice]:
    """Slices of rows: temporaries stay far smaller than the matrix."""
    return (slice(start, start + height) for start in range(0, n_nodes, height))
