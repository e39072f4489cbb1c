"""Coupling sums of a block of oscillators: S_i = sum_j A_ij sin(theta_j) and C_i = sum_j A_ij cos(theta_j).

sin(theta_j - theta_i - alpha) is split by the addition theorem, so one pass over the network serves both sums and no
trigonometric function is evaluated per edge. One replica has its oscillators side by side in the lanes; several
replicas have the lanes, and every weight and index is read once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable

from gpu_pipeline.kernels.cpu.layout import Layout
from gpu_pipeline.kernels.cpu.simd import I64, Operands, Vec, fma, lane_sum, loop, vector_operation

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
        def pulled(e) -> list[Vec]:
            node = o.b.sext(o.scalar("indices", e), I64)
            pair = o.load("source", o.b.mul(node, I64(2)), 2)
            return [pair * o.splat("weights", e, 2) if weighted else pair]

        def row(r, _) -> None:
            (pair,) = _row_sums(o, r, [o.zeros(real, 2)], pulled)
            place = o.b.sub(o.b.sext(o.scalar("rows", r), I64), origin)
            o.store("pull_sin", place, pair.shuffle([0]))
            o.store("pull_cos", place, pair.shuffle([1]))

        loop(o.b, low, high, 1, [], row)

    return vector_operation("indptr indices weights rows source pull_sin pull_cos", emit)


def emit_sparse_tile(layout: Layout, *, weighted: bool):
    """Rows ``low`` to ``high`` for a tile of replicas in the lanes."""
    lanes, real = layout.lanes, layout.angle.real

    def emit(o: Operands, low, high, origin) -> None:
        def pulled(e) -> list[Vec]:
            node = o.b.sext(o.scalar("indices", e), I64)
            values = layout.load_table(o, "source", o.b.mul(node, I64(lanes)))
            weight = o.splat("weights", e, lanes) if weighted else None
            return [value if weight is None else value * weight for value in values]

        def row(r, _) -> None:
            sums = _row_sums(o, r, [o.zeros(real, lanes)] * 2, pulled)
            place = o.b.mul(o.b.sub(o.b.sext(o.scalar("rows", r), I64), origin), I64(lanes))
            o.store("pull_sin", place, sums[0])
            o.store("pull_cos", place, sums[1])

        loop(o.b, low, high, 1, [], row)

    return vector_operation("indptr indices weights rows source pull_sin pull_cos", emit)


def _row_sums(o: Operands, r, zeros: list[Vec], pulled: Callable[..., list[Vec]]) -> list[Vec]:
    """Sum what the edges of a row pull, four at a time as a tree: a chain of single additions would set the pace."""
    first, last = o.scalar("indptr", r), o.scalar("indptr", o.b.add(r, I64(1)))
    fours = o.b.add(first, o.b.and_(o.b.sub(last, first), I64(-4)))

    def four(e, sums):
        w, x, y, z = (pulled(o.b.add(e, I64(k))) for k in range(4))
        return [total + ((w[k] + x[k]) + (y[k] + z[k])) for k, total in enumerate(sums)]

    def one(e, sums):
        return [total + value for total, value in zip(sums, pulled(e), strict=True)]

    return loop(o.b, fours, last, 1, loop(o.b, first, fours, 4, zeros, four), one)
