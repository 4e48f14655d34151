"""Every pair of fp8 numbers of every two types through the RTL's PE arithmetic, against SoftFloat."""

import numpy as np
import pytest

from makalu.sim_models.golden.formats import tensor_operand
from makalu.spec.formats import SINGLES
from makalu.spec.tensor_types import Part
from makalu.sw.rtl.judge import judge
from verif.arith.vectors import softfloat_fma32

FP8 = [form for form in SINGLES if form.bits == 8]
CODES = 1 << 8


@pytest.mark.parametrize("b", FP8, ids=lambda f: f.name)
@pytest.mark.parametrize("a", FP8, ids=lambda f: f.name)
def test_every_product(a, b, tmp_path):
    """Each product alone, and onto a sum that it nearly cancels: 131,072 vectors, six cuts of the PE each."""
    left, right = (side.ravel().astype(np.uint8) for side in np.mgrid[0:CODES, 0:CODES])
    first, second = tensor_operand(a, Part.UPPER, left), tensor_operand(b, Part.UPPER, right)
    with np.errstate(all="ignore"):
        near = (first.view(np.float32) * second.view(np.float32) * np.float32(-1 - 2**-12)).view(np.uint32)
    near = np.where((near & 0x7FFFFFFF) > 0x7F800000, np.uint32(0x7FC00000), near)
    path = tmp_path / "vectors.txt"
    with path.open("w") as lines:
        for p in (np.zeros_like(near), near):
            want = softfloat_fma32(first, second, p)
            columns = (left.tolist(), right.tolist(), p.tolist(), want.tolist())
            lines.writelines(
                f"fma-{a.name}-{b.name} {x:x} {y:x} {z:x} {r:x}\n" for x, y, z, r in zip(*columns, strict=True)
            )
    with path.open() as vectors:
        verdict = judge(vectors)
    assert (verdict.vectors, verdict.mismatches) == (2 * CODES**2, 0), verdict.first[:3]
    assert verdict.results == 6 * verdict.vectors
