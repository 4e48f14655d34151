"""The golden definition of one element of Vector and Scalar against numpy's own float32."""

import numpy as np
import pytest

from makalu.sim_models.golden.formats import narrow, widen
from makalu.sim_models.golden.lanes import alu, alu_step, element, function
from makalu.spec.encoding import Instruction
from makalu.spec.formats import BF16, FP32
from makalu.spec.isa import AluOp, Function, Opcode
from verif.lib.lane_programs import corner_values

NAN = FP32.canonical_nan
NUMPY = {AluOp.ADD: np.add, AluOp.SUBTRACT: np.subtract, AluOp.MULTIPLY: np.multiply}


def canonical(values):
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return np.where((bits & 0x7FFFFFFF) > 0x7F800000, np.uint32(NAN), bits)


@pytest.fixture
def pairs():
    rng = np.random.default_rng(1)
    return corner_values(rng, (50_000,)), corner_values(rng, (50_000,))


@pytest.mark.parametrize("op", NUMPY)
def test_arithmetic_is_ieee_with_canonical_nans(op, pairs):
    a, b = pairs
    with np.errstate(all="ignore"):
        expected = canonical(NUMPY[op](a.view(np.float32), b.view(np.float32)))
    np.testing.assert_array_equal(alu(op, a, b), expected)


def test_bypass_keeps_every_bit_whatever_reverse(pairs):
    a, b = pairs
    for reverse in (False, True):
        np.testing.assert_array_equal(alu_step(AluOp.BYPASS, a, b, reverse=reverse), a)


def test_reverse_swaps_the_operands(pairs):
    a, b = pairs
    np.testing.assert_array_equal(alu_step(AluOp.SUBTRACT, a, b, reverse=True), alu(AluOp.SUBTRACT, b, a))


def test_relu_of_zeros_nans_and_numbers():
    bits = np.array([0x80000000, 0, 0xFFC12345, 0xBF800000, 0x3F800000, 0x80000001, 0x7F800000], np.uint32)
    expected = [0, 0, NAN, 0, 0x3F800000, 0, 0x7F800000]
    assert function(Function.RELU, bits).tolist() == expected
    assert function(Function.IDENTITY, bits).tolist() == bits.tolist()


def test_casts():
    ties = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF, 0xFFBFFFFF], np.uint32)
    assert narrow(BF16, ties).tolist() == [0x3F80, 0x3F82, 0x3F81, 0x7F80, BF16.canonical_nan]
    assert widen(BF16, np.array([0x3F81, 0xFFC1], np.uint32)).tolist() == [0x3F810000, 0xFFC10000]
    assert narrow(FP32, ties).tolist() == ties.tolist()


def test_activation_rounds_twice():
    """(1 + 2^-23) * (1 - 2^-24) rounds to 1, and 1 - 1 is +0; one rounding would leave a remainder."""
    one = 0x3F800000
    instruction = Instruction(
        Opcode.ACTIVATION, {"immediate0": one - 1, "immediate1": 0xBF800000, "function": Function.IDENTITY}
    )
    data = np.array([[one + 1]], np.uint32)
    product = np.float32(1 + 2.0**-23) * np.float32(1 - 2.0**-24)
    assert element(instruction, {"src0": data}).item() == (product - np.float32(1)).view(np.uint32)
    assert element(instruction, {"src0": np.array([[one]], np.uint32)}).item() == 0xB3800000


def test_tensor_scalar_takes_the_operand_of_its_partition():
    instruction = Instruction(Opcode.TENSOR_SCALAR, {"operand0_tensor": 1, "op0": AluOp.MULTIPLY, "op1": AluOp.BYPASS})
    data = np.array([[0x40000000, 0x40400000], [0x40000000, 0x40400000]], np.uint32)
    scalar = np.array([[0x3F800000], [0x40000000]], np.uint32)
    result = element(instruction, {"src0": data, "src1": scalar})
    assert result.tolist() == [[0x40000000, 0x40400000], [0x40800000, 0x40C00000]]
