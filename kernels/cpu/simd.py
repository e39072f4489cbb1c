"""Explicit SIMD for numba kernels: Python functions traced into LLVM vector code.

LLVM's own vectorizer gives up on the loops that matter here: it will not prove that half a dozen arrays do not
overlap, it cannot keep several accumulators of a gather in registers, and it prefers half the register width. So the
inner loops are written once in Python over :class:`Vec` values (a register of ``W`` numbers) and emitted as fixed-width
vector instructions; LLVM splits them where the machine has narrower registers. The order of every sum is therefore
written down here and does not depend on the machine, the thread count or the compiler's mood.

Functions of :class:`Vec` are called while a kernel is compiled, never while it runs.
"""

from __future__ import annotations

from functools import reduce

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

F32, F64 = ir.FloatType(), ir.DoubleType()
I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)

_SUFFIX = {F32: "f32", F64: "f64", I32: "i32", I64: "i64"}
_BYTES = {F32: 4, F64: 8, I32: 4, I64: 8}


class Vec:
    """One or more vector registers while a kernel is being compiled; ``+ - * & | ^ << >>`` act lane by lane.

    Several registers in a Vec are worked on in turn, instruction by instruction. A core hides the latency of an
    instruction by looking ahead; interleaved like this it finds independent work close by.
    """

    __slots__ = ("b", "values")

    def __init__(self, builder: ir.IRBuilder, *values: ir.Value) -> None:
        self.b, self.values = builder, values

    def register(self, number: int) -> Vec:
        return Vec(self.b, self.values[number])

    @property
    def type(self) -> ir.VectorType:
        return self.values[0].type

    @property
    def width(self) -> int:
        return int(self.type.count)

    @property
    def element(self) -> ir.Type:
        return self.type.element

    @property
    def is_float(self) -> bool:
        return self.element in (F32, F64)

    def like(self, number) -> Vec:
        """The operand as a Vec of this type: a Vec as it is, a Python number in every lane."""
        if isinstance(number, Vec):
            return number
        return Vec(self.b, *[constant(self.element, number, self.width)] * len(self.values))

    def map(self, emit, *others) -> Vec:
        """``emit`` for each register, with the matching registers of the other operands."""
        return Vec(self.b, *map(emit, self.values, *(self.like(other).values for other in others)))

    def _binary(self, other, float_op: str, int_op: str) -> Vec:
        return self.map(getattr(self.b, float_op if self.is_float else int_op), other)

    def __add__(self, other) -> Vec:
        return self._binary(other, "fadd", "add")

    def __sub__(self, other) -> Vec:
        return self._binary(other, "fsub", "sub")

    def __rsub__(self, other) -> Vec:
        return self.like(other) - self

    def __mul__(self, other) -> Vec:
        return self._binary(other, "fmul", "mul")

    def __truediv__(self, other) -> Vec:
        return self.map(self.b.fdiv, other)

    __radd__, __rmul__ = __add__, __mul__

    def __and__(self, other) -> Vec:
        return self.map(self.b.and_, other)

    def __or__(self, other) -> Vec:
        return self.map(self.b.or_, other)

    def __xor__(self, other) -> Vec:
        return self.map(self.b.xor, other)

    def __lshift__(self, bits) -> Vec:
        return self.map(self.b.shl, bits)

    def __rshift__(self, bits) -> Vec:
        """Arithmetic shift: the sign is kept."""
        return self.map(self.b.ashr, bits)

    def logical_shift(self, bits) -> Vec:
        return self.map(self.b.lshr, bits)

    def compare(self, op: str, other) -> Vec:
        """Lane mask; comparisons of floats are ordered (false for NaN)."""
        emit = self.b.fcmp_ordered if self.is_float else self.b.icmp_signed
        return self.map(lambda x, y: emit(op, x, y), other)

    def bits_as(self, element: ir.Type) -> Vec:
        """The same bits read as another element type of the same size."""
        return self.map(lambda x: self.b.bitcast(x, ir.VectorType(element, self.width)))

    def regrouped(self, element: ir.Type) -> Vec:
        """The same bits read as more, smaller elements."""
        count = self.width * _BYTES[self.element] // _BYTES[element]
        return self.map(lambda x: self.b.bitcast(x, ir.VectorType(element, count)))

    def to(self, element: ir.Type) -> Vec:
        """Convert the numbers: int to float, float to int (toward zero), float to float, int to int (signed)."""
        if element == self.element:
            return self
        target = ir.VectorType(element, self.width)
        if self.is_float and element in (F32, F64):
            emit = self.b.fpext if element == F64 else self.b.fptrunc
        elif self.is_float:
            emit = self.b.fptosi
        elif element in (F32, F64):
            emit = self.b.sitofp
        else:
            emit = self.b.sext if element.width > self.element.width else self.b.trunc
        return self.map(lambda x: emit(x, target))

    def halves(self) -> tuple[Vec, Vec]:
        half = self.width // 2
        return self.shuffle(range(half)), self.shuffle(range(half, 2 * half))

    def shuffle(self, lanes, other: Vec | None = None) -> Vec:
        """Lanes by number; numbers from ``width`` on come from ``other``."""
        mask = ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))
        second = other or self.map(lambda x: ir.Constant(x.type, ir.Undefined))
        return self.map(lambda x, y: self.b.shuffle_vector(x, y, mask), second)


