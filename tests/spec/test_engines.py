# amaranth: UnusedElaboratable=no
"""The tables of engines fit together, and RTL and models have the ports that follow from them."""

import pytest
from amaranth.lib import wiring

from makalu.hw.dma.engine import DmaEngine
from makalu.hw.lanes.engine import LaneEngine
from makalu.hw.sequencer.sequencer import Sequencer
from makalu.hw.tensor.head import TensorHead
from makalu.sim_models.lockstep.sequencer import SequencerModel
from makalu.spec.engines import ACCESS_ENGINES, CHANNELS, QUEUE_CHANNELS, QUEUE_STREAMS, STREAMS, Channel, Queue
from makalu.spec.isa import INSTRUCTIONS
from makalu.spec.latency import commit_delay, gemm_overhead, hazard_window, row_delay, swap_guard
from makalu.spec.preset import load_preset

CONFIG = load_preset("tiny")
ENGINES = {
    "tensor": TensorHead(config=CONFIG),
    **{name: LaneEngine(config=CONFIG, engine=name) for name in ACCESS_ENGINES},
    "dma": DmaEngine(config=CONFIG),
}


def test_every_channel_has_a_stream_and_instructions():
    assert list(CHANNELS) == list(Channel)
    assert {row.channel for row in INSTRUCTIONS.values()} == {None, *Channel}
    for row in CHANNELS.values():
        assert row.channel in QUEUE_CHANNELS[row.queue] and row.stream in QUEUE_STREAMS[row.queue]
    assert sorted(name for names in QUEUE_STREAMS.values() for name in names) == sorted(STREAMS)
    assert set(ACCESS_ENGINES) < {row.engine for row in STREAMS.values()} == set(ENGINES)


def test_an_instruction_runs_in_the_queue_of_its_channel():
    for row in INSTRUCTIONS.values():
        assert row.queues == (tuple(Queue) if row.channel is None else (CHANNELS[row.channel].queue,))


@pytest.mark.parametrize("name", STREAMS)
def test_an_engine_has_the_ports_of_its_streams(name):
    row = STREAMS[name]
    members = ENGINES[row.engine].signature.members
    assert members[row.command].is_signature
    for port in (row.port("active"), row.port("stalled")):
        assert members[port].flow is wiring.Out


@pytest.mark.parametrize("channel", Channel)
def test_an_engine_has_the_ports_of_its_channels(channel):
    row = CHANNELS[channel]
    members = ENGINES[row.engine].signature.members
    assert members[row.port("finish")].flow is wiring.Out
    assert (row.port("error") in members) == bool(row.fault)


def test_the_sequencer_and_its_model_have_the_ports_of_the_tables():
    members = Sequencer(config=CONFIG).signature.members
    inputs = {row.finish for row in CHANNELS.values()} | {row.error for row in CHANNELS.values() if row.error}
    assert {name for name in members if name.startswith(("finish_", "error_"))} == inputs
    assert set(STREAMS) <= set(members)
    idle = dict.fromkeys([*inputs, "active", "stalled", *(f"{name}__ready" for name in STREAMS)], 0)
    control = ("aw__valid", "aw__addr", "w__valid", "w__data", "w__strb", "b__ready", "ar__valid", "ar__addr")
    idle |= dict.fromkeys((f"control__{port}" for port in control), 0)
    out = SequencerModel(CONFIG).comb(idle)
    assert {name.removesuffix("__valid") for name in out if name.endswith("__valid")} >= set(STREAMS)


@pytest.mark.parametrize(
    ("preset", "rows", "commit", "guard", "window", "overhead"),
    [("tiny", 3, 1 + 2 + 4 * 1 + 3 + 3, 0, 4, 9), ("trn2", 127 * 2, 1 + 6 + 2 + 128 * 2 + 127 + 3, 61, 4, 15)],
)
def test_latencies_of_a_preset(preset, rows, commit, guard, window, overhead):
    """Counted by hand from the letters of the contract: S = 2, A = 3 in both, L = 1 and 2, F = 2 and 4, D = 0 and 6."""
    config = load_preset(preset)
    assert (row_delay(config), commit_delay(config), swap_guard(config)) == (rows, commit, guard)
    assert (hazard_window(config), gemm_overhead(config)) == (window, overhead)
