"""Elements in words of bytes: the size that a format's code stands for, an element of a word, the bytes it covers."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from makalu.spec.formats import FORMATS, Format

__all__ = [
    "CODE_BITS",
    "LARGEST",
    "SIZE_BITS",
    "below_size",
    "byte_mask",
    "chosen",
    "code_bits",
    "element_at",
    "element_size",
    "narrowed",
    "of_size",
]

CODE_BITS = max(form.code for form in FORMATS.values()).bit_length()
"""Bits that tell the codes in use apart; an instruction's field has room for more."""
LARGEST = max(form.size_log2 for form in FORMATS.values())
SIZE_BITS = LARGEST.bit_length()
"""Width of an element's size, log2 of its bytes: a shift."""


def code_bits(forms: Sequence[Format]) -> int:
    """Width of the code that tells `forms` apart: none where there is one."""
    return CODE_BITS if len(forms) > 1 else 0


def chosen(dtype: Value, forms: Sequence[Format], results: Sequence[Value]) -> Value:
    """The result of the format whose code is `dtype`; the first where no code matches."""
    out = results[0]
    for form, result in zip(forms[1:], results[1:], strict=True):
        out = Mux(dtype == form.code, result, out)
    return out


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


def narrowed(m: Module, word: Value, place: Value, bits: Sequence[int], unit: int, name: str) -> list[Signal]:
    """Parts of `word` around `place`, counted in parts of `unit` bits: of `bits[0]` bits, in it one of `bits[1]`, ...

    Powers of two, from the largest down. A place must be a multiple of what is chosen by it.
    """
    out: list[Signal] = []
    for count in bits:
        part = Signal(count, name=f"{name}{count}")
        low, high = (count // unit).bit_length() - 1, (len(word) // unit).bit_length() - 1
        if low == high:
            m.d.comb += part.eq(word)
        else:
            with m.Switch(place[low:high]):
                for i in range(len(word) // count):
                    with m.Case(i):
                        m.d.comb += part.eq(word.word_select(i, count))
        out.append(part)
        word = part
    return out


def of_size(dtype: Value, forms: Sequence[Format], elements: Mapping[int, Value]) -> Value:
    """The element among those of each size, by log2 of their bytes, that has the size of the format of code `dtype`."""
    return chosen(dtype, forms, [elements[form.size_log2] for form in forms])
