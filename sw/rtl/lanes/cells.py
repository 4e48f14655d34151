"""What each kind of cell computes, as C++ on lanes. Semantics: Yosys' cell library (kernel/calc.cc), two states.

A rule returns a variable for each part of the cell's output; parts of bitwise cells and multiplexers lie where the
netlist cut them, those of other cells are words of 32 bits. `$pmux` takes its selects as one-hot, as `proc` makes them.
"""

from makalu.sw.rtl.lanes.emitter import NOW, TRUE, Emitter, Rule
from makalu.sw.rtl.lanes.logic_cells import (
    bitwise,
    equal,
    invert,
    logic,
    multiplex,
    multiplex_many,
    order,
    reduce_and,
    reduce_or,
    reduce_xor,
)
from makalu.sw.rtl.lanes.nets import WORD, Net
from makalu.sw.rtl.lanes.number_cells import add, multiply, negate, same, shift_both, shift_left, shift_right
from makalu.sw.rtl.lanes.operands import fitted

__all__ = ["RULES"]


def _read(e: Emitter, net: Net, when: int) -> list[str]:
    """The word at the address of this cycle; a clocked port shows it after the edge, or keeps what it shows."""
    memory = net.memory
    assert memory is not None
    words, clocked = -(-memory.width // WORD), memory.enables[net.port]
    if clocked:
        when = NOW
        kept = [_word(e.part(net, part, NOW), bits) for part, (_, bits) in enumerate(net.parts)]
        enable = e.mask(clocked[0], NOW)
    else:
        kept, enable = ["c_(0u)"] * words, TRUE
    address = e.number(memory.addresses[net.port], when)
    start = "".join(f"$[{i}]={word};" for i, word in enumerate(kept))
    number = e.netlist.memories.index(memory)
    read = f"memory_read<{words}>($,M({number}),{address},{enable},{memory.size}u,STRIDE);"
    return fitted(net, e.block(words, start + read), e, clean=True)


def _word(value: str, bits: int) -> str:
    return f"sel({value},1u)" if bits == 1 else value


RULES: dict[str, Rule] = {
    "$and": bitwise("&"),
    "$or": bitwise("|"),
    "$xor": bitwise("^"),
    "$xnor": bitwise("^", inverted=True),
    "$not": invert,
    "$mux": multiplex,
    "$pmux": multiplex_many,
    "$eq": equal(),
    "$eqx": equal(),
    "$ne": equal(inverted=True),
    "$nex": equal(inverted=True),
    "$lt": order(swapped=False, inverted=False),
    "$gt": order(swapped=True, inverted=False),
    "$ge": order(swapped=False, inverted=True),
    "$le": order(swapped=True, inverted=True),
    "$add": add("+"),
    "$sub": add("-"),
    "$neg": negate,
    "$pos": same,
    "$mul": multiply,
    "$shl": shift_left,
    "$sshl": shift_left,
    "$shr": shift_right(arithmetic=False),
    "$sshr": shift_right(arithmetic=True),
    "$shift": shift_both,
    "$shiftx": shift_both,
    "$reduce_or": reduce_or(),
    "$reduce_bool": reduce_or(),
    "$logic_not": reduce_or(inverted=True),
    "$reduce_and": reduce_and,
    "$reduce_xor": reduce_xor(),
    "$reduce_xnor": reduce_xor(inverted=True),
    "$logic_and": logic("&"),
    "$logic_or": logic("|"),
    "$mem_v2": _read,
}
