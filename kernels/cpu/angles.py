"""How a phase is stored and moved: a 32-bit binary angle for float32 runs, radians in float64 for float64 runs.

``Binary32`` keeps a phase as an int32 counting 2^-32 turns: overflow is the wrap, the resolution is 1.5e-9 rad at every
time, and sine and cosine need no range reduction. A step's rotation is summed in units of 2^-(32+guard) turns, the
natural frequency in it as an integer made from float64; the ``guard`` bits are then dropped with a dither that visits
every fraction equally often (the bit-reversed step number), so that a constant rotation accumulates no error.

``Radians64`` keeps float64 radians. Both count whole turns in an int32 ``winding``, which is brought up to date every
2^guard steps: ``guard`` is chosen so that no phase can move by half a turn in between.
The measurements behind the choice are in ``docs/precision.md``.
"""

from __future__ import annotations

import math

from gpu_pipeline.kernels.cpu.simd import F32, F64, I32, Operands, Vec, absolute, any_lane, fma, select
from gpu_pipeline.kernels.cpu.vecmath import normals32, normals64, round_to_int32, sincos_radians, sincos_turns

TURN_HIGH, TURN_LOW = 2.0 * math.pi, 2.4492935982947064e-16
# Places in a pass's ``coefficients`` array (run precision). Displacements are in the angle's units.
A, B, FRACTION, NOISE_Q, NOISE_0, NOISE_1, CLOSE, GAIN, DITHER, LIMIT, PHASE_A, PHASE_B = range(12)
COEFFICIENTS = 32  # two cache lines at least: every thread writes to a copy of its own
GUARD = 0  # place in ``control``


class Binary32:
    """Phases as int32 binary angles, everything else float32, 16 lanes. Unit: 2^-(32+guard) turn."""

    lanes, phase, real = 16, I32, F32
    sincos = staticmethod(sincos_turns)
    normals = staticmethod(normals32)

    def __init__(self, o: Operands) -> None:
        self.guard = o.splat("control", GUARD, self.lanes).to(I32)
        self.dither = o.splat("coefficients", DITHER, self.lanes)

    def predicted(self, x: Vec, rotation: Vec | None, fraction: Vec, displacement: Vec) -> Vec:
        """Phase of an inner stage; its rounding is not accumulated, so it needs no dither."""
        if rotation is not None:
            displacement = fma(rotation.to(F32), fraction, displacement)
        return x + (round_to_int32(displacement) >> self.guard)

    def base(self, rotation: Vec | None) -> Vec:
        """What a last stage adds its torque to."""
        return self.dither

    def moved(self, x: Vec, rotation: Vec | None, displacement: Vec) -> Vec:
        """The next phase, from a displacement that includes ``base``."""
        units = round_to_int32(displacement)
        return x + ((units if rotation is None else units + rotation) >> self.guard)

    @classmethod
    def wind(cls, o: Operands, offset) -> None:
        """Compare with the phase at the last call; where it passed half a turn the winding number follows."""
        x, reference = (o.load(name, offset, cls.lanes) for name in ("x", "reference"))
        way = x - reference
        passed = ((reference ^ x) & (way ^ x)).compare("<", 0)
        o.store("reference", offset, x)
        with o.b.if_then(any_lane(passed), likely=False):
            direction = (way >> 31) | 1
            winding = o.load("winding", offset, cls.lanes)
            o.store("winding", offset, winding + select(passed, direction, direction.like(0)))


class Radians64:
    """Phases in float64 radians, everything else float64, 8 lanes. Unit: rad."""

    lanes, phase, real = 8, F64, F64
    sincos = staticmethod(sincos_radians)
    normals = staticmethod(normals64)

    def __init__(self, o: Operands) -> None:
        self.zero = o.zeros(F64, self.lanes)

    def predicted(self, x: Vec, rotation: Vec | None, fraction: Vec, displacement: Vec) -> Vec:
        return x + (displacement if rotation is None else fma(rotation, fraction, displacement))

    def base(self, rotation: Vec | None) -> Vec:
        return self.zero if rotation is None else rotation

    def moved(self, x: Vec, rotation: Vec | None, displacement: Vec) -> Vec:
        return x + displacement

    @classmethod
    def wind(cls, o: Operands, offset) -> None:
        """Wrap to [-pi, pi) and count."""
        x = o.load("x", offset, cls.lanes)
        with o.b.if_then(any_lane(_turns(x).compare("!=", 0)), likely=False):
            winding = o.load("winding", offset, cls.lanes)
            for _ in range(2):  # -pi - 1e-16 wraps to +pi by rounding, and once more to -pi
                turns = _turns(x)
                count = turns.to(F64)
                x = fma(count, -TURN_LOW, fma(count, -TURN_HIGH, x))
                winding = winding + turns
            o.store("x", offset, x)
            o.store("winding", offset, winding)


def fits(displacement: Vec, limit: Vec) -> Vec:
    """Lanes whose displacement stays below the limit (a NaN does not)."""
    return absolute(displacement).compare("<", limit)


def _turns(x: Vec) -> Vec:
    """+1 at or above pi, -1 below -pi, else 0 (int32)."""
    zero = x.like(0).to(I32)
    above = select(x.compare(">=", math.pi), zero.like(1), zero)
    return select(x.compare("<", -math.pi), zero.like(-1), above)
