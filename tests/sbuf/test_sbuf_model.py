"""What the SBUF model reports beside values."""

import numpy as np

from makalu.sim_models.lockstep.sbuf import SbufModel
from makalu.spec.preset import load_preset

CONFIG = load_preset("tiny")
P, W = CONFIG.partitions, CONFIG.sbuf.word_bytes
WHOLE = (1 << W) - 1


def cycle(model, *, access=None, dma=None, tensor=None):
    idle = {"enable": 0, "write": 0, "address": 0, "mask": 0, "start": 0, "count": 0}
    port = {"enable": 0, "write": 0, "address": 0, "granules": 0}
    inputs = {
        "access": [{**idle, **(access or {})}, idle],
        "write_data": np.full((2, P, W), 7, np.uint8),
        "tensor": {k: np.full(P, v) for k, v in {"enable": 0, "address": 0, **(tensor or {})}.items()},
        "dma": {
            **{k: v if k == "fresh" else np.full(P, v) for k, v in {**port, **(dma or {})}.items()},
            "data": np.full((P, W), 9, np.uint8),
        },
    }
    out = model.comb(inputs)
    model.tick(inputs)
    return out


def test_model_reports_reads_of_words_never_written():
    model = SbufModel(CONFIG)
    cycle(model, dma={"enable": 1, "write": 1, "address": 3, "granules": 1})
    cycle(model, access={"enable": 1, "address": 3, "start": 1, "count": 2})
    assert model.undefined == []
    cycle(model, access={"enable": 1, "address": 4, "start": 1, "count": 2})
    cycle(model, tensor={"enable": 1, "address": 5})
    assert model.undefined[:3] == [(2, "access0", 1, 4), (2, "access0", 2, 4), (3, "tensor", 0, 5)]
    assert len(model.undefined) == 2 + P


def test_model_does_not_report_reads_that_are_merged():
    """The same reads as above, but the same port writes the word in the cycle in which a merge does."""
    model = SbufModel(CONFIG)
    cycle(model, access={"enable": 1, "address": 4, "start": 1, "count": 2})
    cycle(model, access={"enable": 1, "write": 1, "address": 4, "mask": 0b110, "start": 1, "count": 1})
    assert model.undefined == [(0, "access0", 2, 4)]
    for address, later in ((5, 8), (6, 8), (7, 7)):
        model = SbufModel(CONFIG)
        cycle(model, dma={"enable": 1, "address": address})
        for _ in range(later - 1):
            cycle(model)
        cycle(model, dma={"enable": 1, "write": 1, "address": 5 if address == 6 else address, "granules": 1})
        cycle(model)
        assert len(model.undefined) == (0 if address == 5 else P)


def test_model_reports_collisions_of_the_two_ports():
    model = SbufModel(CONFIG)
    write = {"enable": 1, "write": 1, "address": 3, "mask": 0x0F, "start": 0, "count": 1}
    cycle(model, access=write, dma={"enable": 1, "write": 1, "address": 3, "granules": 2})
    assert model.collisions == []
    cycle(model, access=write, dma={"enable": 1, "write": 1, "address": 3, "granules": 1})
    assert model.collisions == [(1, 0, 3)]


def test_model_merges_partial_granules():
    model = SbufModel(CONFIG)
    cycle(model, dma={"enable": 1, "write": 1, "address": 3, "granules": 3})
    cycle(model, access={"enable": 1, "address": 3, "start": 0, "count": P})
    out = cycle(model, access={"enable": 1, "write": 1, "address": 3, "mask": 0b110, "start": 0, "count": P})
    assert out["written_a"][0]["data"][0, :4].tolist() == [9, 7, 7, 9]
    assert out["written_a"][0]["granules"][0] == 1
    assert model.memory[0, 3].tolist() == [9, 7, 7, 9, 9, 9, 9, 9]


def test_model_knows_which_bytes_were_written():
    """Those of a mask or that are fresh; what a merge repeats is as defined as the word is."""
    model = SbufModel(CONFIG)
    write = {"enable": 1, "write": 1, "address": 3, "start": 0, "count": P}
    out = cycle(model, access={**write, "mask": 0b0110})
    assert np.flatnonzero(out["defined_a"][0][0]).tolist() == [1, 2]
    out = cycle(model, access={**write, "mask": 0b1000_1000})
    assert np.flatnonzero(out["defined_a"][0][0]).tolist() == [1, 2, 3, 7]
    fresh = np.zeros((P, W), bool)
    fresh[:, 4] = True
    out = cycle(model, dma={"enable": 1, "write": 1, "address": 3, "granules": 3, "fresh": fresh})
    assert np.flatnonzero(out["defined_b"][1]).tolist() == [1, 2, 3, 4, 7]
    cycle(model, dma={"enable": 1, "write": 1, "address": 4, "granules": 2})
    assert np.flatnonzero(model.defined[2, 3]).tolist() == [1, 2, 3, 4, 7]
    assert np.flatnonzero(model.defined[2, 4]).tolist() == [4, 5, 6, 7]


def test_model_leaves_other_partitions_alone():
    model = SbufModel(CONFIG)
    cycle(model, access={"enable": 1, "write": 1, "address": 3, "mask": WHOLE, "start": 1, "count": 2})
    assert model.memory[:, 3, 0].tolist() == [0, 7, 7, 0]
