"""Networks: the direction of an edge, canonical form, and what is refused."""

import time

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from gpu_pipeline.errors import InputError, ShapeError
from gpu_pipeline.graphs import require
from gpu_pipeline.networks import (
    Dense,
    MeanField,
    Sparse,
    as_network,
    from_dense,
    from_edges,
    from_networkx,
    from_scipy,
)


@pytest.fixture
def matrix():
    """A directed, weighted network of 40 nodes with both signs and an empty row: no symmetry hides a transpose."""
    rng = np.random.default_rng(5)
    a = np.where(rng.random((40, 40)) < 0.2, rng.normal(size=(40, 40)), 0.0)
    np.fill_diagonal(a, 0.0)
    a[7] = 0.0
    return a


def csr(indptr, indices, weights=None):
    """Arrays of a Sparse with the dtypes that its constructor asks for."""
    weights = None if weights is None else np.array(weights, dtype=np.float64)
    return np.array(indptr, dtype=np.int64), np.array(indices, dtype=np.int32), weights


def test_every_source_gives_the_same_matrix(matrix):
    """Five ways in, one meaning of row and column: a transpose in any of them would show here."""
    target, source = np.nonzero(matrix)
    edges = np.column_stack([source, target, matrix[target, source]])
    graph = nx.DiGraph()
    graph.add_nodes_from(range(40))
    graph.add_weighted_edges_from((int(u), int(v), float(w)) for u, v, w in edges)
    for network in (from_scipy(sp.coo_matrix(matrix)), from_edges(edges, 40, directed=True), from_networkx(graph)):
        np.testing.assert_array_equal(network.to_scipy().toarray(), matrix)
    np.testing.assert_array_equal(from_dense(matrix).weights, matrix)


def test_edge_of_a_digraph_acts_on_its_head():
    """Networkx stores u -> v at [u, v], but the row is the target here: the transpose is easily forgotten."""
    network = from_networkx(nx.DiGraph([("driver", "follower")]))
    assert network.to_scipy().toarray().tolist() == [[0, 0], [1, 0]]


def test_undirected_edge_acts_both_ways():
    """A reversed copy that keeps only the first weight would make the network directed."""
    network = from_edges([[0, 1, 2.5], [2, 1, -1.0]], 4)
    want = np.zeros((4, 4))
    want[0, 1] = want[1, 0] = 2.5
    want[1, 2] = want[2, 1] = -1.0
    np.testing.assert_array_equal(network.to_scipy().toarray(), want)


def test_unsorted_duplicates_of_scipy_become_canonical_without_touching_the_original():
    """Canonicalization in place would reorder arrays that belong to the caller."""
    original = sp.csr_array((np.array([1.0, 2.0, 0.5, 0.0]), np.array([2, 1, 2, 0]), np.array([0, 3, 4, 4])), (3, 3))
    before = original.data.copy(), original.indices.copy()
    network = from_scipy(original)
    assert (network.indices.tolist(), network.weights.tolist()) == ([1, 2], [2.0, 1.5])
    assert network.indptr.tolist() == [0, 2, 2, 2]
    np.testing.assert_array_equal(original.data, before[0])
    np.testing.assert_array_equal(original.indices, before[1])


def test_conversion_copies():
    """A network that shares memory with an array of the caller changes when the caller goes on working."""
    a = np.array([[0.0, 1.0], [2.0, 0.0]])
    network = from_dense(a)
    a[0, 1] = 9.0
    assert network.weights[0, 1] == 1.0


def test_weights_of_one_are_not_stored():
    """The same network with and without explicit ones must have one digest, and runs without reading weights."""
    pairs = [[0, 1], [1, 2]]
    plain, explicit = from_edges(pairs, 3), from_edges([[*pair, 1.0] for pair in pairs], 3)
    assert plain.weights is None
    assert explicit.weights is None
    assert plain.digest() == explicit.digest()


def test_dtypes_are_those_of_the_kernels():
    """Scipy narrows or widens index arrays on its own; a kernel compiled for int64 and int32 would misread them."""
    network = from_scipy(sp.eye_array(30, k=3, dtype=np.float32, format="dia") * 2)
    assert (network.indptr.dtype, network.indices.dtype, network.weights.dtype) == (np.int64, np.int32, np.float64)
    assert from_dense([[0, 1], [1, 0]]).weights.dtype == np.float64


def test_row_sums_are_absolute_and_per_target(matrix):
    """The step-size rule reads them: signs that cancel, or column sums, would let a step through that is too large."""
    want = np.abs(matrix).sum(axis=1)
    np.testing.assert_allclose(from_dense(matrix).row_sums(), want, rtol=1e-13)
    np.testing.assert_allclose(from_scipy(sp.csr_array(matrix)).row_sums(), want, rtol=1e-13)
    np.testing.assert_array_equal(from_edges([[0, 1], [0, 2]], 4).row_sums(), [2, 1, 1, 0])
    np.testing.assert_array_equal(MeanField(3).row_sums(), [1, 1, 1])


