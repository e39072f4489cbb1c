"""Coupling sums of a block of oscillators: S_i = sum_j A_ij sin(theta_j) and C_i = sum_j A_ij cos(theta_j).

sin(theta_j - theta_i - alpha) is split by the addition theorem, so one pass over the network serves both sums and no
trigonometric function is evaluated per edge. One replica has its oscillators side by side in the lanes; several
replicas have the lanes, and every weight and index is read once for all of them.
"""

from __future__ import annotations

from gpu_pipeline.kernels.cpu.layout import Layout
from gpu_pipeline.kernels.cpu.simd import I64, Operands, fma, lane_sum, loop, vector_operation

DENSE_ROWS = 4  # rows side by side: enough independent sums to hide the latency of a multiply-add


def emit_dense(layout: Layout):
    """Rows ``low`` to ``high`` of a matrix of ``origin`` columns (a multiple of the lanes), one replica."""
    lanes, real = layout.lanes, layout.angle.real

    def emit(o: Operands, low, high, columns) -> None:
        def rows(row, _):
            start = o.b.mul(row, columns)
            zeros = [o.zeros(real, lanes)] * (2 * DENSE_ROWS)

            def column(j, sums):
                sine, cosine = layout.load_table(o, "source", j)
                result = []
                for r in range(DENSE_ROWS):
                    place = o.b.add(o.b.add(start, j), o.b.mul(columns, I64(r)))
                    weight = o.load("weights", place, lanes)
                    result += [fma(weight, sine, sums[2 * r]), fma(weight, cosine, sums[2 * r + 1])]
                return result

            sums = loop(o.b, 0, columns, lanes, zeros, column)
            for r in range(DENSE_ROWS):
                place = o.b.add(o.b.sub(row, low), I64(r))
                o.store("pull_sin", place, lane_sum(sums[2 * r]))
                o.store("pull_cos", place, lane_sum(sums[2 * r + 1]))

        loop(o.b, low, high, DENSE_ROWS, [], rows)

    return vector_operation("weights source pull_sin pull_cos", emit)


def emit_dense_tile(layout: Layout):
    """Rows ``low`` to ``high`` of a matrix of ``origin`` columns for a tile of replicas in the lanes."""
    lanes, real = layout.lanes, layout.angle.real

    def emit(o: Operands, low, high, columns) -> None:
        def rows(row, _):
            start = o.b.mul(row, columns)
            zeros = [o.zeros(real, lanes)] * (2 * DENSE_ROWS)

            def column(j, sums):
                sine, cosine = layout.load_table(o, "source", o.b.mul(j, I64(lanes)))
                result = []
                for r in range(DENSE_ROWS):
                    place = o.b.add(o.b.add(start, j), o.b.mul(columns, I64(r)))
                    weight = o.splat("weights", place, lanes)
                    result += [fma(weight, sine, sums[2 * r]), fma(weight, cosine, sums[2 * r + 1])]
                return result

            sums = loop(o.b, 0, columns, 1, zeros, column)
            for r in range(DENSE_ROWS):
                place = o.b.mul(o.b.add(o.b.sub(row, low), I64(r)), I64(lanes))
                o.store("pull_sin", place, sums[2 * r])
                o.store("pull_cos", place, sums[2 * r + 1])

        loop(o.b, low, high, DENSE_ROWS, [], rows)

    return vector_operation("weights source pull_sin pull_cos", emit)


def emit_sparse(layout: Layout, *, weighted: bool):
    """Rows ``low`` to ``high`` in stored order for one replica; results go to ``rows[r] - origin``.

    Rows of a block are stored by falling degree, so that the loop over a row ends where the branch predictor expects.
    """
    real = layout.angle.real

    def emit(o: Operands, low, high, origin) -> None:
        def row(r, _):
            first, last = o.scalar("indptr", r), o.scalar("indptr", o.b.add(r, I64(1)))

            def edge(e, sums):
                node = o.b.sext(o.scalar("indices", e), I64)
                pair = o.load("source", o.b.mul(node, I64(2)), 2)
                return [fma(pair, o.splat("weights", e, 2), sums[0]) if weighted else sums[0] + pair]

            pair = loop(o.b, first, last, 1, [o.zeros(real, 2)], edge)[0]
            place = o.b.sub(o.b.sext(o.scalar("rows", r), I64), origin)
            o.store("pull_sin", place, pair.shuffle([0]))
            o.store("pull_cos", place, pair.shuffle([1]))

        loop(o.b, low, high, 1, [], row)

    return vector_operation("indptr indices weights rows source pull_sin pull_cos", emit)


def emit_sparse_tile(layout: Layout, *, weighted: bool):
    """Rows ``low`` to ``high`` for a tile of replicas in the lanes."""
    lanes, real = layout.lanes, layout.angle.real

    def emit(o: Operands, low, high, origin) -> None:
        def row(r, _):
            first, last = o.scalar("indptr", r), o.scalar("indptr", o.b.add(r, I64(1)))

            def edge(e, sums):
                node = o.b.sext(o.scalar("indices", e), I64)
                values = layout.load_table(o, "source", o.b.mul(node, I64(lanes)))
                if not weighted:
                    return [total + value for total, value in zip(sums, values, strict=True)]
                weight = o.splat("weights", e, lanes)
                return [fma(weight, value, total) for total, value in zip(sums, values, strict=True)]

            sums = loop(o.b, first, last, 1, [o.zeros(real, lanes)] * 2, edge)
            place = o.b.mul(o.b.sub(o.b.sext(o.scalar("rows", r), I64), origin), I64(lanes))
            o.store("pull_sin", place, sums[0])
            o.store("pull_cos", place, sums[1])

        loop(o.b, low, high, 1, [], row)

    return vector_operation("indptr indices weights rows source pull_sin pull_cos", emit)
