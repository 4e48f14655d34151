"""Elements in words of bytes: the size that a format's code stands for, an element of a word, the bytes it covers."""

from amaranth.hdl import Cat, Value

from makalu.spec.formats import FORMATS

__all__ = ["CODE_BITS", "LARGEST", "SIZE_BITS", "below_size", "byte_mask", "element_at", "element_size"]

CODE_BITS = max(form.code for form in FORMATS.values()).bit_length()
"""Bits that tell the codes in use apart; an instruction's field has room for more."""
LARGEST = max(form.size_log2 for form in FORMATS.values())
SIZE_BITS = LARGEST.bit_length()
"""Width of an element's size, log2 of its bytes: a shift."""


def element_size(code: Value) -> Value:
    """log2 of an element's bytes, from its format's code; 0 for a code that no format has."""
    return Cat(
        Cat(code == form.code for form in FORMATS.values() if form.size_log2 >> bit & 1).any()
        for bit in range(SIZE_BITS)
    )


def element_at(word: Value, position: Value, size: int) -> Value:
    """The 2^`size` bytes of `word` that begin at byte `position`, a multiple of as many."""
    return word.word_select(position[size:], 8 << size)


def below_size(size: Value) -> Value:
    """2^`size` - 1: the low bits of an offset that are 0 where an element is aligned."""
    return Cat(size > bit for bit in range(LARGEST))


def byte_mask(size: Value) -> Value:
    """A bit for each byte of the largest element: those of one of 2^`size` bytes are set."""
    return Cat(size >= byte.bit_length() for byte in range(1 << LARGEST))
