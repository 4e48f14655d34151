"""Placement: no two live tiles overlap, tiles rotate, banks are kept, and an overflow names who is in the way."""

import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from makalu.spec.preset import load_preset
from makalu.sw.compile.allocate import AllocationError, Span, allocate

TINY = load_preset("tiny")
WORD, BANK = TINY.sbuf.word_bytes, TINY.psum.bank_bytes
LIMIT = {"sbuf": TINY.sbuf.partition_bytes, "psum": TINY.psum.partition_bytes}


def span(size, first, last, *, memory="sbuf", name="t", address=None):
    return Span(name=name, memory=memory, bytes=size, first=first, last=last, site=f"k.py:{first}", address=address)


def check(spans, places):
    """Against brute force: every pair."""
    for i, (one, a) in enumerate(zip(spans, places, strict=True)):
        assert 0 <= a and a + one.bytes <= LIMIT[one.memory]
        assert a % (WORD if one.memory == "sbuf" else 4) == 0
        if one.memory == "psum":
            assert a % BANK == 0 if one.bytes > BANK else a // BANK == (a + one.bytes - 1) // BANK
        for other, b in zip(spans[:i], places, strict=False):
            if one.memory == other.memory and one.first <= other.last and other.first <= one.last:
                apart = [
                    -(-s.bytes // BANK) * BANK if s.memory == "psum" and s.bytes > BANK else s.bytes
                    for s in (one, other)
                ]
                assert a + apart[0] <= b or b + apart[1] <= a


SPANS = st.lists(
    st.builds(
        lambda memory, size, first, life, address: span(
            size if memory == "sbuf" else -(-size // 6), first, first + life, memory=memory, address=address
        ),
        st.sampled_from(["sbuf", "psum"]),
        st.one_of(st.integers(1, 300), st.integers(1, 5000)),
        st.integers(0, 40),
        st.one_of(st.integers(0, 5), st.integers(0, 40)),
        st.none(),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(SPANS)
def test_no_two_live_tiles_overlap(spans):
    try:
        places = allocate(spans, TINY)
    except AllocationError:
        assume(False)
    check(spans, places)


@settings(max_examples=300, deadline=None)
@given(SPANS, st.data())
def test_kept_addresses_are_kept_and_avoided(spans, data):
    """Addresses of a placement that works, for some of the tiles."""
    try:
        known = allocate(spans, TINY)
    except AllocationError:
        assume(False)
    kept = [data.draw(st.booleans()) for _ in spans]
    fixed = [
        span(s.bytes, s.first, s.last, memory=s.memory, address=a if k else None)
        for s, a, k in zip(spans, known, kept, strict=True)
    ]
    assert allocate(fixed, TINY) == known  # by default they are not looked at
    try:
        places = allocate(fixed, TINY, keep_addresses=True)
    except AllocationError as error:
        assert "needs" in str(error) and not all(kept)
        return
    check(spans, places)
    assert all(a == b for a, b, k in zip(places, known, kept, strict=True) if k)


def test_tiles_rotate_through_the_memory():
    places = allocate([span(400, n, n + 1) for n in range(40)], TINY)
    assert len(set(places)) == 40


def test_dead_tiles_are_reused():
    assert set(allocate([span(7200, n, n + 1) for n in range(50)], TINY)) == {0, 7200}


def test_first_fit_is_tried_when_rotation_fails():
    """Rotation puts `kept` behind the dead tiles and cuts the memory in two; `wide` needs more than either part."""
    spans = [*[span(4096, n, n) for n in range(2)], *[span(2048, n, n) for n in (2, 3)], span(2048, 4, 9)]
    assert allocate([*spans, span(14336, 5, 9)], TINY)[-2:] == [0, 2048]


def test_best_fit_is_tried_last():
    """First fit puts `small` into the large gap, then `large` has none."""
    spans = [span(8192, 0, 1), span(2048, 0, 9), span(2048, 0, 1), span(4096, 0, 9)]
    places = allocate([*spans, span(2048, 2, 9), span(8192, 3, 9)], TINY)
    assert places[-2:] == [10240, 0]


def test_small_psum_tiles_take_free_banks_in_turn():
    places = allocate([span(64, n, n + 1, memory="psum") for n in range(12)], TINY)
    assert [a // BANK for a in places] == [*range(8), *range(4)]


def test_small_psum_tiles_share_banks_when_none_is_free():
    spans = [span(64, 0, 9, memory="psum") for _ in range(32)]
    places = allocate(spans, TINY)
    assert sorted(places) == list(range(0, 2048, 64))
    assert [a // BANK for a in places[:9]] == [*range(8), 0]


def test_a_tile_of_several_banks_takes_whole_ones():
    spans = [span(300, 0, 9, memory="psum"), span(4, 0, 9, memory="psum"), span(1024, 0, 9, memory="psum")]
    assert allocate(spans, TINY) == [0, 512, 768]
    with pytest.raises(AllocationError, match=r"needs 512 bytes .* PSUM has 256, 256 too few"):
        allocate([*spans, span(257, 0, 9, memory="psum")], TINY)


def test_packing_leaves_whole_banks():
    """Free banks first leaves no two together; best fit packs the small ones into the first bank."""
    spans = [span(64, 0, 9, memory="psum") for _ in range(4)]
    places = allocate([*spans, span(7 * BANK, 1, 9, memory="psum")], TINY)
    assert places == [0, 64, 128, 192, BANK]


def test_overflow_names_tile_size_gap_and_the_largest():
    spans = [span(100, 0, 9, name="a"), span(8192, 1, 9, name="b"), span(9, 2, 2, name="c"), span(9, 2, 9, name="d")]
    with pytest.raises(AllocationError) as error:
        allocate([*spans, span(8200, 3, 4, name="y")], TINY)
    text = str(error.value)
    assert (
        "y needs 8200 bytes a partition at operation 3 (k.py:3); the largest gap in SBUF has 8056, 144 too few" in text
    )
    assert "(3 live tiles hold 8312 of 16384 bytes, preset tiny); the largest: b 8192 (k.py:1), a 104 (k.py:0)" in text


@pytest.mark.parametrize(
    ("spans", "text"),
    [
        ([span(8, 0, 3, address=4)], "t at address 4 (k.py:0): addresses of its size in SBUF are multiples of 8"),
        ([span(8, 0, 3, address=-8)], "multiples of 8"),
        ([span(16, 0, 3, address=16376)], "ends at byte 16392, a partition of SBUF has 16384"),
        ([span(64, 0, 3, memory="psum", address=224)], "of 64 bytes crosses a border of banks of 256 bytes"),
        ([span(300, 0, 3, memory="psum", address=128)], "in PSUM are multiples of 256"),
        (
            [span(64, 0, 3, name="a", address=0), span(8, 3, 4, name="b", address=56)],
            "b at address 56 (k.py:3) lies over a at 0 to 63, which lives from operation 0 to 3 (k.py:0)",
        ),
    ],
)
def test_wrong_addresses_are_named(spans, text):
    with pytest.raises(AllocationError) as error:
        allocate(spans, TINY, keep_addresses=True)
    assert text in str(error.value)


def test_a_memory_must_be_on_the_chip():
    with pytest.raises(ValueError, match="sbuf or psum, not 'hbm'"):
        allocate([span(4, 0, 0, memory="hbm")], TINY)


def test_time_grows_with_the_tiles():
    """Hundreds of live tiles all the time; the bar is far from what it takes."""
    config = load_preset("trn2")
    spans = [span(512 + 16 * (n % 7), n, n + 300) for n in range(20_000)]
    began = time.process_time()
    allocate(spans, config)
    assert time.process_time() - began < 5
