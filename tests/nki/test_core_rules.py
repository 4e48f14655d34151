"""A refusal that the core causes says the core's rule, with the words of its row."""

import re

import pytest

from makalu.spec.isa import Opcode, OperandRule
from makalu.spec.preset import load_preset
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.core_rules import rule_of
from makalu.sw.nki.errors import LanguageError
from tests.sw.kernels import recorded

from .test_calls import half, product, psum, word

REFUSED = [
    (lambda: product(psum(4, 8), half(4, 8), half(4, 8)), Opcode.LOAD_STATIONARY, "src0", OperandRule.TILE),
    (lambda: product(psum(4, 65), half(4, 4), half(4, 65)), Opcode.MATMUL, "dst", OperandRule.ONE_BANK),
    (lambda: product(psum(4, 128)[:, 40:104], half(4, 4), half(4, 64)), Opcode.MATMUL, "dst", OperandRule.ONE_BANK),
    (lambda: product(psum(4, 8)[1:3], half(4, 2), half(4, 8)), Opcode.MATMUL, "dst", OperandRule.COLUMN_TILE),
    (lambda: nisa.tensor_copy(word(4, 8), word(4, 9)), Opcode.TENSOR_COPY, "src0", OperandRule.SAME_SIZES),
    (lambda: nisa.tensor_copy(psum(4, 8), word(4, 8)), Opcode.TENSOR_COPY, "dst", OperandRule.KIND),
]


@pytest.mark.parametrize(("call", "opcode", "slot", "rule"), REFUSED)
def test_the_rule_of_the_row_is_said(call, opcode, slot, rule):
    text = f"core, {opcode.name.lower()} {slot}: {rule.text})"

    def kernel():
        call()

    with pytest.raises(LanguageError, match=re.escape(text)):
        recorded(kernel)


@pytest.mark.parametrize(
    ("left", "right", "opcode"), [(word, half, Opcode.LOAD_STATIONARY), (half, word, Opcode.MATMUL)]
)
def test_an_array_without_the_type_says_which_it_has(left, right, opcode):
    """`fpga` multiplies bf16 only; fp32 it has as every core."""
    text = f"the array multiplies bf16 (core, {opcode.name.lower()} src0: {OperandRule.KIND.text})"

    def kernel():
        product(psum(4, 8), left(4, 4), right(4, 8))

    with pytest.raises(LanguageError, match=re.escape(text)):
        recorded(kernel, config=load_preset("fpga"))


def test_a_core_without_the_type_says_which_it_has():
    def kernel():
        nl.ndarray((4, 8), nl.float16, name="x")

    with pytest.raises(LanguageError, match=r"x: elements of fp16; the core of preset fpga has fp32, bf16 \(at tests"):
        recorded(kernel, config=load_preset("fpga"))


def test_a_rule_that_the_row_does_not_have_is_a_defect():
    with pytest.raises(ValueError, match="TENSOR_COPY dst does not keep ONE_BANK"):
        rule_of(Opcode.TENSOR_COPY, "dst", OperandRule.ONE_BANK)
