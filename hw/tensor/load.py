"""Stationary loads: one or two word reads a frame, groups of F columns as they come (`spec/loading.py`)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.element import of_size
from makalu.hw.lib.mode import is_mode
from makalu.hw.lib.rules import Rules
from makalu.hw.tensor.control import group_control, lookup_control, operand_type, unit_ports
from makalu.hw.tensor.scales import partitions_of_scales
from makalu.spec.config import CoreConfig
from makalu.spec.frame import ACCEPT_SLOT, MOVING_SLOT, SLOTS, STATIONARY_SLOTS
from makalu.spec.isa import FIELDS, Opcode
from makalu.spec.latency import LOAD_LEAD
from makalu.spec.loading import groups_of_a_word, words_of_a_frame
from makalu.spec.scales import MOVING_ENTRIES, STATIONARY_BANKS, STATIONARY_ENTRIES, load_lead, scale_words
from makalu.spec.sparsity import PACKED_TAGS, TAGS, tag_lead

__all__ = ["LoadUnit"]


class LoadUnit(wiring.Component):
    """Group g = 0 .. ceil(M/F)-1 of a load is at row 0's edge in a + 3 + group_cycle(g), a the cycle of `start`.

    Does not: check the pattern (dimension 0 of stride 1, offset a multiple of the word), nor keep the shadow registers
    until they are swapped: the head does not start a load before it may.

    Parameters
    ----------
    config
        The core.

    Members
    -------
    start: In(1), instruction: In(INSTRUCTION)
        Take this load, or the tile of a transpose; only in a cycle with `free` and slot 3.
    slot: In(2)
        Slot of partition 0.
    free: Out(1)
        Last group of the load before is at the edge before a + 3, if a load is started in this cycle a of slot 3.
    read: Out({enable, ...}), group: Out({valid, ...})
        Riding control of this cycle.
    last_group: Out(1)
        The load's last group is at the edge in this cycle; not of a transpose, which finishes elsewhere.
    lookup: Out({valid, entry, place})
        Where there is MX: the scales of the next cycle's group.
    loading: Out(1)
        Where there is MX: a load that was started has words to read in this cycle or a later one.
    tags_first: Out(1)
        Where weights have tags: a sparse load was started, and its first group has not come to the edge.

    Timing
    ------
    Word i is read in a + 1 + word_cycle(i), in double row those of both rows in turn; group g is at the edge in
    a + 3 + group_cycle(g), as `spec/loading.py` has them for the load's type: a group in every cycle but of 4-byte
    elements, of which two come in a frame of four. A load with scales reads these first, and goes on `load_lead` cycles
    later like any other that had started then (`spec/scales.py`); one with tags likewise, `tag_lead` cycles later, and
    all of its words in slot 0 (`spec/sparsity.py`). Never stalls.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                **unit_ports(config),
                "free": Out(1),
                "group": Out(group_control(config)),
                "last_group": Out(1),
                **self._scaled(config),
            }
        )

    @staticmethod
    def _scaled(config: CoreConfig) -> dict[str, wiring.Member]:
        """Ports that are there with MX, or with tags only."""
        ports = {"lookup": Out(lookup_control(config)["group"].shape), "loading": Out(1)} if config.tensor.quads else {}
        return ports | ({"tags_first": Out(1)} if config.tensor.sparse else {})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, tensor, instruction = self.config, self.config.tensor, self.instruction
        most = tensor.columns // tensor.load_columns
        counts = range(most + 1)

        # groups and words of the load, rounded up
        forms = tensor.operands
        sizes = {form.size_log2 for form in forms}

        def of(dtype: Value, choices: dict[int, Value]) -> Value:
            return of_size(dtype, forms, choices)

        groups, words = Signal(counts), Signal(counts)
        shift = ceil_log2(tensor.load_columns)
        inside = {form.size_log2: groups_of_a_word(form) for form in forms}
        rounded = {size: groups + (count - 1) >> ceil_log2(count) for size, count in inside.items()}
        m.d.comb += [
            groups.eq((instruction.src0_size0 + tensor.load_columns - 1) >> shift),
            words.eq(of(instruction.src0_dtype, rounded)),
        ]

        # reading: words in the stationary slots of each frame from the next cycle on, where one fills it in the first
        address = Signal.like(self.read.address, reset_less=True)
        first = Signal(FIELDS["src0_partition"].bits, reset_less=True)
        count = Signal(FIELDS["partitions"].bits, reset_less=True)
        words_left = Signal(counts)
        kind = operand_type(config)
        s0 = {name: Signal.like(self.group[name], name=f"s0_{name}", reset_less=True) for name in kind}
        slots = {form.size_log2: words_of_a_frame(form) for form in forms}
        a_frame = Mux(s0["paired"], STATIONARY_SLOTS, of(s0["dtype"], {s: Const(slots[s]) for s in sizes}))
        if tensor.sparse:
            a_frame = Mux(s0["ratio"].any(), 1, a_frame)
        second = self._second_row(m, s0["paired"])
        reads = Signal()
        m.d.comb += [
            reads.eq((words_left != 0) & (self.slot < a_frame)),
            self.read.enable.eq(reads),
            self.read.address.eq(address + second),
            self.read.buffer.eq(self.slot[0]),  # word i is read in slot i % 2, or each of them in slot 0
            self.read.start.eq(first),
            self.read.count.eq(count),
        ]
        with m.If(reads & (~s0["paired"].any() | self.slot[0])):  # of both rows, where there are two
            m.d.sync += [words_left.eq(words_left - 1), address.eq(address + 1)]
        go, coming = self._go(m, words, words_left)
        if tensor.sparse:
            self._read_tags(m, first, count, s0["ratio"])
        with m.If(self.start):
            m.d.sync += [
                address.eq(instruction.src0_offset >> ceil_log2(config.sbuf.word_bytes)),
                first.eq(instruction.src0_partition),
                count.eq(instruction.partitions),
                s0["dtype"].eq(instruction.src0_dtype),
                s0["part"].eq(instruction.part),
                s0["paired"].eq(is_mode(instruction.mode, lambda mode: mode.rows > 1)),
                s0["ratio"].eq(Mux(self._sparse(), instruction.ratio, 0)),
                *([s0["offset"].eq(instruction.exponent_offset)] if config.cfp8 else []),
            ]

        # sending: starts when the first word is in its buffer, while the load before may still send
        s0_groups = Signal(counts, reset_less=True)
        s0_apart, apart = Signal(reset_less=True), Signal(reset_less=True)
        s0_first, first_group = (
            Signal.like(self.group.tag, name=name, reset_less=True) for name in ("s0_first", "first")
        )
        s1_start, s2_start = Signal(), Signal()
        groups_left = Signal(counts)
        tag = Signal.like(self.group.tag)  # in the load
        s3 = {name: Signal.like(self.group[name], name=name, reset_less=True) for name in kind}
        dtype = s3["dtype"]
        # of a type whose words are a group each: it is at the edge where its word is, two cycles after the slot
        lone = of(dtype, {size: Const(inside[size] == 1, 1) for size in sizes})
        pauses, alone = lone, Const(0, 1)
        if tensor.sparse:  # in slot 0 alone: of types with two groups a word too
            alone = s3["ratio"].any()
            pauses = lone | (alone & of(dtype, {size: Const(inside[size] <= SLOTS // 2, 1) for size in sizes}))
        here = ~pauses | (self.slot >= MOVING_SLOT)
        m.d.sync += [s1_start.eq(go), s2_start.eq(s1_start)]
        with m.If(self.start):
            m.d.sync += [s0_groups.eq(groups), s0_first.eq(instruction.column >> shift), s0_apart.eq(instruction.apart)]
        places = {size: (tag << size >> config.tensor.smallest)[: len(self.group.place)] for size in sizes}
        numbers = {size: tag >> ceil_log2(inside[size]) for size in sizes}
        buffers = {size: Mux(alone, 0, numbers[size][:1]) if slots[size] > 1 else Const(0, 1) for size in sizes}
        m.d.comb += [
            # a load is accepted in slot 3, and its first group comes 3 cycles later, in slot 2
            self.free.eq((groups_left <= Mux(pauses, 1, LOAD_LEAD)) & ~coming),
            self.group.valid.eq((groups_left != 0) & here),
            self.group.tag.eq(first_group + tag),
            self.group.number.eq(tag),
            self.group.apart.eq(apart),
            *(self.group[name].eq(value) for name, value in s3.items()),
            self.group.place.eq(of(dtype, places)),
            self.group.buffer.eq(of(dtype, buffers)),
            self.last_group.eq((groups_left == 1) & here & self._told(m, s2_start)),
        ]
        with m.If(self.group.valid):
            m.d.sync += [groups_left.eq(groups_left - 1), tag.eq(tag + 1)]
        with m.If(s2_start):
            m.d.sync += [
                groups_left.eq(s0_groups),
                tag.eq(0),
                first_group.eq(s0_first),
                apart.eq(s0_apart),
                *(s3[name].eq(s0[name]) for name in kind),
            ]

        if config.tensor.sparse:
            m.d.comb += self.tags_first.eq(s0["ratio"].any() & (coming | s1_start | s2_start))
        if config.tensor.quads:
            m.d.comb += self.loading.eq((words_left != 0) | coming)
            self._lookup(m, s2_start, s0_groups, groups_left, tag, Mux(s2_start, s0["dtype"], dtype))

        rules = Rules(m, platform)
        rules.follows(self.start, self.free & (self.slot == ACCEPT_SLOT), "a load starts when it may, in its slot")
        rules.never(self.start & (words_left != 0), "a load starts when all words of the one before have been read")
        rules.never(s2_start & (groups_left > 1), "a load sends behind the last group of the one before")
        rules.follows(self.start, (groups != 0) & (groups <= most), "a load has groups that the array has columns for")
        follows_on = rules.before(self.group.valid, reset_less=False) & ~rules.before(s2_start, reset_less=False)
        rules.never(
            self.group.valid & follows_on & (tag != (rules.before(tag) + 1)[: len(tag)]), "groups come in their order"
        )
        return m

    def _told(self, m: Module, begins: Signal) -> Value:
        """What is sent is a load, whose end the head tells; `begins`: the next cycle's is the one read last."""
        if not self.config.tensor.background:
            return Const(1, 1)
        s0_told, s3_told = Signal(reset_less=True), Signal(reset_less=True)
        with m.If(self.start):
            m.d.sync += s0_told.eq(self.instruction.opcode != Opcode.TRANSPOSE)
        with m.If(begins):
            m.d.sync += s3_told.eq(s0_told)
        return s3_told

    def _sparse(self) -> Value:
        """The load that starts has tags."""
        return self.instruction.opcode == Opcode.LOAD_SPARSE if self.config.tensor.sparse else Const(0, 1)

    def _go(self, m: Module, words: Value, words_left: Signal) -> tuple[Value, Value]:
        """In which cycle a load goes on as if it had started then, and that one will: what its weights need is read
        before.
        """
        config, i = self.config, self.instruction
        ahead: list[tuple[Value, int]] = []
        if config.tensor.quads:
            ahead.append((is_mode(i.mode, lambda mode: mode.scaled), load_lead(config)))
        if config.tensor.sparse:
            ahead.append((self._sparse(), tag_lead(config)))
        if not ahead:
            with m.If(self.start):
                m.d.sync += words_left.eq(words)
            return self.start, Const(0, 1)
        left, go = Signal(range(max(lead for _, lead in ahead) + 1), name="lead_left"), Signal()
        s0_words = Signal.like(words_left, reset_less=True)
        at_once = ~Cat(waits for waits, _ in ahead).any()
        m.d.comb += go.eq(Mux(left != 0, left == 1, self.start & at_once))
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(go):
            m.d.sync += words_left.eq(Mux(left != 0, s0_words, words))
        for waits, lead in ahead:
            with m.If(self.start & waits):
                m.d.sync += [left.eq(lead), s0_words.eq(words)]
        if config.tensor.quads:
            self._read_scales(m, self.start & ahead[0][0])
        return go, left != 0

    def _read_scales(self, m: Module, scaled: Value) -> None:
        config, word, i = self.config, self.config.sbuf.word_bytes, self.instruction
        left = Signal(range(scale_words(config, config.tensor.columns) + 1), name="scale_words_left")
        address = Signal.like(self.read.address, name="scale_address", reset_less=True)
        first = Signal(FIELDS["src1_partition"].bits, name="scale_first", reset_less=True)
        count = Signal(FIELDS["partitions"].bits, name="scale_count", reset_less=True)
        entry, self._bank = Signal(range(STATIONARY_ENTRIES)), Signal(range(STATIONARY_BANKS))
        inside = STATIONARY_ENTRIES // STATIONARY_BANKS
        with m.If(scaled):
            m.d.sync += [
                left.eq((i.src1_size0 + word - 1) >> ceil_log2(word)),
                address.eq(i.src1_offset >> ceil_log2(word)),
                first.eq(i.src1_partition),
                count.eq(partitions_of_scales(config, i.partitions)),
                # the banks follow each other
                entry.eq((self._bank + 1) * inside),
                self._bank.eq(self._bank + 1),
            ]
        with m.If((left != 0) & (self.slot < STATIONARY_SLOTS)):
            m.d.comb += [
                self.read.enable.eq(1),
                self.read.scale.eq(1),
                self.read.entry.eq(MOVING_ENTRIES + entry),
                self.read.address.eq(address),
                self.read.start.eq(first),
                self.read.count.eq(count),
            ]
            m.d.sync += [left.eq(left - 1), entry.eq(entry + 1), address.eq(address + 1)]

    def _read_tags(self, m: Module, first: Signal, count: Signal, ratio: Signal) -> None:
        """Of the partitions that the weights are of, in slot 0; the moving stream may have slot 1."""
        config, word, i = self.config, self.config.sbuf.word_bytes, self.instruction
        inside = word // TAGS.bytes
        left = Signal(range(config.tensor.columns // PACKED_TAGS + 1), name="tag_units_left")
        address = Signal.like(self.read.address, name="tag_address", reset_less=True)
        number, units = Signal.like(self.read.buffer, name="tag_word"), Signal.like(self.read.units, name="tag_units")
        m.d.comb += units.eq(Mux(left < inside, left, inside))
        with m.If(self.start & self._sparse()):
            m.d.sync += [left.eq(i.src1_size0), address.eq(i.src1_offset >> ceil_log2(word)), number.eq(0)]
        with m.If((left != 0) & (self.slot == 0)):
            m.d.comb += [
                self.read.enable.eq(1),
                self.read.tags.eq(1),
                self.read.buffer.eq(number),
                self.read.ratio.eq(ratio),
                self.read.units.eq(units),
                self.read.address.eq(address),
                self.read.start.eq(first),
                self.read.count.eq(count),
            ]
            m.d.sync += [left.eq(left - units), number.eq(number + 1), address.eq(address + 1)]

    def _lookup(self, m: Module, begins: Signal, groups: Signal, left: Signal, tag: Signal, dtype: Value) -> None:
        """Whether the next cycle has a group with scales, and where they are; `dtype` is its type."""
        config = self.config
        inside = config.sbuf.word_bytes // config.tensor.load_columns
        following, after = Signal.like(tag, name="next_tag"), Signal.like(left, name="next_left")
        slot = (self.slot + 1)[: len(self.slot)]
        quad = Cat(dtype == form.code for form in config.tensor.quads).any()
        s_bank = Signal.like(self._bank, name="s_bank", reset_less=True)
        with m.If(begins):
            m.d.sync += s_bank.eq(self._bank)
        bank = Mux(begins, self._bank, s_bank)
        alone = Cat(dtype == f.code for f in config.tensor.operands if groups_of_a_word(f) == 1).any()
        m.d.comb += [
            following.eq(Mux(begins, 0, tag + self.group.valid)),
            after.eq(Mux(begins, groups, left - self.group.valid)),
            self.lookup.valid.eq(quad & (after != 0) & (~alone | (slot >= MOVING_SLOT))),
            self.lookup.entry.eq(bank * (STATIONARY_ENTRIES // STATIONARY_BANKS) + (following >> ceil_log2(inside))),
            self.lookup.place.eq(following),
        ]

    def _second_row(self, m: Module, paired: Value) -> Value:
        """Words from a word of the first row to that of the second, in the second's slot; else 0."""
        if not len(paired):
            return Const(0, 1)
        step = Signal.like(self.read.address, name="row_step", reset_less=True)
        with m.If(self.start):
            m.d.sync += step.eq(self.instruction.src0_stride3 >> ceil_log2(self.config.sbuf.word_bytes))
        return Mux(paired & self.slot[0], step, 0)