def constant(element: ir.Type, number, width: int) -> ir.Constant:
    cast = float if element in (F32, F64) else int
    return ir.Constant(ir.VectorType(element, width), [cast(number)] * width)


def _call(name: str, *operands: Vec) -> Vec:
    first, kind = operands[0], operands[0].type
    overloaded = f"llvm.{name}.v{first.width}{_SUFFIX[first.element]}"
    function = cgutils.get_or_insert_function(first.b.module, ir.FunctionType(kind, [kind] * len(operands)), overloaded)
    return first.map(lambda *values: first.b.call(function, values), *operands[1:])


def fma(a: Vec, b, c) -> Vec:
    """a * b + c, fused where the machine can."""
    return _call("fmuladd", a, a.like(b), a.like(c))


def polynomial(x: Vec, coefficients) -> Vec:
    """Horner's rule, highest power first."""
    result = x.like(coefficients[0])
    for coefficient in coefficients[1:]:
        result = fma(result, x, coefficient)
    return result


def sqrt(x: Vec) -> Vec:
    return _call("sqrt", x)


def rint(x: Vec) -> Vec:
    return _call("rint", x)


def absolute(x: Vec) -> Vec:
    return _call("fabs", x)


def select(mask: Vec, yes: Vec, no) -> Vec:
    return mask.map(mask.b.select, yes, yes.like(no))


def any_lane(mask: Vec) -> ir.Value:
    bits = _mask_bits(mask, mask.b.or_)
    return mask.b.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))


def all_lanes(mask: Vec) -> ir.Value:
    bits = _mask_bits(mask, mask.b.and_)
    return mask.b.icmp_unsigned("==", bits, ir.Constant(bits.type, -1))


def _mask_bits(mask: Vec, join) -> ir.Value:
    return mask.b.bitcast(reduce(join, mask.values), ir.IntType(mask.width))


def lane_sum(x: Vec) -> Vec:
    """Sum over the lanes as a fixed binary tree (one lane wide)."""
    while x.width > 1:
        low, high = x.halves()
        x = low + high
    return x


class Operands:
    """The arrays of one vector operation by name: typed loads and stores at element offsets."""

    def __init__(self, builder: ir.IRBuilder, arrays: dict[str, tuple[ir.Value, ir.Type]]) -> None:
        self.b, self.arrays = builder, arrays
        self.registers = 1

    def _address(self, name: str, offset, kind: ir.Type) -> ir.Value:
        pointer, element = self.arrays[name]
        base = self.b.bitcast(pointer, element.as_pointer())
        return self.b.bitcast(self.b.gep(base, [index(offset)]), kind.as_pointer())

    def load(self, name: str, offset, width: int, *, apart: int = 0) -> Vec:
        """``width`` numbers from ``offset`` on; the registers of the Vec lie ``apart`` numbers from each other."""
        places = [self._place(offset, register * apart) for register in range(self.registers)]
        return Vec(self.b, *[self.single(name, place, width).values[0] for place in places])

    def single(self, name: str, offset, width: int) -> Vec:
        """``load`` into one register, however many are worked on side by side."""
        element = self.arrays[name][1]
        kind = ir.VectorType(element, width)
        return Vec(self.b, self.b.load(self._address(name, offset, kind), align=_BYTES[element], typ=kind))

    def store(self, name: str, offset, value: Vec, *, apart: int = 0) -> None:
        for register, item in enumerate(value.values):
            address = self._address(name, self._place(offset, register * apart), item.type)
            self.b.store(item, address, align=_BYTES[value.element])

    def _place(self, offset, distance: int):
        return self.b.add(index(offset), index(distance)) if distance else offset

    def set_scalar(self, name: str, offset, value: int) -> None:
        element = self.arrays[name][1]
        self.b.store(ir.Constant(element, value), self._address(name, offset, element))

    def scratch(self, element: ir.Type, count: int) -> str:
        """A few numbers on the stack; the name to load and store them by."""
        name = f"scratch {len(self.arrays)}"
        pointer = cgutils.alloca_once(self.b, ir.VectorType(element, count))
        self.arrays[name] = (pointer, element)
        return name

    def gather_pairs(self, name: str, indices: Vec) -> tuple[Vec, Vec]:
        """Pairs of numbers at the given pair numbers (int32), in two registers: a0 b0 a1 b1 ..., lower lanes first."""
        pointer, element = self.arrays[name]
        pair_bytes, half = 2 * _BYTES[element], indices.width // 2
        base = self.broadcast([self.b.ptrtoint(pointer, I64)], indices.width)
        places = base + indices.to(I64) * pair_bytes
        if element == F32:
            low, high = (self._gather(I64, part) for part in places.halves())
            return low.regrouped(F32), high.regrouped(F32)
        first, second = self._gather(F64, places), self._gather(F64, places + _BYTES[element])
        order = [lane + part * indices.width for lane in range(indices.width) for part in (0, 1)]
        return first.shuffle(order[: 2 * half], second), first.shuffle(order[2 * half :], second)

    def _gather(self, element: ir.Type, places: Vec) -> Vec:
        count, pointers = places.width, ir.VectorType(ir.PointerType(), places.width)
        kind, mask = ir.VectorType(element, count), ir.VectorType(I1, count)
        name = f"llvm.masked.gather.v{count}{_SUFFIX[element]}.v{count}p0"
        signature = ir.FunctionType(kind, [pointers, I32, mask, kind])
        function = cgutils.get_or_insert_function(self.b.module, signature, name)
        everywhere, nothing = ir.Constant(mask, [1] * count), ir.Constant(kind, ir.Undefined)
        addresses = self.b.inttoptr(places.values[0], pointers)
        return Vec(self.b, self.b.call(function, [addresses, I32(_BYTES[element]), everywhere, nothing]))

    def scalar(self, name: str, offset) -> ir.Value:
        element = self.arrays[name][1]
        return self.b.load(self._address(name, offset, element), typ=element)

    def splat(self, name: str, offset, width: int) -> Vec:
        """One number of the array in every lane."""
        return self.broadcast([self.scalar(name, offset)] * self.registers, width)

    def broadcast(self, values: list[ir.Value], width: int) -> Vec:
        kind = ir.VectorType(values[0].type, width)
        undefined, spread = ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(I32, width), [0] * width)
        singles = [self.b.insert_element(undefined, value, I32(0)) for value in values]
        return Vec(self.b, *[self.b.shuffle_vector(single, single, spread) for single in singles])

    def zeros(self, element: ir.Type, width: int) -> Vec:
        return Vec(self.b, *[constant(element, 0, width)] * self.registers)


