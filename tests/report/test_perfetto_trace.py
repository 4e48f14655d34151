"""The trace read back: its slices are the timeline, its arrows join the right instructions, its counters the tiles."""

from collections import defaultdict

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TracePacket, TrackEvent

from makalu.spec.engines import Channel
from makalu.sw.report.edges import edges_of
from makalu.sw.report.occupancy import MEMORIES, lives_of, occupancy
from makalu.sw.report.perfetto_trace import ENGINES, OCCUPANCY, QUEUE_TRACKS, write_timeline
from makalu.sw.report.rows import rows_of

from .runs import NAMES, record


def read(path):
    """(tracks by uuid, slices by track, counters by track); a slice is a dictionary."""
    trace = Trace()
    trace.ParseFromString(path.read_bytes())
    names, keys, tracks, open_slices = {}, {}, {}, {}
    slices, counters = defaultdict(list), defaultdict(list)
    assert trace.packet[0].sequence_flags == TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
    for packet in trace.packet:
        names |= {entry.iid: entry.name for entry in packet.interned_data.event_names}
        keys |= {entry.iid: entry.name for entry in packet.interned_data.debug_annotation_names}
        if packet.HasField("track_descriptor"):
            tracks[packet.track_descriptor.uuid] = packet.track_descriptor
        if not packet.HasField("track_event"):
            continue
        event, track = packet.track_event, packet.track_event.track_uuid
        assert packet.sequence_flags == TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            assert track not in open_slices
            last = slices[track][-1]["end"] if slices[track] else 0
            assert packet.timestamp >= last
            args = {keys[a.name_iid]: getattr(a, a.WhichOneof("value")) for a in event.debug_annotations}
            flows = (list(event.flow_ids), list(event.terminating_flow_ids))
            name, begin = names[event.name_iid], packet.timestamp
            open_slices[track] = {"name": name, "begin": begin, "args": args, "flows": flows}
        elif event.type == TrackEvent.TYPE_SLICE_END:
            one = open_slices.pop(track)
            slices[track].append({**one, "end": packet.timestamp})
        else:
            counters[track].append((packet.timestamp, event.counter_value))
    assert not open_slices
    return tracks, slices, counters


@pytest.fixture(params=NAMES, scope="module")
def run(request):
    return record(request.param)


@pytest.fixture(scope="module")
def trace(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "run.pftrace"
    write_timeline(run, path)
    return read(path)


def test_slices_are_the_timeline(run, trace):
    _, slices, _ = trace
    issues = {(e.where, e.index): e.cycle for e in run.timeline.issues}
    rows = {row.key: row for row in rows_of(run)}
    for channel in Channel:
        events = [e for e in run.timeline.finishes if e.where is channel]
        found = slices.get(ENGINES + channel, [])
        assert [s["end"] for s in found] == [e.cycle for e in events]
        assert [s["args"]["tag"] for s in found] == [e.tag for e in events]
        for event, one in zip(events, found, strict=True):
            (row,) = (r for r in rows.values() if r.channel is channel and r.index == event.index)
            assert one["args"]["issue"] == issues[row.key] <= one["begin"] and one["args"]["finish"] == event.cycle
            assert one["name"] == row.name and one["args"]["opcode"] == row.instruction.opcode.name.lower()
            assert one["end"] > one["begin"]


def test_stalls_are_the_waits(run, trace):
    _, slices, _ = trace
    for queue in {e.where for e in run.timeline.issues}:
        found = [s for s in slices[QUEUE_TRACKS + queue] if "cause" in s["args"]]
        expected = sorted((w.first, w.first + w.cycles, str(w.cause)) for w in run.timeline.waits if w.queue is queue)
        assert [(s["begin"], s["end"], s["args"]["cause"]) for s in found] == expected
        control = [s for s in slices[QUEUE_TRACKS + queue] if "cause" not in s["args"]]
        assert [s["name"] for s in control if s["name"] != "nop"] == ["halt"]


def test_arrows_join_the_right_instructions(run, trace):
    """An instruction's slice is found by its track and its end, an issue of the sequencer's own by its begin."""
    _, slices, _ = trace
    leaving, arriving = defaultdict(list), defaultdict(list)
    for track, found in slices.items():
        for one in found:
            place = track, (one["end"] if track < QUEUE_TRACKS else one["begin"])
            for flow in one["flows"][0]:
                leaving[flow].append(place)
            for flow in one["flows"][1]:
                arriving[flow].append(place)
    assert leaving.keys() == arriving.keys() and leaving
    assert all(len(found) == 1 for found in (*leaving.values(), *arriving.values()))

    def place_of(row):
        return (QUEUE_TRACKS + row.queue, row.issue) if row.channel is None else (ENGINES + row.channel, row.finish)

    joined = sorted((leaving[flow][0], arriving[flow][0]) for flow in leaving)
    assert joined == sorted((place_of(e.source), place_of(e.target)) for e in edges_of(rows_of(run)))


def test_counters_are_the_occupancy(run, trace):
    _, _, counters = trace
    lives = lives_of(run, rows_of(run))
    for number, memory in enumerate(MEMORIES):
        assert counters.get(OCCUPANCY + number, []) == occupancy(run.config, lives, memory)


def test_tracks_have_names_and_a_stated_scale(run, trace):
    tracks, slices, _ = trace
    assert set(slices) <= set(tracks)
    groups = [track for track in tracks.values() if not track.parent_uuid]
    assert len(groups) == 3
    clock = run.config.product.tensor_clock_hz
    assert f"1 ns here = 1 cycle = {1e9 / clock:.4g} ns" in groups[0].name
    assert all(track.parent_uuid in tracks for track in tracks.values() if track not in groups)
    assert tracks[ENGINES + Channel.DMA_LOAD].name == "DMA load"
