"""The time loop of a chunk: one compiled function per (model, network kind, precision, replicas or not).

``advance`` below is a template. :mod:`gpu_pipeline.kernels.cpu.build` binds the names that are not defined here to the
passes and coupling sums of one variant and compiles the result; every thread then runs it for the whole chunk.

Work is cut into blocks whose size depends on the network alone. A thread does whole blocks, block sums are added in
block order, and randomness is a function of (seed, replica, oscillator, step): so the bits of a run depend neither on
the number of threads nor on how its steps are cut into chunks.
"""

# ruff: noqa: F821  (names bound at specialization)

from __future__ import annotations

from gpu_pipeline.kernels.cpu.angles import CLOSE, DITHER
from gpu_pipeline.kernels.cpu.layout import GUARD, INDEX_SHIFT, MASK, SLOT, STEP_HIGH, STEP_LOW
from gpu_pipeline.kernels.cpu.threads import wait


def advance(team, plan, chunk, state, work, network, stages, coefficients, record):
    """Run one thread's share of ``n_steps`` steps. Arguments are tuples, made by ``engine.CpuEngine``."""
    thread, threads, tilewise, barrier = team
    block, full, index_shift, guard = plan
    first_step, n_steps, every = chunk
    x, winding, reference = state[0], state[1], state[2]
    table, sums, coupling, masks, pulls, fields, gears, controls = work
    sums_out, x_out, winding_out, velocity_out = record

    tiles, elements = x.shape
    blocks = (elements + block - 1) // block
    members, rank = (1, 0) if tilewise else (threads, thread)
    low_block, high_block = blocks * rank // members, blocks * (rank + 1) // members
    pull_sin, pull_cos, field = pulls[thread, 0], pulls[thread, 1], fields[thread]
    own, control = gears[thread], controls[thread]
    for s in range(own.shape[0]):
        for place in range(own.shape[1]):
            own[s, place] = coefficients[s, place]
    control[GUARD], control[INDEX_SHIFT] = guard, index_shift
    generation = 0

    for tile in range(thread if tilewise else 0, tiles, threads if tilewise else 1):
        gains = coupling[tile]
        parts = take_tile(state, tile)
        phase = parts[0]
        even, odd = table[0, tile], table[table.shape[0] - 1, tile]
        parity = 0
        for b in range(low_block, high_block):
            slot = ((parity * tiles + tile) * blocks + b) * 2 * WIDTH
            for lane in range(2 * WIDTH):
                sums[slot + lane] = 0.0
            low, high = b * block, min((b + 1) * block, elements)
            control[SLOT] = slot
            control[MASK] = 0
            make_table((control, sums, masks, phase, even), low, min(high, full), 0)
            if high > full:
                control[MASK] = LANES
                make_table((control, sums, masks, phase, even), max(low, full), high, 0)
        if members > 1:
            generation += 1
            wait(barrier, thread, members, generation)

        start, stop = low_block * block, min(high_block * block, elements)
        for i in range(start, stop):
            reference[tile, i] = phase[i]
        closed = True
        for k in range(n_steps):
            step = first_step + k
            # Radians: wrapping rounds. Its schedule follows the run's own step number, and it comes after the table was
            # made: a chunk that starts here makes the table from the same, unwrapped phases.
            if not EXACT and step % (1 << guard) == 0:
                wind((phase, winding[tile], reference[tile]), start, stop, 0)
            control[STEP_LOW], control[STEP_HIGH] = step & 0xFFFFFFFF, step >> 32
            own[stages.size - 1, DITHER] = bit_reversed(step, guard)
            if SPLITTING:
                own[0, CLOSE] = 0.0 if closed else coefficients[0, CLOSE]
            for s in range(stages.size):
                source, target = (even, odd) if parity == 0 else (odd, even)
                if UNIFORM:
                    slot = (parity * tiles + tile) * blocks * 2 * WIDTH
                    mean_field((sums, gains, field), 0, blocks, slot)
                parity = 1 - parity
                for turn in range(low_block, high_block):
                    # To and fro: what a pass read last is still in the cache when the next one begins.
                    b = turn if parity == 0 else low_block + high_block - 1 - turn
                    slot = ((parity * tiles + tile) * blocks + b) * 2 * WIDTH
                    for lane in range(2 * WIDTH):
                        sums[slot + lane] = 0.0
                    control[SLOT] = slot
                    low, high = b * block, min((b + 1) * block, elements)
                    couple(network, source, pull_sin, pull_cos, low, high)
                    for tail in range(2 if high > full else 1):
                        control[MASK] = tail * LANES
                        begin, end = (low, min(high, full)) if tail == 0 else (max(low, full), high)
                        run_pass(
                            stages[s], parts, (control, own[s], field if UNIFORM else gains, pull_sin, pull_cos),
                            (source, target, sums, masks), begin, end, low,
                        )  # fmt: skip
                if members > 1:
                    generation += 1
                    wait(barrier, thread, members, generation)

            sampled = (k + 1) % every == 0
            # Binary angles: winding numbers are exact whenever this runs.
            if EXACT and ((step + 1) % (1 << guard) == 0 or sampled or k + 1 == n_steps):
                wind((phase, winding[tile], reference[tile]), start, stop, 0)
            if SPLITTING:
                closed = sampled or k + 1 == n_steps
                if closed:
                    source = even if parity == 0 else odd
                    if UNIFORM:
                        slot = (parity * tiles + tile) * blocks * 2 * WIDTH
                        mean_field((sums, gains, field), 0, blocks, slot)
                    for b in range(low_block, high_block):
                        low, high = b * block, min((b + 1) * block, elements)
                        couple(network, source, pull_sin, pull_cos, low, high)
                        run_pass(
                            CLOSING, parts, (control, own[0], field if UNIFORM else gains, pull_sin, pull_cos),
                            (source, source, sums, masks), low, high, low,
                        )  # fmt: skip
            if sampled:
                sample = (k + 1) // every - 1
                if rank == 0:
                    slot = (parity * tiles + tile) * blocks * 2 * WIDTH
                    for b in range(blocks):
                        for lane in range(2 * WIDTH):
                            sums_out[sample, tile, lane] += sums[slot + b * 2 * WIDTH + lane]
                if x_out.shape[0] > sample:
                    for i in range(start, stop):
                        x_out[sample, tile, i] = phase[i]
                        winding_out[sample, tile, i] = winding[tile, i]
                    if SECOND_ORDER:
                        for i in range(start, stop):
                            velocity_out[sample, tile, i] = parts[1][i]


