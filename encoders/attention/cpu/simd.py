"""Vectors of eight floats inside Numba functions: explicit SIMD that LLVM lowers to what the machine has.

Numba leaves SIMD to LLVM's loop vectoriser, which gives up on the short loops of a small family. Here a vector is a
value of its own: `load`, `+ - * /`, `exp`, `store`. AVX2 has one register for eight float32; AVX-512 and NEON pair or
split them. Functions that use them must not be compiled with `reassoc`, which would take the rounding out of `exp`.

Indices are trusted: they are neither checked nor counted from the end.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import lower_builtin, models, register_model

LANES = 8
CONTRACT = ("contract",)
intrinsic: Callable[[Callable[..., Any]], Any] = numba_intrinsic

LOG2_HIGH = 0.693359375
"""log 2 in ten bits: an exponent times this is exact."""
LOG2_LOW = -2.121944400546905827679e-4
"""What is missing from it."""


class Vector(types.Type):
    """Eight float32 or eight float64."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        scalar = manager.lookup(vector.dtype).get_value_type()
        super().__init__(manager, vector, ir.VectorType(scalar, LANES))  # type: ignore[no-untyped-call]


def _arithmetic(symbol: Any, instruction: str) -> None:
    """Let two vectors be combined with an operator."""

    class Typing(AbstractTemplate):
        key = symbol

        def generic(self, args: Any, kws: Any) -> Any:
            left = args[0]
            return signature(left, *args) if isinstance(left, Vector) and args == (left, left) else None

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args, flags=CONTRACT)

    infer_global(symbol)(Typing)
    lower_builtin(symbol, Vector, Vector)(lower)


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")
_arithmetic(operator.truediv, "fdiv")


@intrinsic
def load(typing: Any, array: Any, row: Any, column: Any) -> Any:
    """Eight numbers of a two-dimensional contiguous array, from [row, column] on."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        scalar = context.get_value_type(array.dtype)
        pointer = builder.bitcast(_address(context, builder, array, args), ir.VectorType(scalar, LANES).as_pointer())
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return Vector(array.dtype)(array, row, column), lower


@intrinsic
def store(typing: Any, array: Any, row: Any, column: Any, vector: Any) -> Any:
    """Write eight numbers to a two-dimensional contiguous array, from [row, column] on."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = builder.bitcast(_address(context, builder, array, args[:3]), args[3].type.as_pointer())
        builder.store(args[3], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, row, column, vector), lower


@intrinsic
def prefetch(typing: Any, array: Any, row: Any, column: Any) -> Any:
    """Ask for the cache line of [row, column], to be read in some microseconds."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        pointer = builder.bitcast(_address(context, builder, array, args), byte)
        reading, second_level, data = (ir.Constant(number, value) for value in (0, 2, 1))
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        builder.call(function, [pointer, reading, second_level, data])
        return context.get_dummy_value()

    return types.void(array, row, column), lower


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """The number eight times."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _splat(builder, args[0])

    return Vector(number)(number), lower


@intrinsic
def larger(typing: Any, a: Any, b: Any) -> Any:
    """Where a > b, a, else b: NaN in `b` stays, NaN in `a` does not."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, b), lower


@intrinsic
def where_larger(typing: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """Where a > b, `then`, else `otherwise`."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args[:2]), *args[2:])

    return then(a, b, then, otherwise), lower


