"""Networks as the coupling sums read them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_pipeline.kernels.cpu.arrays import LaneMap, aligned_zeros
from gpu_pipeline.kernels.cpu.couplings import TILE_ROWS
from gpu_pipeline.kernels.problem import Graph

_PADDING = 1.25  # a bundle may hold so many times its edges: an unused place costs a fraction of a row of its own

Array = NDArray[Any]


def lay_out(graph: Graph, map_: LaneMap, real: np.dtype[np.generic]) -> tuple[Array, ...]:
    """The arrays of a network for ``advance.couple_*``."""
    if graph.kind == "mean_field":
        return (np.zeros(1, np.int64),)
    if graph.kind == "dense":
        return (_padded_matrix(graph, map_, real),)
    return _bundled_rows(graph, map_, real)


def _padded_matrix(graph: Graph, map_: LaneMap, real: np.dtype[np.generic]) -> Array:
    n = graph.n_nodes
    rows, columns = (-(-n // TILE_ROWS) * TILE_ROWS, n) if map_.tiled else (map_.elements, map_.elements)
    weights = aligned_zeros((rows, columns), real)
    weights[:n, :n] = np.asarray(graph.weights)
    return weights


def _bundled_rows(graph: Graph, map_: LaneMap, real: np.dtype[np.generic]) -> tuple[Array, ...]:
    """Rows of each block by falling degree; for a single replica in bundles of as many rows as there are lanes.

    Returns ``starts`` (first column of each bundle), ``columns`` (edges of a bundle, rows side by side, padded with the
    zero entry of the table), their weights, then indptr, indices and weights of the edges beyond, and the row numbers.
    """
    assert graph.indptr is not None
    assert graph.indices is not None
    n = map_.elements // map_.width
    indptr = np.concatenate([graph.indptr, np.full(n - graph.n_nodes, graph.indptr[-1])]).astype(np.int64)
    degrees = np.diff(indptr)
    rows_per_block = map_.block // map_.width
    rows = np.lexsort((-degrees, np.arange(n) // rows_per_block)).astype(np.int32)
    bundled = not map_.tiled and real == np.float32
    widths = _widths(degrees[rows].reshape(-1, map_.lanes)) if bundled else np.zeros(-(-n // map_.lanes), np.int64)
    per_row = np.repeat(widths, map_.lanes)[:n]
    starts = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)

    edge_row = np.repeat(np.arange(n), degrees[rows])
    rank = np.arange(edge_row.size) - np.repeat(np.cumsum(degrees[rows]) - degrees[rows], degrees[rows])
    edge = indptr[rows][edge_row] + rank
    inside = rank < per_row[edge_row]
    place = (starts[edge_row[inside] // map_.lanes] + rank[inside]) * map_.lanes + edge_row[inside] % map_.lanes
    columns = aligned_zeros((max(1, int(starts[-1])) * map_.lanes,), np.int32)
    columns[:] = map_.elements
    columns[place] = graph.indices[edge[inside]]
    beyond = np.maximum(degrees[rows] - per_row, 0)
    rest = np.concatenate([[0], np.cumsum(beyond)]).astype(np.int64)
    column_weights, weights = np.zeros(1, real), np.zeros(1, real)
    if graph.weights is not None:
        column_weights = aligned_zeros(columns.shape, real)
        column_weights[place] = graph.weights[edge[inside]]
        weights = graph.weights[edge[~inside]].astype(real)
    return starts, columns, column_weights, rest, graph.indices[edge[~inside]].astype(np.int32), weights, rows


def _widths(degrees: Array) -> Array:
    """Columns of each bundle: its largest degree where little padding results, else its smallest."""
    largest, smallest, edges = degrees[:, 0], degrees[:, -1], degrees.sum(axis=1)
    return np.where(largest * degrees.shape[1] <= _PADDING * edges, largest, smallest)
