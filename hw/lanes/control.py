"""What an engine's central part tells its lanes in every cycle, the same for all partitions."""

from amaranth.hdl import Shape
from amaranth.lib import data

from makalu.hw.lib.element import CODE_BITS
from makalu.hw.lib.gated import GatedLayout
from makalu.spec.config import CoreConfig
from makalu.spec.isa import FIELDS, AluOp, Function
from makalu.spec.lane_programs import data_inputs, operand_inputs
from makalu.spec.lanes import ELEMENT_BUFFER, SOURCES, STEPS
from makalu.spec.quantize import GROUP_ELEMENTS, QUANTIZED, ScaleRule, dropped

__all__ = ["DROPPED_BITS", "OP_BITS", "lane_control", "lane_setup"]

OP_BITS = max(AluOp).bit_length()

DROPPED_BITS = max(dropped(form, rule) for form in QUANTIZED for rule in ScaleRule).bit_length()

_EACH = len(SOURCES)


def lane_setup(config: CoreConfig, *, grouped: bool = False) -> data.StructLayout:
    """Constant from an instruction's issue to the next one's; `grouped`: of an engine that scales in groups."""
    scaling = {"grouped": 1, "dropped": DROPPED_BITS, "scale_start": FIELDS["src1_partition"].bits}
    return data.StructLayout(
        {
            "psum": data.ArrayLayout(1, _EACH),  # a source comes from PSUM
            "dtype": data.ArrayLayout(CODE_BITS, _EACH),  # codes of the sources' formats
            "dst_dtype": CODE_BITS,
            "op": data.ArrayLayout(OP_BITS, STEPS),
            "reverse": data.ArrayLayout(1, STEPS),  # op(operand, data) instead of op(data, operand)
            "data": Shape.cast(range(len(data_inputs(grouped=grouped)))),  # which of them; no bit where there is one
            # which of them is a step's operand
            "operand": data.ArrayLayout(range(len(operand_inputs(grouped=grouped))), STEPS),
            "immediate": data.ArrayLayout(32, STEPS),
            "function": Shape.cast(range(max(Function) + 1)),  # a `Function`
            "start": FIELDS["dst_partition"].bits,
            "count": FIELDS["partitions"].bits,
            **(scaling if grouped else {}),
            **({"rounding": 1} if config.stochastic else {}),  # a `Rounding`
        }
    )


def lane_control(config: CoreConfig, *, grouped: bool = False) -> data.StructLayout:
    """Everything that a lane obeys; `setup` and the orders of this cycle. `grouped`: of an engine that scales so."""
    position = Shape.cast(range(config.sbuf.word_bytes))
    scaling = {
        # groups: an element enters the pipeline with `advance`; which of its group it is
        "enters": 1,
        "phase": Shape.cast(range(GROUP_ELEMENTS)),
        # their destination: as of the elements'; and the word of scales is shown
        "scale_place": 1,
        "scale_position": position,
        "scale_move": 1,
        "scale_show": 1,
    }
    index = Shape.cast(range(ELEMENT_BUFFER))
    return GatedLayout(
        {
            "setup": lane_setup(config, grouped=grouped),
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
            **(scaling if grouped else {}),
            # with `advance`: an element that is rounded stochastically enters the end of the pipeline
            **({"draw": 1} if config.stochastic else {}),
        },
        gates={
            "position": ("push", "~setup.psum"),  # an element of PSUM lies in no SBUF word
            "push_index": ("push",),
            "pop_index": ("advance",),
            "place_position": ("place",),
            **({"phase": ("enters",), "scale_position": ("scale_place",)} if grouped else {}),
        },
    )
