"""One partition of PSUM: eight banks, the accumulating adder in front of them, and the engines' reads."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.arith.accumulator import Accumulator
from makalu.hw.arith.convert import Narrow
from makalu.hw.arith.random_bits import RandomBits, seeding
from makalu.hw.lib.emit import place
from makalu.hw.lib.range import in_range
from makalu.hw.lib.rules import Rules
from makalu.hw.psum.bank import PsumBank
from makalu.hw.psum.layouts import (
    background_wave,
    bank_elems_bits,
    commit,
    element_address_bits,
    elements_of_engines,
    psum_commands,
    wave,
)
from makalu.spec.background import BACKGROUND_BITS, EXPONENT_LEAD
from makalu.spec.chain import CHAIN_BITS
from makalu.spec.config import CoreConfig
from makalu.spec.formats import FP32, HALF_SUM
from makalu.spec.memory_map import ENGINES, INDEX_BITS, PSUM_HALVES, PSUM_WORD_BITS
from makalu.spec.random_bits import STATE_BITS, STOCHASTIC, Rounding
from makalu.spec.tensor_types import CARRIED_PLACES

__all__ = ["PsumSlice", "background_ports"]

_HALF_BITS = PSUM_WORD_BITS // PSUM_HALVES


def background_ports(config: CoreConfig) -> dict[str, wiring.Member]:
    """Those of a slice, and so of its partition, where there are background transposes."""
    riding = background_wave(config)
    ports = {"bits": In(BACKGROUND_BITS + 1), "background_in": In(riding), "background_out": Out(riding)}
    return ports | {"moved": Out(commit(config))}


class PsumSlice(wiring.Component):
    """word[d] = round(column [+ word[d]]) for each moving column whose wave passes, d its destination; where the
    wave names one half of d, that half is the sum rounded once more (`HALF_SUM`), or what the column carries
    (`spec/tensor_types.py`).

    Does not: arbitrate. Engines read only banks that the wave does not use (`owned` at the arbiter), one engine a bank.
    Does not hold back a column whose destination is still in the adder: the tensor head does. What is asserted: an
    engine meets neither the wave nor a commit nor the other engine in a bank, the wave no commit of its own element.

    Parameters
    ----------
    config
        The core. A = psum.add_stages.

    Members
    -------
    index: In(7)
        Partition number = the array's column, constant at the instance.
    column: In(34)
        Chain word at the bottom of the column.
    wave_in: In({valid, address, halves, carried, rounding, accumulate, first, columns})
        Destination of the column's result of the next cycle; takes part if first <= index < first + columns.
    wave_out: Out({...})
        The same one cycle later, for the next slice, whether this one took part or not.
    access: In(ArrayLayout({enable, address, start, count}, 2))
        Reads of the engines, taking part when `enable & start <= index < start + count`.
    read_data: Out(ArrayLayout(32, 2))
        Output of the bank from which the engine read last.
    commit: Out({valid, address, halves, data})
        What the memory writes in this cycle's edge.
    bits: In(17), background_in: In({valid, address, first, columns}), background_out: Out({...}), moved: Out({...})
        Where there are background transposes: the same as column, wave_in, wave_out and commit for the column's chain
        of bits, a commit of which is one of half a word. Not in the bank of a commit in the same cycle: the tensor head
        sees to that.
    seeding: In({start, seed}), key: In(32)
        Where sums are rounded stochastically: to the slice's generator; the key is constant at the instance.

    Timing
    ------
    `wave_in` in cycle c - 1 (with `accumulate` the old element is read), `column` in c, `commit` in c + A; reads from
    c + A + 1 on see it, so two columns to one element are A + 2 cycles apart. One column a cycle. Engine reads: data
    one cycle after the command, kept until the bank's next read. `background_in` in c - 1, `bits` in c, `moved` in c.

    Numerics: one rounding of column + old element (`Accumulator`); without `accumulate` the finalised column itself.
    Of half a word that, rounded once more: nearest even or by the bits of the slice's generator, which steps with each
    such write (`spec/random_bits.py`); the old element widened.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        psum = config.psum
        super().__init__(
            {
                "index": In(INDEX_BITS),
                "column": In(CHAIN_BITS),
                "wave_in": In(wave(config)),
                "wave_out": Out(wave(config)),
                "access": In(psum_commands(psum)),
                "read_data": Out(elements_of_engines()),
                "commit": Out(commit(config)),
                **(background_ports(config) if config.tensor.background else {}),
                **({"seeding": In(seeding()), "key": In(STATE_BITS)} if config.stochastic_sums else {}),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        psum, tensor = self.config.psum, self.config.tensor
        sizes = (psum.banks, psum.bank_elems, psum.add_stages)
        key = (*sizes, tensor.subnormals, tensor.carries, tensor.rounds, tensor.background_bits)
        return (*key, STOCHASTIC) if self.config.stochastic_sums else key

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        psum = self.config.psum
        banks = [PsumBank(psum=psum, halves=self.config.tensor.halves) for _ in range(psum.banks)]
        for number, bank in enumerate(banks):
            m.submodules[f"bank{number}"] = place(bank, platform)
        takes_part = Signal()
        m.d.comb += takes_part.eq(self.wave_in.valid & in_range(self.index, self.wave_in.first, self.wave_in.columns))
        m.d.sync += self.wave_out.eq(self.wave_in)
        rules = Rules(m, platform)
        old, reads, bank_of = self._reads(m, banks, takes_part)
        commit_bank = self._accumulate(m, platform, banks, takes_part, old)
        rules.follows(self.wave_in.valid, self.wave_in.columns, "a wave has a column")
        if self.config.tensor.carries:
            carried = ~self.wave_in.halves.all() & (self.wave_in.carried if self.config.tensor.rounds else 1)
            rules.never(reads[0] & carried, "nothing is added to bits")
        rules.never(
            reads[0] & self.commit.valid & (self.commit.address == self.wave_in.address),
            "an old sum is not read in the cycle that commits it",
        )
        for e, (engine, bank) in enumerate(zip(reads[1:], bank_of[1:], strict=True)):
            rules.never(reads[0] & engine & (bank == bank_of[0]), "no engine reads a bank that the wave reads")
            rules.never(engine & self.commit.valid & (bank == commit_bank), "no engine reads a bank that sums go to")
            if self.config.tensor.background:
                moved_bank = self.moved.address[bank_elems_bits(self.config.psum) :]
                rules.never(engine & self.moved.valid & (bank == moved_bank), "nor one that bits go to")
            for other, its in zip(reads[1 : 1 + e], bank_of[1 : 1 + e], strict=True):
                rules.never(engine & other & (bank == its), "one engine a bank of PSUM and cycle")
        return m

    def _reads(self, m: Module, banks: list[PsumBank], takes_part: Signal) -> tuple[Signal, list[Signal], list[Signal]]:
        """One read port a bank: the wave's old element, else an engine. Returns the old element, a cycle later, and who
        reads which bank.
        """
        low_bits = bank_elems_bits(self.config.psum)
        readers = [(takes_part & self.wave_in.accumulate, self.wave_in.address)]
        for command in self.access:
            readers.append((command.enable & in_range(self.index, command.start, command.count), command.address))
        reads, bank_of = [], []
        for i, (enable, address) in enumerate(readers):
            reads.append(Signal(name=f"reads{i}"))
            bank_of.append(Signal(ceil_log2(len(banks)), name=f"read_bank{i}"))
            m.d.comb += [reads[i].eq(enable), bank_of[i].eq(address[low_bits:])]
        for i, (_, address) in reversed(list(enumerate(readers))):  # the last assignment wins: the wave's
            with m.If(reads[i]), m.Switch(bank_of[i]):
                for number, bank in enumerate(banks):
                    with m.Case(number):
                        m.d.comb += [bank.read.enable.eq(1), bank.read.address.eq(address)]

        old = Signal(PSUM_WORD_BITS)
        for i, out in enumerate([old, *(self.read_data[e] for e in range(ENGINES))]):
            s1_bank = Signal(ceil_log2(len(banks)), name=f"s1_bank{i}")
            with m.If(reads[i]):
                m.d.sync += s1_bank.eq(bank_of[i])
            with m.Switch(s1_bank):
                for number, bank in enumerate(banks):
                    with m.Case(number):
                        m.d.comb += out.eq(bank.read_data)
        return old, reads, bank_of

    def _accumulate(self, m: Module, platform: Any, banks: list[PsumBank], takes_part: Signal, old: Signal) -> Signal:
        """Adder, and the write A cycles after the column. Returns the bank of the write."""
        psum = self.config.psum
        low_bits = bank_elems_bits(psum)
        adder = Accumulator(add_stages=psum.add_stages, subnormals=self.config.tensor.subnormals)
        m.submodules.adder = adder
        m.d.comb += [
            adder.chain.eq(self.column),
            adder.old.eq(self._old_sum(old)),
            adder.accumulate.eq(self.wave_out.accumulate),
        ]
        valid, address = takes_part, self.wave_in.address
        halves, carried = self.wave_in.halves, self.wave_in.carried
        rounding: Value = self.wave_in.rounding
        for stage in range(1, 2 + psum.add_stages):  # s1 is the column's cycle c, the last one c + A
            s_valid = Signal(name=f"s{stage}_valid")
            s_address = Signal(element_address_bits(psum), name=f"s{stage}_address", reset_less=True)
            s_halves = Signal.like(halves, name=f"s{stage}_halves", reset_less=True)
            s_carried = Signal.like(carried, name=f"s{stage}_carried", reset_less=True)
            m.d.sync += [s_valid.eq(valid), s_address.eq(address), s_halves.eq(halves), s_carried.eq(carried)]
            valid, address, halves, carried = s_valid, s_address, s_halves, s_carried
            if self.config.stochastic_sums:
                s_rounding = Signal(name=f"s{stage}_rounding", reset_less=True)
                m.d.sync += s_rounding.eq(rounding)
                rounding = s_rounding
        result = adder.result
        m.d.comb += [
            self.commit.valid.eq(valid),
            self.commit.address.eq(address),
            self.commit.halves.eq(halves),
            self.commit.data.eq(result),
        ]
        if len(halves):
            half = self._half(m, platform, result, carried, rounding)
            with m.If(~halves.all()):
                m.d.comb += self.commit.data.eq(half.replicate(PSUM_HALVES))
        bank_of = Signal(ceil_log2(len(banks)), name="commit_bank")
        m.d.comb += bank_of.eq(address[low_bits:])
        with m.If(valid), m.Switch(bank_of):
            for number, bank in enumerate(banks):
                with m.Case(number):
                    m.d.comb += bank.write.enable.eq(halves if len(halves) else 1)
        for bank in banks:
            m.d.comb += [
                bank.write.address.eq(address),
                bank.write.data.eq(self.commit.data),
            ]
        if self.config.tensor.background:
            self._move(m, platform, banks, bank_of)
        return bank_of

    def _move(self, m: Module, platform: Any, banks: list[PsumBank], sums_to: Signal) -> None:
        """Bits of the other chain to a bank of their own."""
        wave, s1_valid = self.background_in, Signal(name="s1_moved")
        s1_address = Signal.like(wave.address, name="s1_moved_address", reset_less=True)
        takes_part = wave.valid & in_range(self.index, wave.first, wave.columns)
        m.d.sync += [self.background_out.eq(wave), s1_valid.eq(takes_part), s1_address.eq(wave.address)]
        exponent = self.bits[CARRIED_PLACES : BACKGROUND_BITS - 1] - EXPONENT_LEAD
        element = Cat(self.bits[:CARRIED_PLACES], exponent[: BACKGROUND_BITS - 1 - CARRIED_PLACES])
        word, bank_of = Cat(element, self.bits[BACKGROUND_BITS - 1]), Signal.like(sums_to, name="moved_bank")
        m.d.comb += [
            bank_of.eq(s1_address[-len(bank_of) :]),
            self.moved.valid.eq(s1_valid),
            self.moved.address.eq(s1_address[ceil_log2(PSUM_HALVES) :]),
            self.moved.halves.eq(1 << s1_address[: ceil_log2(PSUM_HALVES)]),
            self.moved.data.eq(word.replicate(PSUM_HALVES)),
        ]
        with m.If(s1_valid), m.Switch(bank_of):
            for number, bank in enumerate(banks):
                with m.Case(number):
                    m.d.comb += [
                        bank.write.enable.eq(self.moved.halves),
                        bank.write.address.eq(self.moved.address),
                        bank.write.data.eq(self.moved.data),
                    ]
        rules = Rules(m, platform)
        rules.follows(s1_valid, self.bits[-1], "there are bits when their destination comes")
        rules.never(s1_valid & self.commit.valid & (bank_of == sums_to), "bits and sums go to banks of their own")

    def _old_sum(self, old: Signal) -> Value:
        """What this cycle's column is added to: the word, or a half of it, widened."""
        if not self.config.tensor.rounds:
            return old
        halves = self.wave_out.halves
        half = Mux(halves[0], old[:_HALF_BITS], old[_HALF_BITS:])
        return Mux(halves.all(), old, Cat(Const(0, FP32.bits - HALF_SUM.bits), half))

    def _half(self, m: Module, platform: Any, result: Value, carried: Value, rounding: Value) -> Value:
        """What goes to half a word: the shorter sum, or the bits that it carries."""
        tensor = self.config.tensor
        # the exponent of a number that carries bits ends in four of them: it is 128 or more, as fp32 has it
        kept = FP32.fraction_bits - CARRIED_PLACES
        bits = Cat(result[kept : kept + _HALF_BITS - 1], result[-1])
        if not tensor.rounds:
            return bits
        narrow = Narrow(HALF_SUM, rounds=self.config.stochastic_sums)
        m.submodules.narrow = place(narrow, platform)
        m.d.comb += narrow.i.eq(result)
        if self.config.stochastic_sums:
            generator, written = RandomBits(), self.commit
            m.submodules.generator = place(generator, platform)
            m.d.comb += [
                generator.seeding.eq(self.seeding),
                generator.key.eq(self.key),
                generator.step.eq(written.valid & ~written.halves.all() & ~carried.any() & rounding),
                narrow.random.eq(generator.bits),
                narrow.stochastic.eq(rounding == Rounding.STOCHASTIC),
            ]
        return Mux(carried, bits, narrow.o) if tensor.carries else narrow.o
