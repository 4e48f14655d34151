"""AxiRules: a legal master passes, and each rule can fail."""

import pytest

from makalu.spec.axi import BURST_INCR
from verif.lib.axi_rules import AxiRules

BYTES = 8
FULL = (1 << BYTES) - 1
ADDRESS = {"addr": 0x1000, "len": 1, "size": 3, "burst": BURST_INCR, "id": 0}
IDLE = {"ar": {**ADDRESS, "valid": 0, "ready": 0}, "aw": {**ADDRESS, "valid": 0, "ready": 0}}
IDLE["w"] = {"data": 0, "strb": FULL, "last": 0, "valid": 0, "ready": 0}


def play(*cycles):
    """Each cycle: channel -> what differs from an idle bus."""
    rules = AxiRules("data", data_bytes=BYTES)
    for number, cycle in enumerate(cycles):
        shown = {name: {**IDLE[name], **cycle.get(name, {})} for name in IDLE}
        rules.check(number, {f"data__{c}__{name}": v for c, payload in shown.items() for name, v in payload.items()})
    return rules


def goes(**payload):
    return {"valid": 1, "ready": 1, **payload}


def waits(**payload):
    return {"valid": 1, **payload}


def burst(*beats, length=None):
    """Data beats one after the other, then their address."""
    last = len(beats) - 1
    data = [{"w": goes(strb=strobe, last=int(n == last))} for n, strobe in enumerate(beats)]
    return [*data, {"aw": goes(len=last if length is None else length)}]


def test_a_legal_master_passes():
    held = waits(addr=0x1FF8, len=0)
    rules = play({"ar": held}, {"ar": held}, {"ar": {**held, "ready": 1}}, {}, {"ar": goes()})
    assert rules.bursts == 2
    assert play(*burst(0x80, FULL, 0x03), *burst(0x18), {"aw": goes(len=0)}, {"w": goes(last=1)}).bursts == 3


VIOLATIONS = {
    "valid-falls": ([{"aw": waits()}, {}], "aw: valid fell before ready"),
    "address-changes": ([{"ar": waits()}, {"ar": goes(addr=0x1008)}], "ar__addr changed"),
    "data-changes": ([{"w": waits(data=1)}, {"w": goes(data=2)}], "w__data changed"),
    "unknown-valid": ([{"ar": {"valid": None}}], "valid or ready is X"),
    "unknown-length": ([{"ar": waits(len=None)}], "ar__len: X beside valid"),
    "narrow": ([{"ar": waits(size=2)}], "ar__size 2"),
    "wrapping": ([{"aw": waits(burst=2)}], "aw__burst 2 is not INCR"),
    "unaligned": ([{"ar": waits(addr=0x1004)}], "ar__addr 0x1004 is not a multiple of 8"),
    "page": ([{"aw": waits(addr=0x1FF8)}], "aw: 0x1ff8 crosses 4 KiB"),
    "last-early": ([{"aw": goes()}, {"w": goes(last=1)}], "w__last is 1 in beat 0 of 2"),
    "last-late": (burst(FULL, FULL, length=0), "w__last is 0 in beat 0 of 1"),
    "empty-beat": (burst(0), "is not one run"),
    "two-runs": (burst(0b101), "is not one run"),
    "hole-after": (burst(0x7F, FULL), "0x7f in beat 0 of 2: a hole after it"),
    "hole-before": (burst(FULL, 0xFE), "0xfe in beat 1 of 2: a hole before it"),
}


@pytest.mark.parametrize("kind", VIOLATIONS)
def test_each_rule_can_fail(kind):
    cycles, message = VIOLATIONS[kind]
    with pytest.raises(AssertionError, match=f"AXI rule, cycle .*{message}"):
        play(*cycles)
