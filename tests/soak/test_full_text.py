"""The text of the full core; `makalu bench --part text` states its figures."""

from makalu.hw.generate import generate
from makalu.spec.preset import load_preset
from tests.test_generate import MOST_BYTES, MOST_MODULES, module_count


def test_the_full_size_has_few_modules(tmp_path):
    """128 x 128 PEs: the text does not grow with the array."""
    verilog = generate(load_preset("trn2"), tmp_path).verilog
    assert module_count(verilog) < MOST_MODULES and verilog.stat().st_size < MOST_BYTES
