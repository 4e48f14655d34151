"""The PSUM model's cycles and reports, from numbers worked out by hand."""

import numpy as np
import pytest

from makalu.sim_models.lockstep.psum import PsumModel
from makalu.sim_models.lockstep.tensor_control import Wave
from verif.lib.variants import bench_config
from verif.psum.chain import chain_word, finalised

ONE, TWO, THREE = (int(np.float32(v).view(np.uint32)) for v in (1, 2, 3))
IDLE = {"enable": 0, "address": 0, "start": 0, "count": 0}


def cycle(model, *, column=0, wave=None, access=IDLE):
    count = model.config.partitions
    given = {**dict.fromkeys(("valid", *Wave._fields), 0), "halves": 3, "columns": count, **(wave or {})}
    inputs = {
        "column": np.full(count, column, np.uint32),
        "wave_in": {name: np.full(count, value) for name, value in given.items()},
        "access": [access, IDLE],
    }
    out = model.comb(inputs)
    model.tick(inputs)
    return out


@pytest.mark.parametrize("config", ["psum-add-1", "psum-add-2", "tiny"])
def test_model_commits_a_cycles_after_the_column(config):
    model = PsumModel(bench_config(config))
    stages = model.config.psum.add_stages
    cycle(model, wave={"valid": 1, "address": 5, "columns": 3})
    outs = [cycle(model, column=ONE), *(cycle(model, column=TWO) for _ in range(stages + 1))]
    assert [bool(o["commit"]["valid"][0]) for o in outs] == [False] * stages + [True, False]
    commit = outs[stages]["commit"]
    assert commit["valid"].tolist() == [True, True, True, False]
    assert commit["address"][0] == 5
    assert commit["data"][0] == ONE


@pytest.mark.parametrize("config", ["psum-add-1", "psum-add-2", "tiny"])
@pytest.mark.parametrize("apart", [0, 1])
def test_model_accumulates_what_was_committed(config, apart):
    """A + 2 cycles apart the second column sees the first, one cycle closer it does not."""
    model = PsumModel(bench_config(config))
    distance = model.config.psum.add_stages + 1 + apart
    cycle(model, wave={"valid": 1, "address": 5})
    for gone in range(1, 20):
        wave = {"valid": 1, "address": 5, "accumulate": 1} if gone == distance else None
        cycle(model, column=ONE if gone == 1 else TWO, wave=wave)
    assert model.memory[0, 5] == (THREE if apart else TWO)
    assert bool(model.undefined) == (not apart)


def test_model_reports_reads_of_elements_never_written():
    model = PsumModel(bench_config("tiny"))
    cycle(model, access={"enable": 1, "address": 7, "start": 1, "count": 2})
    cycle(model, wave={"valid": 1, "address": 9, "accumulate": 1, "columns": 1})
    assert model.undefined == [(0, "access0", 1, 7), (0, "access0", 2, 7), (1, "wave", 0, 9)]


def test_chain_words_of_the_bench_follow_the_page():
    # {exponent 127, fraction all ones} with a pending increment is 2
    word = 1 << 33 | 127 << 23 | (1 << 23) - 1
    assert finalised(word) == TWO
    # exponent 300: an overflow that only the next stage sees
    assert finalised(1 << 32 | 300 << 23 | 5) == 0xFF800000
    assert finalised(1 << 32 | 511 << 23 | 5) == 0x7FC00000


def test_chain_words_of_the_bench_keep_signed_zero():
    class Always:
        def getrandbits(self, bits):
            return (1 << bits) - 1

    assert chain_word(0x80000000, Always()) == 1 << 32
