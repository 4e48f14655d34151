"""Reads FST, as far as Icarus and Verilator write it: every signal by its path, with all of its changes.

The format is GTKWave's, block by block: header, geometry (bits of each signal), hierarchy, and blocks of changes.
Numbers in blocks are big-endian; `_Bytes.varint` reads LEB128. Does not: reals, FastLZ, enumerations.
"""

import gzip
import zlib
from itertools import pairwise
from pathlib import Path

__all__ = ["Signals", "lz4_block", "read_fst"]

HEADER, BLACKOUT, GEOMETRY, HIERARCHY_GZIP, HIERARCHY_LZ4, WRAPPER = 0, 2, 3, 4, 6, 254
CHANGES = {1: "plain", 5: "alias", 8: "alias2"}
SCOPE, UPSCOPE, ATTRIBUTE, ATTRIBUTE_END = 254, 255, 252, 253
OTHER_VALUES = "xzhuwl-?"
LAST_MATCH, LAST_LITERALS = 12, 5
"""Bytes before an LZ4 block's end: the last match begins before the one, and the other are literals."""

Signals = dict[str, list[tuple[int, str]]]
"""Path -> (time, bits from then on), in the order of time."""


class _Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self):
        return int.from_bytes(self.take(8), "big")

    def varint(self, signed=False):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value - (1 << shift) if signed and byte & 0x40 else value

    def text(self):
        end = self.data.index(0, self.at)
        return self.take(end + 1 - self.at)[:-1].decode()

    @property
    def left(self):
        return len(self.data) - self.at


def lz4_block(data, size):
    """The content of an LZ4 block of `size` bytes."""
    out, source = bytearray(), _Bytes(data)

    def length(low):
        more = 255 if low == 15 else 0
        while more == 255:
            more = source.take(1)[0]
            low += more
        return low

    while source.left:
        token = source.take(1)[0]
        out += source.take(length(token >> 4))
        if not source.left:
            break
        offset = int.from_bytes(source.take(2), "little")
        assert 0 < offset <= len(out) <= size - LAST_MATCH, (offset, len(out), size)
        for _ in range(length(token & 15) + 4):
            out.append(out[-offset])
        assert len(out) <= size - LAST_LITERALS, (len(out), size)
    assert len(out) == size, (len(out), size)
    return bytes(out)


def _inflated(data, size):
    return data if len(data) == size else zlib.decompress(data)


def _blocks(data):
    source = _Bytes(data)
    while source.left:
        kind = source.take(1)[0]
        content = source.take(source.number() - 8)
        if kind == WRAPPER:
            yield from _blocks(gzip.decompress(content[8:]))
        else:
            yield kind, content


def _paths(hierarchy):
    """(path, handle) of each variable; several may have one handle."""
    source, scopes, handles = _Bytes(hierarchy), [], 0
    while source.left:
        tag = source.take(1)[0]
        if tag == SCOPE:
            source.take(1)
            scopes.append(source.text())
            source.text()
        elif tag == UPSCOPE:
            scopes.pop()
        elif tag == ATTRIBUTE:
            source.take(2)
            source.text()
            source.varint()
        elif tag != ATTRIBUTE_END:
            source.take(1)
            name = source.text().split(" [")[0]
            source.varint()
            alias = source.varint()
            handles += not alias
            yield ".".join([*scopes, name]), (alias or handles) - 1


def _places(kind, chain, count, end):
    """Where the changes of each handle begin and end, from the byte of the pack type; `None` where there are none."""
    starts, alias, position, last = [], {}, 0, 0
    source = _Bytes(chain)
    while source.left and len(starts) < count:
        odd = source.data[source.at] & 1
        if kind == "alias2" and odd:
            step = source.varint(signed=True) >> 1
            if step > 0:
                position += step
                starts.append(position)
            else:
                last = step or last
                alias[len(starts)] = -last - 1
                starts.append(None)
            continue
        value = source.varint()
        if kind == "alias" and value == 0:
            alias[len(starts)] = source.varint() - 1
            starts.append(None)
        elif value & 1:
            position += value >> 1
            starts.append(position)
        else:
            starts += [None] * (value >> 1)
    known = [start for start in starts if start is not None]
    ends = dict(zip(known, [*known[1:], end], strict=True))
    places = [(start, ends[start]) if start is not None else None for start in starts]
    for handle, of in alias.items():
        places[handle] = places[of]
    return places + [None] * (count - len(places))


def _changes(data, bits, times):
    source, index = _Bytes(data), 0
    while source.left:
        word = source.varint()
        if bits == 1:
            index += word >> (4 if word & 1 else 2)
            yield times[index], OTHER_VALUES[word >> 1 & 7] if word & 1 else str(word >> 1 & 1)
            continue
        index += word >> 1
        if word & 1:
            yield times[index], source.take(bits).decode()
        else:
            content = int.from_bytes(source.take(-(-bits // 8)), "big") >> (-bits % 8)
            yield times[index], f"{content:0{bits}b}"


def _section(kind, data, bits, found):
    tail = _Bytes(data[-24:])
    size, packed, count = tail.number(), tail.number(), tail.number()
    rest = data[: -24 - packed]
    steps = _Bytes(_inflated(data[len(rest) : -24], size))
    times, now = [], 0
    for _ in range(count):
        now += steps.varint()
        times.append(now)
    head = _Bytes(data)
    begin = head.number()
    head.take(16)
    size, packed, _ = head.varint(), head.varint(), head.varint()
    frame = _Bytes(_inflated(head.take(packed), size))
    handles = head.varint()
    chain_bytes = int.from_bytes(rest[-8:], "big")
    waves = rest[head.at : -8 - chain_bytes]
    places = _places(kind, rest[-8 - chain_bytes : -8], handles, len(waves))
    for handle, width in enumerate(bits):
        values = found[handle]
        values.append((begin, frame.take(width).decode()))
        if places[handle] is None:
            continue
        piece = _Bytes(waves[slice(*places[handle])])
        size = piece.varint()
        content = piece.take(piece.left)
        if size:
            content = lz4_block(content, size) if waves[:1] == b"4" else zlib.decompress(content)
        values += _changes(content, width, times)


def read_fst(path: Path) -> Signals:
    """Every signal of the file; of a time the last value, and only what changed."""
    bits, hierarchy, sections = [], b"", []
    for kind, data in _blocks(path.read_bytes()):
        source = _Bytes(data)
        if kind == GEOMETRY:
            size, count = source.number(), source.number()
            sizes = _Bytes(_inflated(data[16:], size))
            bits = [sizes.varint() for _ in range(count)]
        elif kind == HIERARCHY_GZIP:
            hierarchy = gzip.decompress(data[8:])
        elif kind == HIERARCHY_LZ4:
            hierarchy = lz4_block(data[8:], source.number())
        elif kind in CHANGES:
            sections.append((CHANGES[kind], data))
        else:
            assert kind in (HEADER, BLACKOUT), f"block of kind {kind}"
    found = [[] for _ in bits]
    for kind, data in sections:
        _section(kind, data, bits, found)
    signals = {}
    for name, handle in _paths(hierarchy):
        last = list(dict(found[handle]).items())
        signals[name] = [last[0], *(new for old, new in pairwise(last) if old[1] != new[1])]
    return signals
