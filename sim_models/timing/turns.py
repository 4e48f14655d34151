"""Who has a bank in a cycle, of the engines of lanes: the rule of the access arbiter."""

from collections.abc import Mapping, Sequence

__all__ = ["turns"]


def turns(banks: Mapping[int, int], turn: int, merging: Sequence[bool]) -> tuple[set[int], int]:
    """(engines that go, whose turn it is next) of those that ask (engine: bank); `merging` has a place an engine.

    A bank is had by the engine whose write is half done in it, else by the first that asks in a round from `turn` on;
    after a conflict the round begins behind its winner (behind the one of the highest number, where several banks had
    one).
    """
    if len(set(banks.values())) == len(banks):
        return set(banks), turn
    firsts: dict[int, int] = {}
    for e in sorted(banks, key=lambda e: (not merging[e], (e - turn) % len(merging))):
        firsts.setdefault(banks[e], e)
    asked = list(banks.values())
    winners = [e for bank, e in firsts.items() if asked.count(bank) > 1]
    return set(firsts.values()), (max(winners) + 1) % len(merging)
