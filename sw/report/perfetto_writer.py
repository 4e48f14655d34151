"""Perfetto's packets: tracks, slices, counters and arrows of one trace."""

from collections.abc import Sequence
from typing import Any

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TracePacket
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TrackDescriptor as Track
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TrackEvent as Event

__all__ = ["Arguments", "TraceWriter"]

Arguments = dict[str, int | str]
"""What a slice shows when it is clicked on."""

_SEQUENCE = 1


class TraceWriter:
    """Packets of one trace; names are sent once and then numbered."""

    def __init__(self) -> None:
        self.trace = Trace()
        self._names: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        first = self._packet()
        first.sequence_flags = TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
        first.first_packet_on_sequence = True

    def group(self, uuid: int, name: str, rank: int) -> None:
        track = self._packet().track_descriptor
        track.uuid, track.name, track.sibling_order_rank = uuid, name, rank
        track.child_ordering = Track.EXPLICIT

    def track(self, uuid: int, parent: int, name: str, rank: int) -> Track:
        track = self._packet().track_descriptor
        track.uuid, track.parent_uuid, track.name, track.sibling_order_rank = uuid, parent, name, rank
        return track

    def slice(
        self,
        track: int,
        begin: int,
        end: int,
        name: str,
        args: Arguments,
        leaving: Sequence[int] = (),
        arriving: Sequence[int] = (),
    ) -> None:
        """Slices of a track come in order, none begins before the one before has ended; `leaving` and `arriving` number
        the arrows."""
        packet = self._event(track, begin, Event.TYPE_SLICE_BEGIN)
        event = packet.track_event
        event.name_iid = self._number(packet, "event_names", self._names, name)
        for argument, value in args.items():
            note = event.debug_annotations.add()
            note.name_iid = self._number(packet, "debug_annotation_names", self._keys, argument)
            if isinstance(value, int):
                note.int_value = value
            else:
                note.string_value = value
        event.flow_ids.extend(leaving)
        event.terminating_flow_ids.extend(arriving)
        self._event(track, end, Event.TYPE_SLICE_END)

    def count(self, track: int, cycle: int, value: int) -> None:
        self._event(track, cycle, Event.TYPE_COUNTER).track_event.counter_value = value

    def _event(self, track: int, cycle: int, kind: Any) -> TracePacket:
        packet = self._packet()
        packet.timestamp = cycle
        packet.sequence_flags = TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
        packet.track_event.track_uuid, packet.track_event.type = track, kind
        return packet

    def _packet(self) -> TracePacket:
        packet = self.trace.packet.add()
        packet.trusted_packet_sequence_id = _SEQUENCE
        return packet

    @staticmethod
    def _number(packet: TracePacket, table: str, known: dict[str, int], name: str) -> int:
        if name not in known:
            known[name] = len(known) + 1
            entry = getattr(packet.interned_data, table).add()
            entry.iid, entry.name = known[name], name
        return known[name]
