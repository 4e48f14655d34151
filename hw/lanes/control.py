"""What an engine's central part tells its lanes in every cycle, the same for all partitions."""

from amaranth.hdl import Shape
from amaranth.lib import data

from makalu.hw.lib.element import CODE_BITS
from makalu.hw.lib.gated import GatedLayout
from makalu.spec.config import CoreConfig
from makalu.spec.isa import FIELDS, AluOp, Function
from makalu.spec.lane_programs import data_inputs, operand_inputs
from makalu.spec.lanes import ELEMENT_BUFFER, SOURCES, STEPS

__all__ = ["OP_BITS", "lane_control", "lane_setup"]

OP_BITS = max(AluOp).bit_length()

_EACH = len(SOURCES)


def lane_setup() -> data.StructLayout:
    """Constant from an instruction's issue to the next one's."""
    return data.StructLayout(
        {
            "psum": data.ArrayLayout(1, _EACH),  # a source comes from PSUM
            "dtype": data.ArrayLayout(CODE_BITS, _EACH),  # codes of the sources' formats
            "dst_dtype": CODE_BITS,
            "op": data.ArrayLayout(OP_BITS, STEPS),
            "reverse": data.ArrayLayout(1, STEPS),  # op(operand, data) instead of op(data, operand)
            "data": Shape.cast(range(len(data_inputs()))),  # which of them; no bit where there is one
            "operand": data.ArrayLayout(range(len(operand_inputs())), STEPS),  # which of them is a step's operand
            "immediate": data.ArrayLayout(32, STEPS),
            "function": Shape.cast(range(max(Function) + 1)),  # a `Function`
            "start": FIELDS["dst_partition"].bits,
            "count": FIELDS["partitions"].bits,
        }
    )


def lane_control(config: CoreConfig) -> data.StructLayout:
    """Everything that a lane obeys; `setup` and the orders of this cycle."""
    position = Shape.cast(range(config.sbuf.word_bytes))
    index = Shape.cast(range(ELEMENT_BUFFER))
    return GatedLayout(
        {
            "setup": lane_setup(),
            # sources, beside the memory's data: one element into the buffer
            "push": data.ArrayLayout(1, _EACH),
            "load": data.ArrayLayout(1, _EACH),  # the element lies in the word that the SBUF shows in this cycle
            "position": data.ArrayLayout(position, _EACH),  # the element's first byte in its word
            "push_index": data.ArrayLayout(index, _EACH),
            # pipeline
            "advance": 1,
            "pop_index": data.ArrayLayout(index, _EACH),
            # destination
            "place": 1,  # the element that leaves the pipeline goes into the combining buffer
            "place_position": position,
            "move": 1,  # the combining buffer, as it was before this cycle, goes to write_data
        },
        gates={
            "position": ("push", "~setup.psum"),  # an element of PSUM lies in no SBUF word
            "push_index": ("push",),
            "pop_index": ("advance",),
            "place_position": ("place",),
        },
    )
