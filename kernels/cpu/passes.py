"""One pass over the oscillators: coupling torque, integrator stage, noise, sine and cosine of the result.

Every explicit one-step method is a short program of such passes. A pass reads the (sin, cos) table of the phases it
starts from and writes that of the phases it ends at, so a right-hand side costs one sincos per oscillator and one trip
through memory. With p the coupling torque times the stage's weight, w the natural rotation per step, s the noise
amplitude and z0, z1 the step's Gaussians:

    inner pass   q (+)= p + n_q s z0;   y = x + f w + a p + s (n_0 z0 + n_1 z1)
    last pass    x += w + q + p + n_q s z0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpu_pipeline.kernels.cpu.angles import (
    CLOSE,
    FRACTION,
    LIMIT,
    NOISE_0,
    NOISE_1,
    NOISE_Q,
    PHASE_A,
    PHASE_B,
    A,
    B,
    fits,
)
from gpu_pipeline.kernels.cpu.layout import Gaussians, Layout, Sums, Torque
from gpu_pipeline.kernels.cpu.simd import (
    F64,
    I64,
    Operands,
    Vec,
    all_lanes,
    fma,
    loop,
    unrolled,
    vector_operation,
)

TABLE_OPERANDS = "control sums masks x target"
OPERANDS = "control coefficients gains pull_sin pull_cos source target sums masks x rotation q sigma streams"
SWING_OPERANDS = (
    "control coefficients gains pull_sin pull_cos source target sums masks x "
    "velocity inner_velocity power damping inverse_inertia q_phase q_velocity sigma streams flags"
)
_REGISTERS = 2  # vectors worked on side by side: more do not fit the register file

Operation = Any


def _phase_pass(layout: Layout, names: str, prepare: Callable[..., Any]) -> Operation:
    """A pass that ends at new phases: ``prepare(o, origin)`` gives the function from an offset to these phases."""

    def emit(o: Operands, low, high, origin) -> None:
        def run(start, stop, stride) -> None:
            sums, reach = Sums(o, layout), prepare(o, origin)

            def body(offset, totals):
                sine, cosine = layout.angle.sincos(reach(offset))
                layout.store_table(o, "target", offset, sine, cosine)
                return sums.add(totals, sine, cosine)

            sums.finish(loop(o.b, start, stop, stride, sums.start, body))

        unrolled(o, _REGISTERS, low, high, layout.lanes, run)

    return vector_operation(names, emit)


def _plain_pass(layout: Layout, names: str, prepare: Callable[..., Any]) -> Operation:
    """A pass that leaves the table alone."""

    def emit(o: Operands, low, high, origin) -> None:
        act = prepare(o, origin)

        loop(o.b, low, high, layout.lanes, [], lambda offset, _: act(offset))

    return vector_operation(names, emit)


def emit_table(layout: Layout) -> Operation:
    """Sine and cosine of the phases as they are."""
    return _phase_pass(layout, TABLE_OPERANDS, lambda o, origin: lambda offset: layout.load(o, "x", offset))


def emit_winding(layout: Layout) -> Operation:
    """Bring the winding numbers up to date."""
    return _plain_pass(layout, "x winding reference", lambda o, origin: lambda offset: layout.angle.wind(o, offset))


def emit_pass(layout: Layout, *, first: bool, last: bool, noise: bool) -> Operation:
    """A pass of the first-order model: ``first`` and/or ``last`` stage of its step, with or without noise."""
    lanes = layout.lanes

    def prepare(o: Operands, origin):
        angle, torque, zero = layout.angle(o), Torque(o, layout, origin), o.zeros(layout.angle.real, lanes)
        a, fraction, noise_q, noise_0, noise_1 = _splats(o, lanes, A, FRACTION, NOISE_Q, NOISE_0, NOISE_1)
        gaussians = Gaussians(o, layout) if noise else None

        def reach(offset) -> Vec:
            x, rotation = layout.load(o, "x", offset), layout.load(o, "rotation", offset)
            start, kick = angle.base(rotation) if last else zero, zero
            if gaussians:
                z0, z1 = gaussians.at(offset)
                sigma = layout.load(o, "sigma", offset)
                start = fma(sigma * z0, noise_q, start)
                kick = sigma * fma(z0, noise_0, z1 * noise_1)
            if not first:
                start = start + layout.load(o, "q", offset)
            if last:
                reached = angle.moved(x, rotation, torque.added_to(start, offset))
                layout.store(o, "x", offset, reached)
                return reached
            pull = torque.added_to(zero, offset)
            layout.store(o, "q", offset, start + pull)
            return angle.predicted(x, rotation, fraction, fma(pull, a, kick))

        return reach

    return _phase_pass(layout, OPERANDS, prepare)


def emit_swing_pass(layout: Layout, *, first: bool, last: bool) -> Operation:
    """A pass of a Runge-Kutta step of the second-order model; phase and velocity are advanced together."""
    lanes = layout.lanes

    def prepare(o: Operands, origin):
        angle, swing = layout.angle(o), _Swing(o, layout, origin)
        a, b, phase_a, phase_b = _splats(o, lanes, A, B, PHASE_A, PHASE_B)

        def reach(offset) -> Vec:
            start = layout.load(o, "velocity", offset)
            here = start if first else layout.load(o, "inner_velocity", offset)
            rate = swing.damped(offset, here)
            moved, gained = here * phase_b, rate * b
            if not first:
                moved = moved + layout.load(o, "q_phase", offset)
                gained = gained + layout.load(o, "q_velocity", offset)
            if last:
                layout.store(o, "velocity", offset, start + gained)
                return swing.turn(offset, moved)
            layout.store(o, "q_phase", offset, moved)
            layout.store(o, "q_velocity", offset, gained)
            layout.store(o, "inner_velocity", offset, fma(rate, a, start))
            return angle.predicted(layout.load(o, "x", offset), None, a, swing.watched(here * phase_a))

        return reach

    return _phase_pass(layout, SWING_OPERANDS, prepare)


def emit_baoab(layout: Layout, *, noise: bool) -> Operation:
    """Close the previous step's kick, then kick, drift, Ornstein-Uhlenbeck, drift (BAOAB without its last B).

    Here ``damping`` holds exp(-g h / M) - 1, which loses no digit where it is small, and ``sigma`` the matching thermal
    amplitude; ``a`` is h/2, ``close`` h/2 or 0.
    """

    def prepare(o: Operands, origin):
        swing, gaussians = _Swing(o, layout, origin), Gaussians(o, layout) if noise else None
        a, phase_a, close = _splats(o, layout.lanes, A, PHASE_A, CLOSE)

        def reach(offset) -> Vec:
            rate = swing.conservative(offset)
            before = fma(rate, a, fma(rate, close, layout.load(o, "velocity", offset)))
            after = fma(before, layout.load(o, "damping", offset), before)
            if gaussians:
                after = fma(layout.load(o, "sigma", offset), gaussians.at(offset)[0], after)
            layout.store(o, "velocity", offset, after)
            return swing.turn(offset, (before + after) * phase_a)

        return reach

    return _phase_pass(layout, SWING_OPERANDS, prepare)


def emit_close(layout: Layout) -> Operation:
    """The last half kick of a BAOAB step; phases stay."""

    def prepare(o: Operands, origin):
        swing, (half,) = _Swing(o, layout, origin), _splats(o, layout.lanes, A)

        def act(offset) -> None:
            velocity = fma(swing.conservative(offset), half, layout.load(o, "velocity", offset))
            layout.store(o, "velocity", offset, velocity)

        return act

    return _plain_pass(layout, SWING_OPERANDS, prepare)


class _Swing:
    """The second-order model: acceleration (P + p - g v) / M, and the move of the phases."""

    def __init__(self, o: Operands, layout: Layout, origin) -> None:
        self.o, self.layout = o, layout
        self.torque, self.angle = Torque(o, layout, origin), layout.angle(o)
        (self.limit,) = _splats(o, layout.lanes, LIMIT)

    def conservative(self, offset) -> Vec:
        force = self.torque.added_to(self.layout.load(self.o, "power", offset), offset)
        return force * self.layout.load(self.o, "inverse_inertia", offset)

    def damped(self, offset, velocity: Vec) -> Vec:
        drag = self.layout.load(self.o, "damping", offset) * velocity
        force = self.torque.added_to(self.layout.load(self.o, "power", offset) - drag, offset)
        return force * self.layout.load(self.o, "inverse_inertia", offset)

    def watched(self, displacement: Vec) -> Vec:
        """The displacement; beyond the limit, or a NaN, it raises the flag."""
        with self.o.b.if_then(self.o.b.not_(all_lanes(fits(displacement, self.limit))), likely=False):
            self.o.set_scalar("flags", 0, 1)
        return displacement

    def turn(self, offset, displacement: Vec) -> Vec:
        """Move the phases."""
        x = self.layout.load(self.o, "x", offset)
        reached = self.angle.moved(x, None, self.watched(displacement) + self.angle.base(None))
        self.layout.store(self.o, "x", offset, reached)
        return reached


def emit_field(layout: Layout) -> Operation:
    """Mean field of all blocks: ``gains`` from the block sums and ``coupling`` (K cos(alpha) / N, K sin(alpha) / N).

    Blocks ``low`` to ``high`` are added in order, ``origin`` is the place of the first: the sum does not depend on
    which thread did which block.
    """
    lanes, width = layout.lanes, layout.sum_width

    def emit(o: Operands, low, high, origin) -> None:
        zero = o.zeros(F64, width)

        def body(block, totals):
            place = o.b.add(origin, o.b.mul(block, I64(2 * width)))
            return [
                total + o.load("sums", o.b.add(place, I64(part * width)), width) for part, total in enumerate(totals)
            ]

        # A tile's sums come from two oscillators per register; a single replica's are one number.
        swapped = [(lane + layout.replicas) % lanes for lane in range(lanes)]
        sine, cosine = (
            total + total.shuffle(swapped) if layout.tiled else total.shuffle([0] * lanes)
            for total in loop(o.b, low, high, 1, [zero, zero], body)
        )
        along, across = (o.load("coupling", part * lanes, lanes) for part in (0, 1))
        o.store("gains", 0, (along * sine - across * cosine).to(layout.angle.real))
        o.store("gains", lanes, (across * sine + along * cosine).to(layout.angle.real))

    return vector_operation("sums coupling gains", emit)


def _splats(o: Operands, lanes: int, *places: int) -> list[Vec]:
    return [o.splat("coefficients", place, lanes) for place in places]
