"""Instruction formats: no two rows of one share a bit, rows of two may, and each instruction keeps to its own."""

import dataclasses

import pytest
from amaranth.lib import data

from makalu.hw.lib.instruction import INSTRUCTION
from makalu.spec.fields import FIELDS, HEADER, INSTRUCTION_FORMATS, InstructionFormat
from makalu.spec.isa import INSTRUCTION_BYTES, INSTRUCTIONS, Opcode, used_fields


def test_every_field_is_in_a_format_and_every_format_has_the_header():
    formats = INSTRUCTION_FORMATS.values()
    assert {name for row in formats for name in row.names} == set(FIELDS)
    assert all(set(HEADER) <= set(row.names) for row in formats)


@pytest.mark.parametrize("row", INSTRUCTION_FORMATS.values(), ids=INSTRUCTION_FORMATS)
def test_bits_of_a_format_add_up(row):
    named = [*(FIELDS[name] for name in row.names), *row.reserved]
    assert sum(each.bits for each in named) + row.free_bits == 8 * INSTRUCTION_BYTES
    assert max(each.mask for each in named).bit_length() <= 8 * INSTRUCTION_BYTES
    assert row.free_bits >= 100, "an instruction can still grow"


def test_two_rows_of_a_format_on_one_bit_are_refused():
    lane = INSTRUCTION_FORMATS["lane"]
    with pytest.raises(ValueError, match="format lane: address and src2 share bits"):
        dataclasses.replace(lane, fields=(*lane.fields, "address"))
    with pytest.raises(ValueError, match="format new: partitions and columns share bits"):
        columns = dataclasses.replace(FIELDS["columns"], lsb=FIELDS["partitions"].lsb + 1)
        InstructionFormat("new", ("new",), ("dst",), ("partitions",), (columns,))


def test_what_only_one_format_has_may_lie_under_another_ones():
    """A third source lies on a DMA's memory side; the RTL's layout takes both."""
    (third,) = [row for row in INSTRUCTION_FORMATS["lane"].reserved if row.name == "src2"]
    assert third.mask & FIELDS["address"].mask
    fields = {"src2": data.Field(third.bits, third.lsb)} | {name: field for name, field in INSTRUCTION}
    assert data.FlexibleLayout(8 * INSTRUCTION_BYTES, fields)["src2"].offset == FIELDS["address"].lsb


@pytest.mark.parametrize("opcode", Opcode)
def test_an_instruction_has_fields_of_its_format_only(opcode):
    spec = INSTRUCTIONS[opcode]
    assert set(used_fields(opcode)) <= set(spec.format.names)
    with pytest.raises(ValueError, match=rf"{spec.name}: \['unheard_of'\] is not in the format {spec.format.name}"):
        dataclasses.replace(spec, fields=(*spec.fields, "unheard_of"))
