"""A kernel that repeats an element more often than one instruction may: several instructions, the same bytes."""

import numpy as np
import pytest

from makalu.sim_models.golden.check import check
from makalu.spec.encoding import Instruction
from makalu.spec.errors import ErrorCode
from makalu.spec.isa import AP_DIMS, Opcode, Queue
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden

TINY = load_preset("tiny")


@pytest.mark.parametrize("width", [TINY.sequencer.elements, TINY.sequencer.elements + 1, 3 * TINY.sequencer.elements])
def test_a_row_of_one_value_is_stored_in_pieces(width):
    def spread(x):
        out = nl.ndarray((4, width), nl.bfloat16, buffer=nl.shared_hbm, name="out")
        tile = nl.ndarray((4, 1), nl.bfloat16, name="tile")
        nisa.dma_copy(tile, x)
        nisa.dma_copy(out, tile.broadcast(1, width))
        return out

    program = compile_kernel(spread, TINY, x=TensorSpec((4, 1), nl.bfloat16))
    x = np.arange(1, 5).reshape(4, 1)
    out = run_golden(program, {"x": x}, config=TINY)["out"]
    assert out.shape == (4, width) and (out.astype(np.float32) == x).all()


def test_an_instruction_that_would_not_end_is_refused():
    """All sizes at their largest, strides 0: every address is legal."""
    values = {"dst_space": 1, "dst_dtype": 1, "partitions": 1, "src0_space": 1, "src0_dtype": 1}
    values |= {f"{slot}_size{d}": 65535 for slot in ("dst", "src0") for d in range(AP_DIMS)}
    code, text = check(Instruction(Opcode.TENSOR_COPY, values), Queue.VECTOR, TINY)
    assert code == ErrorCode.ELEMENTS and str(TINY.sequencer.elements) in text
