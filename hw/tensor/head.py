"""Tensor engine, the part that is there once: decides when each word, group and column goes; the rest rides."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.delay import DelayLine
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.mode import is_mode, of_mode
from makalu.hw.lib.rules import Rules
from makalu.hw.psum.layouts import background_wave, bank_elems_bits, wave
from makalu.hw.tensor.background import BackgroundUnit
from makalu.hw.tensor.columns import ColumnUnit, destination
from makalu.hw.tensor.control import edge_control
from makalu.hw.tensor.fetch import FetchUnit
from makalu.hw.tensor.hazard import meets
from makalu.hw.tensor.load import LoadUnit
from makalu.hw.tensor.ownership import BankOwnership
from makalu.hw.tensor.retire import InOrder
from makalu.hw.tensor.scales import ScaleFetch
from makalu.spec.config import CoreConfig
from makalu.spec.frame import ACCEPT_SLOT, PHASE_BITS, SLOT_BITS
from makalu.spec.isa import AP_DIMS, LOADS, Opcode, Space
from makalu.spec.latency import column_delay, commit_delay, row_delay, swap_guard
from makalu.spec.sparsity import deskew

__all__ = ["TensorHead"]

IN_FRONT = 16
"""More than there can be before the paths that are counted in cycles: fetching, waiting, sending, loading."""


class TensorHead(wiring.Component):
    """Control of loads and matmuls for partition 0; partition p does the same p*L cycles later.

    Does not: touch data; check instructions (the sequencer did); wait for PSUM readers (they look at `owned`).

    Parameters
    ----------
    config
        The core. P = R = C partitions, L, S, A, F as in the contract; W = sbuf.word_bytes.

    Members
    -------
    command: In(stream.Signature(INSTRUCTION))
        LoadStationary, LoadSparse, Matmul and Transpose only.
    frame: In(3)
        The core's frame counter; slot = frame mod 4.
    finish_load, finish_matmul, error_load, error_matmul: Out(1)
        One cycle an instruction, in order in each channel: it has finished, or has not because of a fault.
    fault: In(1)
        Where weights have tags: one that a load has read is out of range.
    control: Out({read, group, column, lookup})
        To the edge of partition 0; `lookup` where there is MX.
    wave: Out({valid, address, halves, carried, rounding, accumulate, first, columns})
        To PSUM slice 0.
    background: Out({valid, address, first, columns})
        To PSUM slice 0 too, where there are background transposes.
    owned: Out(8)
        PSUM banks that columns are on their way to.
    active: Out(1)
        An instruction was accepted before this cycle and did not finish before it.
    stalled: Out(1)
        In the cycle before, a matmul waited for its first column or had columns left, and no column is at the edge of
        row 0 in this cycle: its segment is not there, its destination is in the adder, or it came just now.

    Timing
    ------
    acc(i): the cycle in which command i (in order) is accepted: valid at the port, and later than acc(i-1).
    h(n), hl(n): cycles of the first and the last column of matmul n at row 0's edge.

    - Load, with load_span and group_cycle of its type from `spec/loading.py` and G = ceil(M/F): acc = the first cycle
      of slot 3 with acc >= acc' + load_span(G') (' the load before), and, if a matmul after a load was accepted before,
      with n the last such matmul, acc >= h(n) + max(0, (C/F)*(F-2) - 3 + c/F), c its first PE column.
      Group g at the edge of row 0 in acc + 3 + group_cycle(g). finish = acc + 3 + load_span(G) - 1 + (R-1)*L.
    - LoadSparse: as a load of its type, with `sparse` in `spec/loading.py`, that is accepted tag_lead later; tag word u
      is read in acc + 1 + 4 u; t(n) of the matmul behind it >= the cycle of its first group. Any other load:
      acc > r of the last word of the last sparse matmul.
    - Matmul n: acc(n) = the first cycle with acc(n) > read cycle of the last segment of matmul n-1, and
      acc(n) > t(n-1), the cycle in which matmul n-1 went to the column unit; t(n) = max(acc(n) + 1, hl(n-1) - 1).
    - Words of segments (numbered through all matmuls) s: r(s) = the first cycle of slot 2 with r(s) > acc(n),
      r(s) > r(s-1) and r(s) >= e(s - B), B = moving_buffers, e the cycle of a segment's last column. In double row a
      segment has two words, in sparse, where slot 1 counts too, as many as its ratio; its columns follow the last.
    - Columns (numbered through all matmuls) c of segment s in matmul n: h(c) = the first cycle with h(c) >= r(s) + 2,
      h(c) > h(c-1), h(c) >= t(n) + 2 and, with accumulate, no earlier column of the same destination in the A + 1
      cycles before h(c), and none of the other half of its word A + 1 cycles before.
    - finish(n) = hl(n) + 1 + D + S + R*L + (C-1) + A, D of `spec/sparsity.py`, 0 where weights have no tags.
      `owned[bank]` in h + 1 .. h + 1 + D + S + R*L + (C-1) + A.
    - A fault in cycle f is of a load that has not finished. It ends as an error. From the next wave with a swap,
      more than D + S cycles after f, on, no wave is valid and matmuls end as errors, until nothing is under way.

    - In mx (`spec/scales.py`): a load's groups, its finish and load_span count from acc + load_lead, before which its
      scales are read. A matmul n is accepted when the one before in mx has begun and all its scales have been read;
      it begins, as another is accepted, in b(n) > acc(n), which stands for acc(n) above. Words of scales as
      `ScaleFetch` has them: behind the reads of the load before, and the next load is accepted behind theirs. A column
      waits for its scale too.

    - Transpose: loads as a load of its type from its destination's first column on, but has no finish there. acc as a
      load, and acc >= h' and acc >= h' + p' + K' - TURN (' the transpose before, p its first partition, h = acc + TURN,
      `spec/background.py`), acc > hl(n) + 1 + D + S + R*L + (C-1) + A of the last matmul n of its bank, and, if a
      sparse load was accepted since the engine was idle, when it is idle. Its turn counts as h(n) for the next load.
      t(n) of a matmul behind it for its bank > h + p + K - 1 + D + R*(L-1) + C - 1, the cycle of its last commit, in
      which it has finished; `owned[bank]` from acc + 1 on until then. Matmuls and transposes are told in the order of
      their acceptance, one a cycle: one that has finished before an earlier one, a cycle after that one's.

    A matmul after a load starts at acc(load) + 5 or later without a rule of its own: its first word is read in the
    slot 2 after. First pair: load in a, matmul in a + 1, first column in a + 5; from a to the last commit, both
    included, N + S + R*L + (M-1) + c0 cycles with c0 = 6 + A + D; in double row both are a frame later, in mx the first
    column is `first_scaled_column` cycles after the load, in sparse tag_lead later than of other modes.
    No bubble between matmuls with a load each if the pattern is contiguous, N >= 4 * words and N >= C/2 + 2 rounded up
    to the frame, and N >= 24 where the offset is not a multiple of W (W = 16); in sparse N >= 2 * words, all of them,
    and its load takes longer (`spec/loading.py`).
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                "command": In(stream.Signature(INSTRUCTION)),
                "frame": In(PHASE_BITS),
                **{f"{kind}_{part}": Out(1) for kind in ("finish", "error") for part in ("load", "matmul")},
                **({"fault": In(1)} if config.tensor.sparse else {}),
                "control": Out(edge_control(config)),
                "wave": Out(wave(config)),
                **({"background": Out(background_wave(config))} if config.tensor.background else {}),
                "owned": Out(config.psum.banks),
                "active": Out(1),
                "stalled": Out(1),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.load = load = LoadUnit(config=config)
        m.submodules.fetch = fetch = FetchUnit(config=config)
        m.submodules.columns = columns = ColumnUnit(config=config)

        # accept
        instruction = self.command.payload
        slot = Signal(SLOT_BITS)
        is_transpose, takes_transpose = Signal(), Signal()
        is_load, issue, takes_load, takes_matmul = Signal(), Signal(), Signal(), Signal()
        load_ready, matmul_ready, shadow_free, waiting = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            slot.eq(self.frame),
            is_load.eq(Cat(instruction.opcode == opcode for opcode in LOADS).any()),
            load_ready.eq((slot == ACCEPT_SLOT) & load.free & shadow_free),
            matmul_ready.eq(fetch.free & ~waiting),
            self.command.ready.eq(Mux(is_load, load_ready, matmul_ready)),
            issue.eq(self.command.valid & self.command.ready),
            takes_load.eq(issue & is_load),
            takes_matmul.eq(issue & ~is_load & ~is_transpose),
            takes_transpose.eq(issue & is_transpose),
        ]
        if config.tensor.sparse:
            m.d.comb += columns.tags_first.eq(load.tags_first)
            # its words of the stationary slots
            with m.If(fetch.sparse & (instruction.opcode != Opcode.LOAD_SPARSE)):
                m.d.comb += load_ready.eq(0)
        column, uses = instruction.column, columns.swap_sent
        if config.tensor.background:
            m.submodules.background = background = BackgroundUnit(config=config)
            m.d.comb += is_transpose.eq(instruction.opcode == Opcode.TRANSPOSE)
            column, uses = Mux(is_transpose, instruction.dst_partition, column), uses | background.turns
        self._protect_shadow(m, platform, (takes_load, takes_matmul, takes_transpose), column, uses, shadow_free)
        begins, begun, swap = takes_matmul, instruction, self._pending
        if config.tensor.quads:
            m.submodules.scales = scales = ScaleFetch(config=config)
            begins, begun, swap = self._ahead(m, scales, takes_matmul, matmul_ready, load_ready, fetch.free & ~waiting)

        # a matmul waits here while the columns of the one before are sent
        following = Signal(destination(config), reset_less=True)
        with m.If(columns.take):
            m.d.sync += waiting.eq(0)
        with m.If(begins):
            m.d.sync += waiting.eq(1)
            for name in destination(config).members:
                m.d.sync += following[name].eq(swap if name == "swap" else begun[name])

        m.d.comb += [
            load.start.eq(takes_load | takes_transpose),
            load.instruction.eq(instruction),
            load.instruction.column.eq(column),
            load.slot.eq(slot),
            fetch.start.eq(begins),
            fetch.instruction.eq(begun),
            fetch.slot.eq(slot),
            fetch.room.eq(columns.room),
            columns.waiting.eq(waiting),
            columns.next.eq(following),
            columns.push.eq(fetch.read.enable),
            columns.segment.eq(fetch.segment),
            self.stalled.eq(columns.stalled),
            self.control.group.eq(load.group),
            self.control.column.eq(columns.column),
            self.control.read.eq(load.read),
        ]
        with m.If(fetch.read.enable):
            m.d.comb += [self.control.read.eq(fetch.read), self.control.read.buffer.eq(columns.push_buffer)]
        if config.tensor.quads:
            m.d.comb += [
                scales.start.eq(takes_matmul & is_mode(instruction.mode, lambda mode: mode.scaled)),
                scales.instruction.eq(instruction),
                scales.slot.eq(slot),
                scales.loading.eq(load.loading),
                scales.send.eq(columns.scale_send),
                scales.ends.eq(columns.scale_ends),
                columns.scale_there.eq(scales.there),
                self.control.lookup.column.eq(scales.lookup),
                self.control.lookup.group.eq(load.lookup),
            ]
            with m.If(scales.read.enable):
                m.d.comb += self.control.read.eq(scales.read)

        rules = Rules(m, platform)
        self._count(m, issue, rules)
        last, written, owned = self._after_columns(m, columns, rules)
        m.d.comb += self.owned.eq(owned)
        self._finish(m, load.last_group, (last, written))
        if config.tensor.background:
            clear = self._clear(m, columns, owned)  # here: what it keeps, it keeps whatever is at the port
            with m.If(is_transpose):
                m.d.comb += self.command.ready.eq(load_ready & background.free & clear)
            m.d.comb += [
                background.start.eq(takes_transpose),
                background.instruction.eq(instruction),
                columns.taken.eq(background.owned),
                self.owned.eq(owned | background.owned),
                self.control.turn.eq(background.turn),
                self.background.eq(background.wave),
            ]
            m.submodules.in_order = in_order = InOrder(config=config)
            m.d.comb += [
                in_order.matmul.eq(takes_matmul),
                in_order.transpose.eq(takes_transpose),
                Cat(in_order.finished, in_order.failed).eq(self._ends),
                in_order.transposed.eq(background.finished),
                Cat(self.finish_matmul, self.error_matmul).eq(Cat(in_order.finish, in_order.error)),
            ]
            rules.never(takes_transpose & self._pending, "no transpose takes the place of a tile that waits")
        rules.never(fetch.read.enable & load.read.enable, "moving and stationary words have slots of their own")
        rules.follows(issue, is_load | is_transpose | (instruction.opcode == Opcode.MATMUL), "only these four come")
        self._checked(rules, instruction, takes_load, takes_matmul)
        return m

    def _ahead(
        self,
        m: Module,
        scales: ScaleFetch,
        takes: Signal,
        ready: Signal,
        load_ready: Signal,
        free: Value,
    ) -> tuple[Signal, data.View, Signal]:
        """A matmul with scales is accepted before its columns can be fetched, so that its scales are there in time.

        Returns: in which cycle a matmul begins to be fetched, what it is, and whether its columns swap.
        """
        held, queued, swaps = Signal(), Signal(INSTRUCTION, reset_less=True), Signal(reset_less=True)
        self._held = held, queued
        scaled, begins, swap = Signal(), Signal(), Signal()
        begun = Signal(INSTRUCTION)
        i = self.command.payload
        m.d.comb += [
            scaled.eq(is_mode(i.mode, lambda mode: mode.scaled)),
            ready.eq(~held & Mux(scaled, scales.idle, free)),
            begins.eq(Mux(held, free, takes & ~scaled)),
            begun.eq(Mux(held, queued.as_value(), i.as_value())),
            swap.eq(Mux(held, swaps, self._pending)),
        ]
        # the words of a matmul's scales are read before a load comes that would hold them up
        with m.If(~scales.idle):
            m.d.comb += load_ready.eq(0)
        with m.If(begins):
            m.d.sync += held.eq(0)
        with m.If(takes & scaled):
            m.d.sync += [held.eq(1), queued.eq(i), swaps.eq(self._pending)]
        return begins, begun, swap

    def _clear(self, m: Module, columns: ColumnUnit, owned: Value) -> Value:
        """Nothing before the transpose at the port is on its way to its bank, or may still fail."""
        config, i = self.config, self.command.payload
        byte, banks = ceil_log2(config.psum.bank_bytes), config.psum.banks
        used = columns.ahead | owned
        if config.tensor.quads:
            held, queued = self._held
            used |= Mux(held, 1 << queued.dst_offset[byte:][: ceil_log2(banks)], 0)
        clear = ~used.bit_select(i.dst_offset[byte:][: ceil_log2(banks)], 1)
        if not config.tensor.sparse:
            return clear
        tagged = Signal()  # a sparse load was accepted since the engine was idle
        with m.If(self.command.valid & self.command.ready & (i.opcode == Opcode.LOAD_SPARSE)):
            m.d.sync += tagged.eq(1)
        with m.Elif(~self.active):
            m.d.sync += tagged.eq(0)
        return clear & ~(tagged & self.active)

    def _checked(self, rules: Rules, instruction: data.View, takes_load: Signal, takes_matmul: Signal) -> None:
        """What the sequencer has refused."""
        config, i = self.config, instruction
        last = i.src0_partition + i.partitions
        rules.follows(
            takes_load | takes_matmul,
            (i.partitions != 0) & (last <= config.partitions),
            "a tile has partitions that there are",
        )
        rows = of_mode(i.mode, lambda mode: Const(mode.rows))
        outer = Cat(i[f"src0_size{d}"] == 1 for d in range(1, AP_DIMS - 1)).all() & (
            i[f"src0_size{AP_DIMS - 1}"] == rows
        )
        rules.follows(takes_load, (i.src0_stride0 == 1) & outer, "a stationary tile is contiguous, of its mode's rows")
        rules.never(takes_load & (i.src0_offset % config.sbuf.word_bytes != 0), "a stationary tile begins with a word")
        rules.never(
            takes_matmul & (i.dst_partition % config.tensor.column_tile != 0), "a matmul writes a tile of columns"
        )
        same = [i[f"src0_size{d}"] == i[f"dst_size{d}"] for d in range(AP_DIMS)]
        several = (rows > 1) | is_mode(i.mode, lambda mode: mode.tagged)
        sizes = Cat(same[:-1]).all() & (same[-1] | several)
        rules.follows(takes_matmul, sizes, "a matmul has as many destinations as moving columns")
        rules.follows(takes_matmul, i.dst_space == Space.PSUM, "a matmul writes PSUM")

    def _protect_shadow(
        self,
        m: Module,
        platform: object,
        takes: tuple[Signal, Signal, Signal],
        column: Value,
        swap_sent: Value,
        shadow_free: Signal,
    ) -> None:
        """A load, from `column` on, may start when the swap before it is far enough ahead in the array, or the turn of
        a transpose. `takes`: a load, a matmul, a transpose.
        """
        takes_load, takes_matmul, takes_transpose = takes
        tensor = self.config.tensor
        guards = [swap_guard(self.config, column) for column in range(0, tensor.columns, tensor.column_tile)]
        guard = max(guards)  # of the tile that begins farthest right
        self._pending = pending = Signal()  # a load was accepted, its matmul was not
        swap_waits = Signal()  # a matmul after a load was accepted, its first column was not sent
        guarded = Signal()
        m.d.comb += shadow_free.eq(~swap_waits & ~guarded)
        with m.If(swap_sent):
            m.d.sync += swap_waits.eq(0)
        if guard:
            guard_left, enough = Signal(range(guard + 1)), Signal(range(guard + 1))
            with m.Switch(column[ceil_log2(tensor.column_tile) :]):
                for n, its in enumerate(guards):
                    with m.Case(n):
                        m.d.comb += enough.eq(guard - its)
            m.d.comb += guarded.eq(guard_left > enough)
            with m.If(swap_sent):
                m.d.sync += guard_left.eq(guard)
            with m.Elif(guard_left != 0):
                m.d.sync += guard_left.eq(guard_left - 1)
        with m.If(takes_load):
            m.d.sync += pending.eq(1)
        with m.If(takes_matmul):
            m.d.sync += pending.eq(0)
            with m.If(pending):
                m.d.sync += swap_waits.eq(1)
        if tensor.background:
            with m.If(takes_transpose):
                m.d.sync += swap_waits.eq(1)

        rules = Rules(m, platform)
        rules.follows(
            takes_load | takes_transpose, shadow_free, "no load starts before the last swap is far enough ahead"
        )
        rules.follows(swap_sent, swap_waits, "a swap is sent once, for a load that its matmul follows, or a turn")
        rules.never(pending & swap_waits, "a load waits for its matmul or for its swap")

    def _after_columns(self, m: Module, columns: ColumnUnit, rules: Rules) -> tuple[Value, Value, Value]:
        """Destinations follow their columns to PSUM; their banks belong to this engine until the commit.

        Returns: the last column of a matmul is at PSUM, and whether it writes; the banks.
        """
        config = self.config
        riding = data.StructLayout({"wave": wave(config), "swap": 1, "last": 1})
        m.submodules.to_psum = to_psum = DelayLine(shape=riding, cycles=column_delay(config))
        m.submodules.ownership = ownership = BankOwnership(psum=config.psum, cycles=commit_delay(config))
        before, after = to_psum.before, to_psum.after
        masked = self._masked(m, after.swap)
        m.d.comb += [
            before.wave.eq(columns.wave),
            before.swap.eq(columns.column.swap),
            before.last.eq(columns.last),
            self.wave.eq(after.wave),
            self.wave.valid.eq(after.wave.valid & ~masked),
            ownership.send.eq(columns.wave.valid),
            ownership.bank.eq(columns.wave.address >> bank_elems_bits(config.psum)),
        ]
        out = self.wave
        bank = out.address[bank_elems_bits(config.psum) :]
        rules.follows(out.valid, self.owned.bit_select(bank, 1), "a bank is owned while columns are on their way to it")
        earlier, clashes = (out.valid, out.address, out.halves), []
        for ago in range(1, config.psum.add_stages + 2):
            valid, address, halves = earlier
            earlier = rules.before(valid, reset_less=False), rules.before(address), rules.before(halves)
            overlap = meets(ago, config, out.halves, earlier[2]) if config.tensor.rounds else 1
            clashes.append(earlier[0] & (earlier[1] == out.address) & overlap)
        rules.never(
            out.valid & out.accumulate & Cat(clashes).any(),
            "a column that accumulates is apart from its element's last",
        )
        return after.last, ~masked, ownership.owned

    def _masked(self, m: Module, swap: Value) -> Value:
        """The column that is at PSUM in this cycle must not be written: its weights have a tag out of range, or it is
        behind such a one.
        """
        self._faulted: Value = Const(0, 1)
        if not self.config.tensor.sparse:
            return Const(0, 1)
        # a tag is read before its load's swap is sent: as much later, it is known before that swap's wave is here
        later = deskew(self.config.tensor) + self.config.tensor.mul_stages
        faulted, counting, left = Signal(), Signal(), Signal(range(later))
        pending, masks = Signal(), Signal()
        with m.If(self.fault):
            m.d.sync += faulted.eq(1)
            with m.If(~faulted):
                m.d.sync += [counting.eq(1), left.eq(later - 1)]
        with m.If(counting):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 0):
                m.d.sync += [counting.eq(0), pending.eq(1)]
        with m.If(pending & swap):
            m.d.sync += masks.eq(1)
        with m.If(~self.active):
            m.d.sync += Cat(faulted, counting, pending, masks).eq(0)
        self._faulted = faulted | self.fault
        return masks | (pending & swap)

    def _finish(self, m: Module, last_group: Signal, ended: tuple[Value, Value]) -> None:
        config = self.config
        m.submodules.to_last_row = to_last_row = DelayLine(shape=1, cycles=row_delay(config))
        left = commit_delay(config) - column_delay(config)
        m.submodules.to_commit = to_commit = DelayLine(shape=2, cycles=left)
        last, written = ended
        m.d.comb += [
            to_last_row.before.eq(last_group),
            self.finish_load.eq(to_last_row.after & ~self._faulted),
            self.error_load.eq(to_last_row.after & self._faulted),
            to_commit.before.eq(Mux(last, Cat(written, ~written), 0)),
        ]
        self._ends = to_commit.after
        if not config.tensor.background:
            m.d.comb += Cat(self.finish_matmul, self.error_matmul).eq(to_commit.after)

    def _count(self, m: Module, issue: Signal, rules: Rules) -> None:
        """Instructions that were accepted and have not finished; each takes at least a cycle of its path."""
        config = self.config
        outstanding = Signal(range(2 * commit_delay(config) + IN_FRONT))
        finishes = (self.finish_load | self.error_load) + (self.finish_matmul | self.error_matmul)
        m.d.sync += outstanding.eq(outstanding + issue - finishes)
        m.d.comb += self.active.eq(outstanding != 0)
        rules.always(finishes <= outstanding, "no more instructions finish than are under way")
        most = 2 * commit_delay(config) + IN_FRONT - 2
        rules.always(outstanding <= most, "all instructions that are under way are counted")