def bit_reversed_template(step, bits):
    """The low ``bits`` of ``step`` in reverse: over 2^bits steps every value comes once, evenly spread."""
    result = 0
    for _ in range(bits):
        result = (result << 1) | (step & 1)
        step >>= 1
    return result


def take_first_order(state, tile):
    x, _, _, rotation, q, sigma, streams = state
    return x[tile], rotation[tile], q[tile], sigma[tile], streams[tile]


def take_second_order(state, tile):
    x, _, _, velocity, inner, power, damping, inverse_inertia, q_phase, q_velocity, sigma, streams, flags = state
    return (
        x[tile], velocity[tile], inner[tile], power[tile], damping[tile], inverse_inertia[tile],
        q_phase[tile], q_velocity[tile], sigma[tile], streams[tile], flags,
    )  # fmt: skip


def pass_first_order(kind, parts, gear, tables, low, high, origin):
    """One pass; the numbers are those of ``programs.FIRST_ORDER``."""
    x, rotation, q, sigma, streams = parts
    control, coefficients, gains, pull_sin, pull_cos = gear
    source, target, sums, masks = tables
    arrays = (
        control, coefficients, gains, pull_sin, pull_cos, source, target, sums, masks,
        x, rotation, q, sigma, streams,
    )  # fmt: skip
    if kind == 0:
        only_stage(arrays, low, high, origin)
    elif kind == 1:
        only_stage_noisy(arrays, low, high, origin)
    elif kind == 2:
        first_stage(arrays, low, high, origin)
    elif kind == 3:
        first_stage_noisy(arrays, low, high, origin)
    elif kind == 4:
        middle_stage(arrays, low, high, origin)
    else:
        last_stage(arrays, low, high, origin)


def pass_second_order(kind, parts, gear, tables, low, high, origin):
    """One pass; the numbers are those of ``programs.SECOND_ORDER``."""
    x, velocity, inner, power, damping, inverse_inertia, q_phase, q_velocity, sigma, streams, flags = parts
    control, coefficients, gains, pull_sin, pull_cos = gear
    source, target, sums, masks = tables
    arrays = (
        control, coefficients, gains, pull_sin, pull_cos, source, target, sums, masks, x,
        velocity, inner, power, damping, inverse_inertia, q_phase, q_velocity, sigma, streams, flags,
    )  # fmt: skip
    if kind == 0:
        only_stage(arrays, low, high, origin)
    elif kind == 1:
        first_stage(arrays, low, high, origin)
    elif kind == 2:
        middle_stage(arrays, low, high, origin)
    elif kind == 3:
        last_stage(arrays, low, high, origin)


def pass_splitting(kind, parts, gear, tables, low, high, origin):
    """One BAOAB pass: drift without and with noise, closing kick."""
    x, velocity, inner, power, damping, inverse_inertia, q_phase, q_velocity, sigma, streams, flags = parts
    control, coefficients, gains, pull_sin, pull_cos = gear
    source, target, sums, masks = tables
    arrays = (
        control, coefficients, gains, pull_sin, pull_cos, source, target, sums, masks, x,
        velocity, inner, power, damping, inverse_inertia, q_phase, q_velocity, sigma, streams, flags,
    )  # fmt: skip
    if kind == 0:
        drift(arrays, low, high, origin)
    elif kind == 1:
        drift_noisy(arrays, low, high, origin)
    else:
        closing_kick(arrays, low, high, origin)


def unused_pass(arrays, low, high, origin):
    """Stands where a variant's program has no such pass."""


def couple_uniform(network, source, pull_sin, pull_cos, low, high):
    """The mean field acts through two numbers, nothing to gather."""


def couple_dense(network, source, pull_sin, pull_cos, low, high):
    weights = network[0]
    coupling_sums((weights, source, pull_sin, pull_cos), low // REPLICAS, high // REPLICAS, weights.shape[1])


def couple_sparse(network, source, pull_sin, pull_cos, low, high):
    starts, columns, column_weights, indptr, indices, weights, rows = network
    low, high = low // REPLICAS, high // REPLICAS
    if TILED:
        coupling_sums((indptr, indices, weights, rows, source, pull_sin, pull_cos), low, high, low)
    else:
        arrays = (starts, columns, column_weights, indptr, indices, weights, rows, source, pull_sin, pull_cos)
        coupling_sums(arrays, low, high, low)
