"""Random and regular graphs as networks, reproducible from a seed."""

from types import ModuleType

from gpu_pipeline.errors import InputError
from gpu_pipeline.graphs import Sparse, require, whole_number
from gpu_pipeline.networks import from_networkx

__all__ = ["erdos_renyi", "ring", "scale_free", "small_world"]


def ring(n: int, k: int = 2) -> Sparse:
    """Ring in which every node is coupled to its ``k`` nearest neighbors, ``k / 2`` on each side.

    Parameters
    ----------
    n : int
        Number of nodes, at least 3; labels 0 to n - 1 follow the ring.
    k : int, default 2
        Neighbors of each node, even, from 2 to n - 1.

    Returns
    -------
    network : Sparse
        Unweighted and symmetric.

    Raises
    ------
    InputError
        If ``n`` or ``k`` is out of range, or ``k`` is odd.
    """
    n = whole_number("n", n, least=3)
    offsets = range(1, _even_neighbors(n, k) // 2 + 1)
    return from_networkx(_networkx().circulant_graph(n, offsets), weight=None)


def erdos_renyi(n: int, *, degree: float | None = None, p: float | None = None, seed: int = 0) -> Sparse:
    """Random graph in which every pair of nodes is coupled with the same probability, independently.

    Parameters
    ----------
    n : int
        Number of nodes, at least 2.
    degree : float, optional
        Mean number of neighbors, between 0 and n - 1; sets ``p = degree / (n - 1)``.
    p : float, optional
        Probability of an edge, between 0 and 1. Give either ``degree`` or ``p``.
    seed : int, default 0
        The same seed gives the same graph.

    Returns
    -------
    network : Sparse
        Unweighted and symmetric. It need not be connected, and nodes may have no neighbor at all.

    Raises
    ------
    InputError
        If both or neither of ``degree`` and ``p`` are given, or a parameter is out of range.

    Notes
    -----
    The time grows with nodes plus edges, not with pairs of nodes.

    References
    ----------
    Batagelj & Brandes, Phys. Rev. E 71, 036113 (2005). doi:10.1103/PhysRevE.71.036113
    """
    n, seed = whole_number("n", n, least=2), whole_number("seed", seed, least=0)
    p = _edge_probability(n, degree, p)
    return from_networkx(_networkx().fast_gnp_random_graph(n, p, seed=seed), weight=None)


def small_world(n: int, k: int, p: float, *, seed: int = 0) -> Sparse:
    """Watts-Strogatz graph: a ring of ``k`` neighbors whose edges are rewired with probability ``p``.

    Parameters
    ----------
    n : int
        Number of nodes, at least 3.
    k : int
        Neighbors of each node before rewiring, even, from 2 to n - 1.
    p : float
        Probability of moving one end of an edge to a random node, between 0 (ring) and 1.
    seed : int, default 0
        The same seed gives the same graph.

    Returns
    -------
    network : Sparse
        Unweighted and symmetric, with exactly n k / 2 edges. For large ``p`` and small ``k`` it may fall apart.

    Raises
    ------
    InputError
        If a parameter is out of range, or ``k`` is odd.

    References
    ----------
    Watts & Strogatz, Nature 393, 440 (1998). doi:10.1038/30918
    """
    n, seed = whole_number("n", n, least=3), whole_number("seed", seed, least=0)
    k = _even_neighbors(n, k)
    if not 0 <= p <= 1:
        raise InputError(f"p is {p!r}, expected a probability between 0 and 1; 0 keeps the ring, 1 rewires every edge")
    return from_networkx(_networkx().watts_strogatz_graph(n, k, p, seed=seed), weight=None)


def scale_free(n: int, m: int, *, seed: int = 0) -> Sparse:
    """Barabasi-Albert graph: each new node attaches to ``m`` others, preferring those with many neighbors.

    Parameters
    ----------
    n : int
        Number of nodes, at least 2.
    m : int
        Edges that each new node brings, from 1 to n - 1; the mean degree tends to 2 m.
    seed : int, default 0
        The same seed gives the same graph.

    Returns
    -------
    network : Sparse
        Unweighted, symmetric and connected, with exactly m (n - m) edges.

    Raises
    ------
    InputError
        If a parameter is out of range.

    References
    ----------
    Barabási & Albert, Science 286, 509 (1999). doi:10.1126/science.286.5439.509
    """
    n, seed = whole_number("n", n, least=2), whole_number("seed", seed, least=0)
    m = whole_number("m", m, least=1)
    if m >= n:
        raise InputError(f"m is {m}, expected 1 to n - 1 = {n - 1}; lower it or add nodes")
    return from_networkx(_networkx().barabasi_albert_graph(n, m, seed=seed), weight=None)


def _networkx() -> ModuleType:
    """Networkx, imported on first use."""
    return require("networkx", "pip install networkx")


def _edge_probability(n: int, degree: float | None, p: float | None) -> float:
    """``p``, or the probability that gives the mean degree."""
    if degree is not None and p is None:
        if not 0 <= degree <= n - 1:
            raise InputError(f"degree is {degree!r}, expected 0 to n - 1 = {n - 1}; lower it or add nodes")
        return degree / (n - 1)
    if p is not None and degree is None:
        if not 0 <= p <= 1:
            raise InputError(f"p is {p!r}, expected a probability between 0 and 1; pass degree=... for a mean degree")
        return p
    raise InputError(f"found degree={degree!r} and p={p!r}, expected exactly one; pass degree=... or p=...")


def _even_neighbors(n: int, k: int) -> int:
    """``k`` as an even number of neighbors that fits n nodes; networkx would round an odd one down."""
    k = whole_number("k", k, least=2)
    if k % 2 or k >= n:
        raise InputError(f"k is {k}, expected an even number below n = {n}; half of the neighbors lie on each side")
    return k
