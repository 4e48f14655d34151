"""Words and groups of a stationary tile: none comes before its word, and none is held back without a reason."""

import pytest

from makalu.spec.formats import BF16, E5M2, FP32
from makalu.spec.frame import SLOTS, STATIONARY_SLOTS
from makalu.spec.latency import LOAD_LEAD, swap_guard
from makalu.spec.loading import group_cycle, groups_of_a_word, load_span, swap_lead, word_cycle
from makalu.spec.preset import load_preset
from verif.lib.variants import small_core

READ = LOAD_LEAD - 1
"""From a word's read to its first group at the edge: memory and buffer."""


@pytest.mark.parametrize(
    ("form", "words", "groups"),
    [
        (E5M2, [0, 4, 8], list(range(12))),
        (BF16, [0, 1, 4, 5, 8], list(range(10))),
        (FP32, [0, 1, 4, 5, 8], [0, 1, 4, 5, 8]),
    ],
)
def test_cycles_are_those_of_the_page(form, words, groups):
    assert [word_cycle(form, i) for i in range(len(words))] == words
    assert [group_cycle(form, g) for g in range(len(groups))] == groups
    assert [load_span(form, count) for count in range(1, len(groups) + 1)] == [cycle + 1 for cycle in groups]


@pytest.mark.parametrize("form", [E5M2, BF16, FP32])
def test_two_buffers_hold_what_comes(form):
    """A word is in its buffer when its groups go, and the word after the next one is read when they have gone."""
    inside = groups_of_a_word(form)
    cycles = [LOAD_LEAD + group_cycle(form, g) for g in range(32 * inside)]
    for i in range(32):
        mine, read = cycles[i * inside : (i + 1) * inside], 1 + word_cycle(form, i)
        assert mine[0] >= read + READ and (read - 1) % SLOTS < STATIONARY_SLOTS
        same = [n for n in range(i + 1, i + 3) if word_cycle(form, n) % SLOTS == word_cycle(form, i) % SLOTS]
        assert mine[-1] < 1 + word_cycle(form, same[0]) + READ, "the buffer is overwritten too early"


@pytest.mark.parametrize(("partitions", "word", "late"), [(4, 8, 0), (8, 8, 2), (8, 16, 0), (32, 16, 0), (32, 8, 14)])
def test_a_swap_may_overtake_4_byte_groups_of_two_columns(partitions, word, late):
    tensor = small_core(partitions=partitions, word_bytes=word, mul_stages=1, add_stages=1).tensor
    assert (swap_lead(tensor, BF16), swap_lead(tensor, E5M2), swap_lead(tensor, FP32)) == (0, 0, late)
    assert ("fp32" in tensor.formats) == (late == 0)


@pytest.mark.parametrize("preset", ["tiny", "small", "trn1", "trn2-mini", "trn3"])
def test_no_load_overtakes_the_swap_before_it(preset):
    """Counted anew from docs/blocks/tensor.md, Array: a group at the edge in g with tag j is in the shadow from
    g + j + 2 on, and a swap in h copies column m's with the edge of h + m, before a capture in the same cycle.

    One cycle less would be too few, for each tile whose guard is not 0.
    """
    tensor, config = load_preset(preset).tensor, load_preset(preset)
    width, strips = tensor.load_columns, tensor.columns // tensor.load_columns
    for column in range(0, tensor.columns, tensor.column_tile):
        first, guard = column // width, swap_guard(config, column)

        def late(accepted, first=first):
            """Of groups i in turn: cycles from the swap's copy of the strip's last column to the capture."""
            places = range(strips - first)
            captured = [accepted + LOAD_LEAD + i + first + i + 1 for i in places]
            return [c - ((first + i) * width + width - 1) for i, c in zip(places, captured, strict=True)]

        assert min(late(guard)) >= 0
        assert guard == 0 or min(late(guard - 1)) < 0