def test_row_sums_of_a_network_without_edges_are_float_zeros():
    """Counting an empty list answers in integers."""
    for network in (from_edges(np.empty((0, 2)), 3), Sparse(*csr([0, 0, 0, 0], [], []))):
        assert network.row_sums().tolist() == [0, 0, 0]
        assert network.row_sums().dtype == np.float64


@pytest.mark.parametrize("convert", [from_dense, lambda a: from_scipy(sp.csr_array(a))], ids=["dense", "sparse"])
def test_symmetry_is_judged_relative_to_each_pair(convert):
    """Judged against the largest weight, a one-way edge that is small would pass as detailed balance."""
    a = np.zeros((1500, 1500))
    a[0, 1] = a[1, 0] = 1e6
    a[1400, 3] = 1e-9
    assert not convert(a).is_symmetric
    a[3, 1400] = 1e-9 * (1 + 1e-13)
    assert convert(a).is_symmetric
    a[3, 1400] = 1e-9 * (1 + 1e-11)
    assert not convert(a).is_symmetric


def test_digest_tells_kind_shape_and_values_apart(matrix):
    """A run that continues on another network must be noticed."""
    changed, longer = matrix.copy(), np.zeros((41, 41))
    changed[np.nonzero(matrix)[0][0], np.nonzero(matrix)[1][0]] += 1e-15
    longer[:40, :40] = matrix
    networks = [MeanField(40), MeanField(41), *map(from_dense, (matrix, matrix.T, changed, longer))]
    networks += [from_scipy(sp.csr_array(a)) for a in (matrix, matrix.T, changed, longer)]
    assert len({network.digest() for network in networks}) == len(networks)
    assert from_dense(matrix).digest() == from_dense(np.asfortranarray(matrix)).digest()


@pytest.mark.parametrize(
    ("obj", "kind"),
    [
        (MeanField(2), "mean_field"),
        ([[0, 1], [1, 0]], "dense"),
        (np.zeros((2, 2), dtype=np.float32), "dense"),
        (sp.eye_array(3, k=1), "sparse"),
        (sp.csr_matrix((2, 2)), "sparse"),
        (nx.path_graph(3), "sparse"),
        (nx.MultiDiGraph([(0, 1), (0, 1)]), "sparse"),
    ],
)
def test_as_network_recognizes(obj, kind):
    """Graphs and matrices have many types; each must find its own way in."""
    network = as_network(obj)
    assert network.kind == kind
    assert as_network(network) is network


def test_parallel_edges_add_up():
    """Overwriting instead of adding would lose a line of a grid."""
    assert from_networkx(nx.MultiGraph([(0, 1), (0, 1)])).weights.tolist() == [2.0, 2.0]


def test_descriptions_name_size_and_kind():
    """The default text of a dataclass would print a million numbers into a notebook."""
    network = from_edges([[0, 1]], 1000)
    assert repr(network) == "Sparse(n_nodes=1000, entries=2, weighted=False)"
    assert repr(MeanField(5)) == "MeanField(n_nodes=5)"
    assert "1,000" in network._repr_html_()
    assert network.nbytes == 1001 * 8 + 2 * 4


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (np.zeros((2, 3)), ShapeError, r"weights has shape \(2, 3\), expected \(N, N\)"),
        (np.zeros((0, 0)), ShapeError, r"expected \(N, N\) with N > 0"),
        (np.zeros(4), ShapeError, "float64 of shape"),
        (np.zeros((2, 2), dtype=np.float32), ShapeError, "float32.*expected a C-contiguous 2-d array of float64"),
        (np.zeros((4, 4))[:, ::2][:2], ShapeError, "C-contiguous"),
        ([[0.0]], ShapeError, "weights is list"),
        (np.array([[0.0, 1.0], [np.nan, 0.0]]), InputError, r"weights\[1, 0\] is nan"),
        (np.array([[0.0, -np.inf], [np.nan, 0.0]]), InputError, r"weights\[0, 1\] is -inf"),
        (np.diag([0.0, 3.0]), InputError, r"weights\[1, 1\] is not zero"),
    ],
)
def test_dense_refuses(weights, error, words):
    """An array that is cast, cut or padded in silence gives results about another network."""
    with pytest.raises(error, match=words):
        Dense(weights)


