"""The 128-byte instruction as an Amaranth layout, derived from the table in `spec/isa.py`."""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES

__all__ = ["INSTRUCTION"]

INSTRUCTION = data.FlexibleLayout(
    8 * INSTRUCTION_BYTES,
    {f.name: data.Field(signed(f.bits) if f.signed else unsigned(f.bits), f.lsb) for f in FIELDS.values()},
)
"""Bits that no field names are still there, so that a decoder can check that they are zero."""
