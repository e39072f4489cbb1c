"""Coupling sums of a block of oscillators: S_i = sum_j A_ij sin(theta_j) and C_i = sum_j A_ij cos(theta_j).

sin(theta_j - theta_i - alpha) is split by the addition theorem, so one pass over the network serves both sums and no
trigonometric function is evaluated per edge. One replica has its oscillators side by side in the lanes; several
replicas have the lanes, and every weight and index is read once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable

from gpu_pipeline.kernels.cpu.layout import Layout
from gpu_pipeline.kernels.cpu.simd import F32, I64, Operands, Vec, fma, lane_sum, loop, vector_operation

DENSE_ROWS = 4  # rows side by side: enough independent sums to hide the latency of a multiply-add
TILE_ROWS = 8  # with one sum a row instead of two


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
    """Rows ``low`` to ``high`` of a matrix of ``origin`` columns for a tile of replicas."""
    lanes, real = layout.lanes, layout.angle.real

    def emit(o: Operands, low, high, columns) -> None:
        def rows(row, _) -> None:
            start = o.b.mul(row, columns)

            def column(j, sums):
                values = o.load("source", o.b.mul(j, I64(lanes)), lanes)
                places = [o.b.add(o.b.add(start, j), o.b.mul(columns, I64(r))) for r in range(TILE_ROWS)]
                weights = [o.splat("weights", place, lanes) for place in places]
                return [fma(weight, values, total) for weight, total in zip(weights, sums, strict=True)]

            sums = loop(o.b, 0, columns, 1, [o.zeros(real, lanes)] * TILE_ROWS, column)
            for r, total in enumerate(sums):
                _store_tile(o, layout, o.b.add(o.b.sub(row, low), I64(r)), total)

        loop(o.b, low, high, TILE_ROWS, [], rows)

    return vector_operation("weights source pull_sin pull_cos", emit)


def emit_sparse(layout: Layout, *, weighted: bool):
    """Rows ``low`` to ``high`` in stored order for one replica; results go to ``rows[r] - origin``.

    In float32 a register's worth of rows of like degree is a bundle: their edges are gathered side by side, column by
    column (``columns``, from ``starts``); what a row has beyond its bundle's width follows by itself (``indptr``). In
    float64 a pair fills half a register of its own, gathers bring nothing, and every row goes by itself.
    """
    lanes, real = layout.lanes, layout.angle.real

    def emit(o: Operands, low, high, origin) -> None:
        pairs = o.scratch(real, 2 * lanes)

        def column(k, sums) -> list[Vec]:
            place = o.b.mul(k, I64(lanes))
            values = list(o.gather_pairs("source", o.load("columns", place, lanes)))
            if weighted:
                weight = o.load("column_weights", place, lanes)
                doubled = weight.shuffle([lane // 2 for lane in range(2 * lanes)]).halves()
                values = [value * factor for value, factor in zip(values, doubled, strict=True)]
            return [total + value for total, value in zip(sums, values, strict=True)]

        def bundle(r, _) -> None:
            first = o.b.sdiv(r, I64(lanes))
            start, stop = o.scalar("starts", first), o.scalar("starts", o.b.add(first, I64(1)))
            sums = loop(o.b, start, stop, 1, [o.zeros(real, lanes)] * 2, column)
            last = o.b.add(r, I64(lanes))
            complete = o.b.icmp_signed("==", o.scalar("indptr", r), o.scalar("indptr", last))
            with o.b.if_else(complete) as (whole, partial):
                with whole:
                    for lane in range(lanes):
                        pair = sums[2 * lane // lanes].shuffle([2 * lane % lanes, 2 * lane % lanes + 1])
                        put(o.b.add(r, I64(lane)), pair)
                with partial:
                    o.store(pairs, 0, sums[0])
                    o.store(pairs, lanes, sums[1])
                    loop(o.b, 0, lanes, 1, [], lambda lane, _: finish(o.b.add(r, lane), o.b.mul(lane, I64(2))))

        def pulled(e) -> list[Vec]:
            node = o.b.sext(o.scalar("indices", e), I64)
            pair = o.load("source", o.b.mul(node, I64(2)), 2)
            return [pair * o.splat("weights", e, 2) if weighted else pair]

        def finish(r, place) -> None:
            put(r, _row_sums(o, r, [o.load(pairs, place, 2)], pulled)[0])

        def alone(r, _) -> None:
            put(r, _row_sums(o, r, [o.zeros(real, 2)], pulled)[0])

        def put(r, pair: Vec) -> None:
            place = o.b.sub(o.b.sext(o.scalar("rows", r), I64), origin)
            o.store("pull_sin", place, pair.shuffle([0]))
            o.store("pull_cos", place, pair.shuffle([1]))

        if real == F32:
            loop(o.b, low, high, lanes, [], bundle)
        else:
            loop(o.b, low, high, 1, [], alone)

    names = "starts columns column_weights indptr indices weights rows source pull_sin pull_cos"
    return vector_operation(names, emit)


def emit_sparse_tile(layout: Layout, *, weighted: bool):
    """Rows ``low`` to ``high`` for a tile of replicas."""
    lanes, real = layout.lanes, layout.angle.real

    def emit(o: Operands, low, high, origin) -> None:
        def pulled(e) -> list[Vec]:
            node = o.b.sext(o.scalar("indices", e), I64)
            values = o.load("source", o.b.mul(node, I64(lanes)), lanes)
            return [values * o.splat("weights", e, lanes) if weighted else values]

        def row(r, _) -> None:
            (total,) = _row_sums(o, r, [o.zeros(real, lanes)], pulled)
            _store_tile(o, layout, o.b.sub(o.b.sext(o.scalar("rows", r), I64), origin), total)

        loop(o.b, low, high, 1, [], row)

    return vector_operation("indptr indices weights rows source pull_sin pull_cos", emit)


def _store_tile(o: Operands, layout: Layout, node, total: Vec) -> None:
    """The sums of an oscillator of a tile, sines and cosines in one register, to their arrays."""
    place = o.b.mul(node, I64(layout.replicas))
    for name, half in zip(("pull_sin", "pull_cos"), total.halves(), strict=True):
        o.store(name, place, half)


def _row_sums(o: Operands, r, start: list[Vec], pulled: Callable[..., list[Vec]]) -> list[Vec]:
    """Add what the edges of a row pull, four at a time as a tree: a chain of single additions would set the pace."""
    first, last = o.scalar("indptr", r), o.scalar("indptr", o.b.add(r, I64(1)))
    fours = o.b.add(first, o.b.and_(o.b.sub(last, first), I64(-4)))

    def four(e, sums):
        w, x, y, z = (pulled(o.b.add(e, I64(k))) for k in range(4))
        return [total + ((w[k] + x[k]) + (y[k] + z[k])) for k, total in enumerate(sums)]

    def one(e, sums):
        return [total + value for total, value in zip(sums, pulled(e), strict=True)]

    return loop(o.b, fours, last, 1, loop(o.b, first, fours, 4, start, four), one)
