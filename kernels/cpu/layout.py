"""What the passes of one kernel share: where numbers lie, the coupling torque, Gaussians, block sums."""

from __future__ import annotations

from dataclasses import dataclass

from gpu_pipeline.kernels.cpu.angles import GAIN, Binary32, Radians64
from gpu_pipeline.kernels.cpu.simd import F64, I64, Operands, Vec, fma, lane_sum
from gpu_pipeline.kernels.cpu.vecmath import philox

Angle = type[Binary32] | type[Radians64]

# Places in the int64 ``control`` array of a pass.
GUARD, STEP_LOW, STEP_HIGH, INDEX_SHIFT, MASK, SLOT = range(6)
CONTROLS = 16  # two cache lines, so that threads do not write to each other's


@dataclass(frozen=True)
class Layout:
    """Where the numbers of a kernel lie.

    Attributes
    ----------
    angle : type
        Phase arithmetic, which also sets the number of lanes.
    uniform : bool
        Mean field: ``gains`` holds the field itself, per lane, instead of K cos(alpha) and K sin(alpha).
    tiled : bool
        A register holds two oscillators of half as many replicas as it has lanes; else oscillators of one replica.
    paired : bool
        Table of a single replica as (sin, cos) pairs, for gathers; else registers of sines and of cosines in turns.
        The table of a tile has for each oscillator the sines of its replicas, then the cosines: one register.
    """

    angle: Angle
    uniform: bool
    tiled: bool
    paired: bool

    @property
    def lanes(self) -> int:
        return self.angle.lanes

    @property
    def sum_width(self) -> int:
        """Numbers per block sum: one per replica."""
        return self.lanes if self.tiled else 1

    @property
    def replicas(self) -> int:
        """Replicas side by side in a register."""
        return self.lanes // 2 if self.tiled else 1

    def load(self, o: Operands, name: str, offset) -> Vec:
        return o.load(name, offset, self.lanes, apart=self.lanes)

    def store(self, o: Operands, name: str, offset, value: Vec) -> None:
        o.store(name, offset, value, apart=self.lanes)

    def load_table(self, o: Operands, name: str, offset) -> tuple[Vec, Vec]:
        lanes = self.lanes
        both = o.load(name, o.b.mul(offset, I64(2)), 2 * lanes, apart=2 * lanes)
        if self.paired:
            return both.shuffle(range(0, 2 * lanes, 2)), both.shuffle(range(1, 2 * lanes, 2))
        if not self.tiled:
            return both.halves()
        sines = [lane + lane // self.replicas * self.replicas for lane in range(lanes)]
        return both.shuffle(sines), both.shuffle([lane + self.replicas for lane in sines])

    def store_table(self, o: Operands, name: str, offset, sine: Vec, cosine: Vec) -> None:
        lanes = self.lanes
        # One lane of each in turns, all lanes at once, or the replicas of an oscillator at once.
        run = 1 if self.paired else self.replicas if self.tiled else lanes
        order = [start + part * lanes + k for start in range(0, lanes, run) for part in (0, 1) for k in range(run)]
        both = sine.shuffle(order, cosine)
        o.store(name, o.b.mul(offset, I64(2)), both, apart=2 * lanes)


class Torque:
    """The coupling torque K sum_j A_ij sin(theta_j - theta_i - alpha) of a vector of oscillators, times GAIN."""

    def __init__(self, o: Operands, layout: Layout, origin) -> None:
        self.o, self.layout, self.origin = o, layout, origin
        gain = o.splat("coefficients", GAIN, layout.lanes)
        self.first, self.second = (o.load("gains", part * layout.lanes, layout.lanes) * gain for part in (0, 1))

    def added_to(self, start: Vec, offset) -> Vec:
        sine, cosine = self.layout.load_table(self.o, "source", offset)
        along, across = self.first, self.second
        if not self.layout.uniform:
            local = self.o.b.sub(offset, self.origin)
            pull_sin, pull_cos = (self.layout.load(self.o, name, local) for name in ("pull_sin", "pull_cos"))
            along = self.first * pull_sin - self.second * pull_cos
            across = fma(self.second, pull_sin, self.first * pull_cos)
        return fma(cosine, along, start - sine * across)


class Gaussians:
    """The two Gaussians of (seed, replica, oscillator, step), from one Philox call."""

    def __init__(self, o: Operands, layout: Layout) -> None:
        self.o, self.layout = o, layout
        lanes = layout.lanes
        self.index, self.lane, low, high = (o.load("streams", part * lanes, lanes) for part in range(4))
        self.key = (low, high)
        self.low, self.high = (o.splat("control", place, lanes) for place in (STEP_LOW, STEP_HIGH))
        self.shift = o.scalar("control", INDEX_SHIFT)

    def at(self, offset) -> tuple[Vec, Vec]:
        b, lanes = self.o.b, self.layout.lanes
        places = [b.add(offset, I64(register * lanes)) for register in range(self.o.registers)]
        base = self.o.broadcast([b.ashr(place, self.shift) for place in places], lanes)
        words = philox((self.low, self.high, self.index + base, self.lane), self.key)
        return self.layout.angle.normals(words)


class Sums:
    """Sums of sin and cos over a block, for the order parameter; lanes beyond the last oscillator are masked."""

    def __init__(self, o: Operands, layout: Layout) -> None:
        self.o, self.layout = o, layout
        self.mask = o.load("masks", o.scalar("control", MASK), layout.lanes)
        self.start = [o.zeros(layout.angle.real, layout.lanes)] * 2

    def add(self, totals, sine: Vec, cosine: Vec) -> list[Vec]:
        return [fma(self.mask, value, total) for total, value in zip(totals, (sine, cosine), strict=True)]

    def finish(self, totals) -> None:
        """Add to the block's slot, in float64."""
        slot, width = self.o.scalar("control", SLOT), self.layout.sum_width
        for part, total in enumerate(totals):
            whole = total.register(0)
            for register in range(1, len(total.values)):
                whole = whole + total.register(register)
            whole = whole.to(F64) if self.layout.tiled else lane_sum(whole.to(F64))
            place = self.o.b.add(slot, I64(part * width))
            self.o.store("sums", place, self.o.single("sums", place, width) + whole)
