"""The lockstep memory behind gates that close at random: no channel moves while its gate is closed."""

from random import Random

from makalu.sim_models.lockstep.memory import FixedMemory

__all__ = ["StallingMemory"]

_TAKES = ("data__aw", "data__w", "data__ar", "instructions__ar")
_GIVES = ("data__b", "data__r", "instructions__r")


class StallingMemory:
    """`comb` and `tick` as `FixedMemory`; a channel's gate is open in a cycle with chance `open_chance`.

    A beat or response that was offered stays until it is taken. Payload without valid is random: nobody may look.
    """

    def __init__(self, memory: FixedMemory, rng: Random, *, open_chance: float) -> None:
        self.memory, self._rng, self._chance = memory, rng, open_chance
        self._offered = dict.fromkeys(_GIVES, False)
        self._open = self._draw()

    def _draw(self) -> dict[str, bool]:
        return {name: self._rng.random() < self._chance for name in (*_TAKES, *_GIVES)} | {
            name: True for name, offered in self._offered.items() if offered
        }

    def _gated(self, ports: dict[str, int]) -> dict[str, int]:
        closed = [name for name, is_open in self._open.items() if not is_open]
        return ports | {f"{name}__{'valid' if name in _TAKES else 'ready'}": 0 for name in closed}

    def comb(self, ports: dict[str, int]) -> dict[str, int]:
        answers = self.memory.comb(self._gated(ports))
        for name, is_open in self._open.items():
            if not is_open:
                answers[f"{name}__{'ready' if name in _TAKES else 'valid'}"] = 0
        for name in _GIVES:
            if not answers[f"{name}__valid"] and f"{name}__data" in answers:
                width = self.memory.data_bytes if name == "data__r" else self.memory.fetcher.beat_bytes
                # the same in every call of a cycle
                answers[f"{name}__data"] = Random(self.memory.cycle).getrandbits(8 * width)
        return answers

    def tick(self, ports: dict[str, int]) -> None:
        answers = self.comb(ports)
        self._offered = {n: bool(answers[f"{n}__valid"] and not ports[f"{n}__ready"]) for n in _GIVES}
        self.memory.tick(self._gated(ports))
        self._open = self._draw()