@intrinsic
def store_sums(typing: Any, array: Any, row: Any, column: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Write the sums over the lanes of four vectors to [row, column] ... [row, column + 3]."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b, c, d = args[3:]
        # Three rounds of shuffles and sums for all four vectors, where one by one would take three rounds each.
        # Pairs of a and b in turn, of c and d in turn, then all four in turn, in either half.
        ab = _fold(builder, a, b, [0, 8, 2, 10, 4, 12, 6, 14], 1)
        cd = _fold(builder, c, d, [0, 8, 2, 10, 4, 12, 6, 14], 1)
        both = _fold(builder, ab, cd, [0, 1, 8, 9, 4, 5, 12, 13], 2)
        sums = _fold(builder, both, both, [0, 1, 2, 3], 4)
        pointer = builder.bitcast(_address(context, builder, array, args[:3]), sums.type.as_pointer())
        builder.store(sums, pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, row, column, a, b, c, d), lower


@intrinsic
def exp(typing: Any, x: Any) -> Any:
    """e^x to the last bit but one, for x below 88 (float32) or 709; 0 below -87 or -708, NaN for NaN."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        (x,) = args
        scalar, integer, mantissa, bias = _format(x.type)

        def number(value: float) -> Any:
            return _splat(builder, ir.Constant(scalar, value))

        # x = n log 2 + r. Adding 1.5 * 2^mantissa rounds to an integer and leaves it in the low bits.
        magic = number(1.5 * 2.0**mantissa)
        shifted = _add(builder, _mul(builder, x, number(1 / math.log(2))), magic)
        n = builder.fsub(shifted, magic)
        # log 2 in two parts (Cody and Waite 1980): n LOG2_HIGH is exact, so r keeps its digits where x is large.
        r = _add(builder, x, _mul(builder, n, number(-LOG2_HIGH)))
        r = _add(builder, r, _mul(builder, n, number(-LOG2_LOW)))
        terms = 7 if mantissa == 23 else 13  # Taylor, |r| < 0.35: the next term is below half a unit in the last place
        y = number(1 / math.factorial(terms))
        for k in range(terms - 1, -1, -1):
            y = _add(builder, _mul(builder, y, r), number(1 / math.factorial(k)))
        # 2^n by its bits: n, in the low bits of `shifted`, plus the bias goes to where the exponent is.
        whole = ir.VectorType(integer, LANES)
        bits = builder.shl(builder.bitcast(shifted, whole), _splat(builder, ir.Constant(integer, mantissa)))
        bits = builder.add(bits, _splat(builder, ir.Constant(integer, bias << mantissa)))
        y = builder.fmul(y, builder.bitcast(bits, x.type))
        # Below, n + bias would be no exponent of a normal number; a weight of less than 1e-37 is none.
        least = -87.0 if mantissa == 23 else -708.0
        return builder.select(builder.fcmp_ordered("<", x, number(least)), number(0.0), y)

    return x(x), lower


@intrinsic
def log(typing: Any, x: Any) -> Any:
    """Natural logarithm of a normal positive number, to the last bit but one; NaN for NaN."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        (x,) = args
        scalar, integer, mantissa, _ = _format(x.type)

        def number(value: float) -> Any:
            return _splat(builder, ir.Constant(scalar, value))

        def whole(value: int) -> Any:
            return _splat(builder, ir.Constant(integer, value))

        # x = 2^n m with m in [sqrt(1/2), sqrt(2)): subtracting the bits of sqrt(1/2) makes the shift round so.
        bits = builder.bitcast(x, ir.VectorType(integer, LANES))
        root = 0x3F3504F3 if mantissa == 23 else 0x3FE6A09E667F3BCD
        exponent = builder.ashr(builder.sub(bits, whole(root)), whole(mantissa))
        m = builder.bitcast(builder.sub(bits, builder.shl(exponent, whole(mantissa))), x.type)
        n = builder.sitofp(exponent, x.type)
        # log m = 2 atanh s, |s| < 0.172.
        s = builder.fdiv(builder.fsub(m, number(1.0)), builder.fadd(m, number(1.0)))
        square = builder.fmul(s, s)
        last = 9 if mantissa == 23 else 23
        y = number(2 / last)
        for k in range(last - 2, 0, -2):
            y = _add(builder, _mul(builder, y, square), number(2 / k))
        y = _add(builder, _mul(builder, y, s), _mul(builder, n, number(LOG2_LOW)))
        y = _add(builder, y, _mul(builder, n, number(LOG2_HIGH)))
        return builder.select(builder.fcmp_unordered("uno", x, x), x, y)

    return x(x), lower


def _address(context: Any, builder: Any, array: Any, args: Any) -> Any:
    """Pointer to array[row, column]."""
    value, row, column = args
    model = context.data_model_manager.lookup(array)
    width = builder.extract_value(model.get(builder, value, "shape"), 1)
    return builder.gep(model.get(builder, value, "data"), [builder.add(builder.mul(row, width), column)])


def _format(vector: Any) -> tuple[Any, Any, int, int]:
    """Scalar type, integer type of that size, bits of the mantissa and bias of the exponent."""
    if isinstance(vector.element, ir.FloatType):
        return vector.element, ir.IntType(32), 23, 127
    return vector.element, ir.IntType(64), 52, 1023


def _splat(builder: Any, number: Any) -> Any:
    vector = ir.VectorType(number.type, LANES)
    if isinstance(number, ir.Constant):
        return ir.Constant(vector, [number] * LANES)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return _pick(builder, first, first, [0] * LANES)


def _pick(builder: Any, a: Any, b: Any, lanes: Any) -> Any:
    """Lanes of a, then of b, in the order given."""
    lanes = list(lanes)
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    return builder.shuffle_vector(a, b, mask)


def _fold(builder: Any, a: Any, b: Any, lanes: list[int], distance: int) -> Any:
    """Sum lanes of a, then of b, with the lanes at a distance."""
    return _add(builder, _pick(builder, a, b, lanes), _pick(builder, a, b, [lane + distance for lane in lanes]))


def _add(builder: Any, a: Any, b: Any) -> Any:
    return builder.fadd(a, b, flags=CONTRACT)


def _mul(builder: Any, a: Any, b: Any) -> Any:
    return builder.fmul(a, b, flags=CONTRACT)