@pytest.mark.parametrize(
    ("arrays", "error", "words"),
    [
        ((np.array([0, 1]), np.array([0]), None), ShapeError, "indices is int64"),
        ((np.array([0, 1], dtype=np.int32), np.array([0], dtype=np.int32), None), ShapeError, "indptr is int32"),
        (csr([0], []), ShapeError, "indptr has 1 entries"),
        (csr([0, 2, 1], [1]), InputError, "ascending from 0 to 1"),
        (csr([0, 1, 1], [1, 0]), InputError, "indptr runs from 0 to 1, expected ascending from 0 to 2"),
        (csr([1, 1, 1], [1]), InputError, "indptr runs from 1"),
        (csr([0, 1, 1], [2]), InputError, r"indices\[0\] is 2, expected 0 to 1"),
        (csr([0, 1, 1], [-1]), InputError, r"indices\[0\] is -1"),
        (csr([0, 1, 2], [1, 1]), InputError, r"weights\[1, 1\] is not zero"),
        (csr([0, 2, 2, 2], [2, 1]), InputError, "row 0 of indices holds 2 before 1"),
        (csr([0, 2, 2, 2], [1, 1]), InputError, "row 0 of indices holds 1 before 1"),
        (csr([0, 1, 2], [1, 0], [1.0]), ShapeError, "weights has 1 entries, expected 2"),
        (csr([0, 1, 2], [1, 0], [1.0, np.inf]), InputError, r"weights\[1, 0\] is inf"),
    ],
)
def test_sparse_refuses(arrays, error, words):
    """Kernels read these arrays without checks: a bad index there is a wrong result or a crash."""
    with pytest.raises(error, match=words):
        Sparse(*arrays)


def test_row_boundary_may_step_down():
    """Sortedness holds within rows only; a check across the boundary would refuse every ring."""
    assert Sparse(*csr([0, 1, 2], [1, 0])).n_nodes == 2


@pytest.mark.parametrize(
    ("edges", "n_nodes", "error", "words"),
    [
        ([0, 1], 3, ShapeError, r"shape \(2,\), expected \(E, 2\) or \(E, 3\)"),
        (np.zeros((2, 4)), 3, ShapeError, r"shape \(2, 4\)"),
        ([["a", "b"]], 3, ShapeError, "edges has dtype"),
        ([[0, 1]], -4, InputError, "n_nodes is -4, expected at least 1"),
        ([[0, 1]], 2.0, InputError, "n_nodes is 2.0, expected a whole number"),
        ([[0, 1], [1, 3]], 3, InputError, r"edges\[1\] joins \[1, 3\], expected nodes 0 to 2"),
        ([[0, -1]], 3, InputError, r"joins \[0, -1\]"),
        ([[0, 1.5]], 3, InputError, r"joins \[0.0, 1.5\]"),
        ([[0, np.nan]], 3, InputError, r"joins \[0.0, nan\]"),
        ([[2, 2]], 3, InputError, r"weights\[2, 2\] is not zero"),
        ([[0, 1, 2.0], [1, 2, np.nan]], 3, InputError, r"weights\[2, 1\] is nan"),
        ([[0, 1], [1, 0]], 3, InputError, "appears twice.*directed=True"),
    ],
)
def test_from_edges_refuses(edges, n_nodes, error, words):
    """Lists of edges come from files: a shifted numbering or a repeated line must not pass."""
    with pytest.raises(error, match=words):
        from_edges(edges, n_nodes)


def test_both_directions_are_two_directed_edges():
    """The refusal of repeated edges must not hit the two directions of a directed list."""
    network = from_edges([[0, 1, 2.0], [1, 0, 3.0]], 2, directed=True)
    assert network.to_scipy().toarray().tolist() == [[0, 3], [2, 0]]
    with pytest.raises(InputError, match=r"edge \(0, 1\) appears twice, expected once; drop one$"):
        from_edges([[0, 1], [0, 1]], 2, directed=True)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: from_dense(np.eye(2) * 1j), ShapeError, "complex128"),
        (lambda: from_scipy(np.zeros((2, 2))), ShapeError, "m is ndarray.*use from_dense"),
        (lambda: from_scipy(sp.csr_array((2, 3))), ShapeError, r"\(2, 3\)"),
        (lambda: from_scipy(sp.eye_array(2)), InputError, "zero diagonal"),
        (lambda: from_scipy(sp.csr_array([[0, np.nan], [0, 0]])), InputError, r"weights\[0, 1\] is nan"),
        (lambda: from_networkx(nx.Graph()), InputError, "number of nodes in graph is 0"),
        (lambda: from_networkx(nx.Graph([(0, 0)])), InputError, "self-coupling of node 0"),
        (lambda: from_networkx(nx.Graph([(0, 1, {"weight": "far"})])), InputError, "'weight' is not a number"),
        (lambda: from_networkx([[0, 1]]), InputError, "graph is list"),
        (lambda: MeanField(0), InputError, "n_nodes is 0, expected at least 1"),
        (lambda: MeanField(True), InputError, "n_nodes is True"),
        (lambda: as_network("ring"), InputError, "found str, expected a network"),
        (lambda: require("no_such_package.core", "pip install x"), InputError, "no_such_package cannot.*pip install x"),
    ],
)
def test_conversion_refuses(call, error, words):
    """Each message must name what was found; none may surface as an error of a library."""
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_million_edges_are_fast():
    """One Python loop over the edges would take this from a fraction of a second to many."""
    source, step = np.divmod(np.arange(1_000_000), 10)
    started = time.perf_counter()
    network = from_edges(np.column_stack([source, (source + step + 1) % 100_000]), 100_000)
    assert network.indices.size == 2_000_000
    assert time.perf_counter() - started < 5
