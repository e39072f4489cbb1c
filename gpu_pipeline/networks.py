"""Networks of oscillators: who pulls whom, and how strongly.

Rows are targets and columns are sources: ``weights[i, j]`` pulls node i towards node j. Normalization lives in the
weights, so a coupling strength is never divided by the number of nodes behind the user's back; the one exception is
`MeanField`, which is the 1/N all-to-all network. The constructors take arrays as they are and refuse whatever breaks
their rules; the ``from_...`` functions convert, and always copy.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gpu_pipeline.errors import InputError, ShapeError
from gpu_pipeline.graphs import (
    Dense,
    MeanField,
    Network,
    Sparse,
    check_real,
    check_square,
    not_finite,
    require,
    scipy_sparse,
    self_coupled,
    whole_number,
)

if TYPE_CHECKING:
    import networkx as nx
    import scipy.sparse

__all__ = [
    "Dense",
    "MeanField",
    "Network",
    "Sparse",
    "as_network",
    "from_dense",
    "from_edges",
    "from_networkx",
    "from_scipy",
]

MAX_NODES = np.iinfo(np.int32).max  # column indices are int32


def from_dense(a: ArrayLike) -> Dense:
    """Dense network from any square array of real numbers.

    Parameters
    ----------
    a : array_like of bool, int or float (up to 64 bits), shape (N, N)
        ``a[i, j]`` pulls node i towards node j; finite, zero on the diagonal. Copied.

    Returns
    -------
    network : Dense
        With the weights in float64.

    Raises
    ------
    ShapeError
        If ``a`` is not square or not real.
    InputError
        If a weight is NaN or infinite, or the diagonal is not zero.
    """
    a = np.asarray(a)
    check_square("a", a.shape)
    check_real("a", a.dtype)
    return Dense(np.array(a, dtype=np.float64, order="C", copy=True))


def from_scipy(m: "scipy.sparse.sparray | scipy.sparse.spmatrix") -> Sparse:
    """Sparse network from a scipy matrix of any format.

    Parameters
    ----------
    m : scipy.sparse array or matrix, shape (N, N)
        ``m[i, j]`` pulls node i towards node j; real, finite, zero on the diagonal. Copied.

    Returns
    -------
    network : Sparse
        Rows sorted, duplicates added up, zeros left out; ``weights`` is None where all of them are one.

    Raises
    ------
    ShapeError
        If ``m`` is no sparse matrix, not square or not real.
    InputError
        If a weight is NaN or infinite, or the diagonal is not zero.
    """
    sparse = scipy_sparse()
    if not sparse.issparse(m):
        raise ShapeError(f"m is {type(m).__name__}, expected a scipy.sparse matrix; use from_dense for arrays")
    check_square("m", m.shape)
    check_real("m", m.dtype)
    csr = sparse.csr_array(m, dtype=np.float64, copy=True)
    csr.sum_duplicates()  # sorts the rows as well
    csr.eliminate_zeros()
    return _canonical(csr.indptr, csr.indices, csr.data)


def from_networkx(graph: "nx.Graph", weight: str | None = "weight") -> Sparse:
    """Sparse network from a networkx graph; nodes are numbered in the order of ``graph.nodes``.

    Parameters
    ----------
    graph : networkx.Graph, DiGraph, MultiGraph or MultiDiGraph
        An edge ``u -> v`` of a directed graph lets u act on v, which is ``weights[v, u]``, the transpose of
        networkx's adjacency matrix. An undirected edge acts both ways. Parallel edges add up.
    weight : str or None, default "weight"
        Edge attribute that holds the weight, 1 where an edge lacks it. None ignores weights.

    Returns
    -------
    network : Sparse
        ``weights`` is None where all of them are one.

    Raises
    ------
    InputError
        If the graph has no nodes, a self-loop, or a weight that is not a finite number.
    """
    networkx = require("networkx", "pip install networkx")
    if not isinstance(graph, networkx.Graph):
        raise InputError(f"graph is {type(graph).__name__}, expected a networkx graph; use as_network for the rest")
    whole_number("number of nodes in graph", graph.number_of_nodes(), least=1)
    try:
        adjacency = networkx.to_scipy_sparse_array(graph, weight=weight, dtype=np.float64, format="csr")
    except (TypeError, ValueError) as exc:
        raise InputError(f"edge attribute {weight!r} is not a number everywhere ({exc}); pass weight=None") from exc
    return from_scipy(adjacency.T)


def from_edges(edges: ArrayLike, n_nodes: int, directed: bool = False) -> Sparse:
    """Sparse network from a list of edges.

    Parameters
    ----------
    edges : array_like, shape (E, 2) or (E, 3)
        Rows (source, target) or (source, target, weight), nodes counted from 0. Each edge appears once.
    n_nodes : int
        Number of nodes N, at least 1.
    directed : bool, default False
        True: the source acts on the target only, which is ``weights[target, source]``. False: both act on each other.

    Returns
    -------
    network : Sparse
        Edges of weight zero are left out; ``weights`` is None where all of them are one.

    Raises
    ------
    ShapeError
        If ``edges`` has neither two nor three columns, or is not real.
    InputError
        If a node is no whole number or out of range, a weight is not finite, or an edge is repeated or a self-loop.
    """
    n_nodes = whole_number("n_nodes", n_nodes, least=1)
    source, target, weights = _edge_columns(np.asarray(edges), n_nodes)
    rows, columns = (target, source) if directed else (np.append(target, source), np.append(source, target))
    weights = weights if directed else np.append(weights, weights)
    order = np.argsort(rows * n_nodes + columns, kind="stable")
    rows, columns, weights = rows[order], columns[order], weights[order]
    repeated = np.flatnonzero((np.diff(rows) == 0) & (np.diff(columns) == 0))
    if repeated.size:
        pair = f"({columns[repeated[0]]}, {rows[repeated[0]]})"
        raise InputError(
            f"edge {pair} appears twice, expected once; drop one"
            + ("" if directed else ", or pass directed=True if both directions are listed")
        )
    kept = weights != 0
    counts = np.bincount(rows[kept], minlength=n_nodes)
    return _canonical(np.append(0, np.cumsum(counts)), columns[kept], weights[kept])


def as_network(obj: object) -> Network:
    """Network from whatever describes one.

    Parameters
    ----------
    obj : MeanField, Dense, Sparse, scipy.sparse matrix, networkx graph or array_like of shape (N, N)
        Edge lists need their number of nodes: use `from_edges` for them.

    Returns
    -------
    network : MeanField, Dense or Sparse
        ``obj`` itself if it is one already.

    Raises
    ------
    InputError
        If ``obj`` is none of these, or breaks the rules of its kind (see the ``from_...`` functions).
    """
    if isinstance(obj, MeanField | Dense | Sparse):
        return obj
    if isinstance(obj, np.ndarray | list | tuple):
        return from_dense(obj)
    if hasattr(obj, "adjacency") and hasattr(obj, "is_directed"):
        return from_networkx(obj)
    if scipy_sparse().issparse(obj):
        return from_scipy(obj)
    if hasattr(obj, "__array__"):
        return from_dense(np.asarray(obj))
    raise InputError(
        f"found {type(obj).__name__}, expected a network, a square array, a scipy.sparse matrix or a networkx graph; "
        "use from_edges for edge lists"
    )


def _canonical(indptr: NDArray[np.integer], columns: NDArray[np.integer], weights: NDArray[np.float64]) -> Sparse:
    """Sparse from sorted rows; weights that are all one are not stored, so that equal networks have equal digests."""
    if indptr.size - 1 > MAX_NODES:
        raise InputError(f"found {indptr.size - 1} nodes, expected at most {MAX_NODES}; split the network")
    unit = bool((weights == 1).all())
    return Sparse(indptr.astype(np.int64), columns.astype(np.int32), None if unit else weights)


def _edge_columns(
    table: NDArray[np.generic], n_nodes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Sources, targets and weights of a checked edge list."""
    if table.ndim != 2 or table.shape[1] not in (2, 3):
        raise ShapeError(f"edges has shape {table.shape}, expected (E, 2) or (E, 3); pass one row per edge")
    check_real("edges", table.dtype)
    # Floats must not be cast first: NaN and 1.5 would turn into nodes.
    ends = table[:, :2]
    bad = ~((ends >= 0) & (ends < n_nodes) & (ends == np.floor(ends))).all(axis=1)  # type: ignore[operator]
    if bad.any():
        e = int(np.argmax(bad))
        raise InputError(f"edges[{e}] joins {ends[e].tolist()}, expected nodes 0 to {n_nodes - 1}; correct the edge")
    source, target = ends.astype(np.int64).T
    loops = np.flatnonzero(source == target)
    if loops.size:
        raise self_coupled(source[loops[0]])
    weights = table[:, 2].astype(np.float64) if table.shape[1] == 3 else np.ones(len(table))
    finite = np.isfinite(weights)
    if not finite.all():
        e = int(np.argmin(finite))
        raise not_finite(target[e], source[e], weights[e])
    return source, target, weights