def index(value) -> ir.Value:
    return ir.Constant(I64, value) if isinstance(value, int) else value


def loop(builder: ir.IRBuilder, low, high, step, carried, body) -> list[Vec]:
    """``for i in range(low, high, step)`` with the :class:`Vec` values ``carried`` from turn to turn in registers.

    ``body(i, values)`` returns the next values (or nothing, if none are carried); the last ones are returned.
    """
    entry = builder.block
    head, inside, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    counter = builder.phi(I64)
    counter.add_incoming(index(low), entry)
    phis = [[builder.phi(value.type) for value in vector.values] for vector in carried]
    _incoming(phis, carried, entry)
    builder.cbranch(builder.icmp_signed("<", counter, index(high)), inside, after)
    builder.position_at_end(inside)
    results = body(counter, [Vec(builder, *group) for group in phis])
    counter.add_incoming(builder.add(counter, index(step)), builder.block)
    _incoming(phis, results or [], builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return [Vec(builder, *group) for group in phis]


def _incoming(phis, vectors, block) -> None:
    for group, vector in zip(phis, vectors, strict=True):
        for phi, value in zip(group, vector.values, strict=True):
            phi.add_incoming(value, block)


def unrolled(o: Operands, registers: int, low, high, step: int, emit) -> None:
    """``emit(low, high, stride)`` for as many whole turns of ``registers`` registers as fit, then for single ones."""
    turn = registers * step
    count = o.b.sdiv(o.b.sub(high, low), index(turn))
    middle = o.b.add(low, o.b.mul(count, index(turn)))
    o.registers = registers
    emit(low, middle, turn)
    o.registers = 1
    with o.b.if_then(o.b.icmp_signed("<", middle, high)):
        emit(middle, high, step)


def vector_operation(names: str, emit):
    """Make a numba function ``operation(arrays, low, high, origin)`` whose body is the vector code of ``emit``.

    ``arrays`` is a tuple of contiguous arrays, called by the space-separated ``names`` in ``emit(operands, low, high,
    origin)``; the meaning of the three integers is the operation's own.
    """
    labels = names.split()

    @intrinsic
    def operation(typing_context, arrays, low, high, origin):
        def generate(context, builder, signature, arguments):
            operands = {}
            for position, (label, kind) in enumerate(zip(labels, signature.args[0], strict=True)):
                value = builder.extract_value(arguments[0], position)
                data = context.make_array(kind)(context, builder, value=value).data
                operands[label] = (data, context.get_data_type(kind.dtype))
            emit(Operands(builder, operands), *arguments[1:])
            return context.get_dummy_value()

        return types.void(arrays, types.int64, types.int64, types.int64), generate

    return operation
