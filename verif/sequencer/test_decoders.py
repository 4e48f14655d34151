"""Every decoder's verdict on instructions that are legal or nearly so is that of golden's checker."""

import random
from collections import Counter
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from makalu.sim_models.golden.check import QueueCheck
from makalu.spec.encoding import Instruction, decode, encode
from makalu.spec.errors import ErrorCode
from makalu.spec.formats import BF16, E4M3FN, FP32, Format
from makalu.spec.isa import AP_DIMS, FIELDS, INSTRUCTION_BYTES, INSTRUCTIONS, OPERANDS, QUEUES, Opcode, Queue
from makalu.spec.sequencer import DECODE_PERIOD, allowed_bits
from makalu.spec.sparsity import RATIO_LIMIT
from makalu.spec.tensor_modes import Mode
from makalu.spec.tensor_types import MIXING, mixable
from makalu.sw.rtl.params import bench_params
from verif.lib.sampling import known, start_clock
from verif.lib.variants import bench_config
from verif.sequencer.programs import BROKEN, broken, legal, own_opcodes, replace_field

BITS = 8 * INSTRUCTION_BYTES
STRIDE_BITS = FIELDS["src0_stride0"].bits
BESIDE, STRETCH = (BF16, FP32, E4M3FN), 16
"""Types that others are beside, in turn for so many words: only then a matmul often follows a load of its kind."""


def near(rng: random.Random, opcode: Opcode, config: Any, beside: Format, mode: Mode, ratio: int) -> bytes:
    """A legal instruction with up to three fields changed, most of them by a little, now and then any bit.

    An eighth waits or signals, for a semaphore that there is or is not; an eighth is not of the types of
    `beside`, a sixteenth not of the mode, or of the ratio.
    """
    beside = beside if rng.random() < 7 / 8 else rng.choice(BESIDE)
    mode = mode if rng.random() < 15 / 16 else rng.choice(config.tensor.modes)
    of_mode = {Mode.SPARSE: Opcode.LOAD_SPARSE}.get(mode, Opcode.LOAD_STATIONARY)
    if opcode in (Opcode.LOAD_STATIONARY, Opcode.LOAD_SPARSE) and rng.random() < 15 / 16:
        opcode = of_mode
    ratio = ratio if rng.random() < 15 / 16 else rng.randint(1, RATIO_LIMIT)
    fields = legal(rng, opcode, config, beside=beside, mode=mode, ratio=ratio)
    if rng.random() < 1 / 8:
        slot = rng.choice(("wait0", "wait1", "signal0", "signal1"))
        fields |= {f"{slot}_kind": 1, f"{slot}_semaphore": rng.randrange(2 * config.sequencer.semaphores)}
    word = encode(Instruction(opcode, {k: int(v) for k, v in fields.items()}))
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        f = FIELDS[rng.choice(list(FIELDS))]
        old = int.from_bytes(word, "little") >> f.lsb & (1 << f.bits) - 1
        near_by = old + rng.randint(-5, 5)
        value = rng.choice((0, 1, f.high, f.low, near_by, near_by, rng.getrandbits(64)))
        word = replace_field(word, f.name, value)
    if rng.random() < 1 / 16:
        flipped = int.from_bytes(word, "little") ^ 1 << rng.randrange(BITS)
        word = flipped.to_bytes(INSTRUCTION_BYTES, "little")
    return word


def flipped(rng: random.Random, queue: Any, config: Any, n: int) -> bytes:
    """A legal instruction of the queue but for one bit: each bit in turn as `n` counts up.

    In the first turn one that has a field there, if there is one; later another opcode each turn, the last row first,
    and no scalar operand in SBUF, so that its fields are reserved too.
    """
    own = own_opcodes(queue, config)
    turn, bit = divmod(n, BITS)
    have = [each for each in own if allowed_bits(each) >> bit & 1]
    opcode = own[-turn % len(own)] if turn else rng.choice(have or own)
    fields = legal(rng, opcode, config)
    while turn and fields.get("operand0_tensor"):
        fields = legal(rng, opcode, config)
    word = encode(Instruction(opcode, {k: int(v) for k, v in fields.items()}))
    return (int.from_bytes(word, "little") ^ 1 << bit).to_bytes(INSTRUCTION_BYTES, "little")


def far(rng: random.Random, opcode: Opcode, config: Any) -> bytes:
    """Of an operand one dimension, two or all each reach the same power of two of elements, up or down.

    Operands that must have its sizes have them, and stay where they begin.
    """
    fields = legal(rng, opcode, config)
    slots = [slot for slot in OPERANDS if fields.get(f"{slot}_size0")]
    sizes = {slot: [fields.get(f"{slot}_size{d}", 0) for d in range(AP_DIMS)] for slot in slots}
    chosen, reach = rng.choice(slots), rng.randrange(2 * STRIDE_BITS - 1)
    down = reach > 2 * STRIDE_BITS - 3 or rng.random() < 1 / 2
    share = rng.randint(max(0, reach - STRIDE_BITS + (1 if down else 2)), min(reach, STRIDE_BITS - 1))
    for d in rng.sample(range(AP_DIMS), rng.choice((1, 1, 2, AP_DIMS))):
        for slot in (slot for slot in slots if sizes[slot] == sizes[chosen]):
            stride = (-1 if down else 1) << (reach - share) if slot == chosen else 0
            fields |= {f"{slot}_size{d}": (1 << share) + 1, f"{slot}_stride{d}": stride}
    return encode(Instruction(opcode, {k: int(v) for k, v in fields.items()}))


def beyond_memory(rng: random.Random, opcode: Opcode, config: Any) -> bytes:
    """A DMA whose memory side comes near either end of the bus's addresses by one dimension's stride or by several."""
    fields = legal(rng, opcode, config)
    if "address" not in fields:
        return far(rng, opcode, config)
    (slot,) = INSTRUCTIONS[opcode].operands
    bits, most = config.bus.address_bits, config.sequencer.elements
    up = rng.random() < 1 / 2
    left = (1 << bits) - 1 if up else 0
    address = rng.choice((0, 1 << rng.randrange(bits), rng.randrange(1 << bits)))
    room, elements = (left - address if up else address), 1
    fields["memory_stride4"] = 0
    for d in rng.sample(range(AP_DIMS), AP_DIMS):
        steps = (1 << rng.randrange(17)) if rng.random() < 2 / 3 else 1
        if elements * 2 * steps > most:
            steps = 1
        elements *= 2 * steps
        size = min(steps + 1, FIELDS[f"{slot}_size0"].high)
        share = room if rng.random() < 1 / 2 else rng.randrange(room + 1)
        stride = min(share // (size - 1), FIELDS["memory_stride0"].high)
        room -= stride * (size - 1)
        fields |= {f"{slot}_size{d}": size, f"{slot}_stride{d}": 0, f"memory_stride{d}": stride if up else -stride}
    fields["address"] = address + rng.choice((0, 0, 1, -1))
    fields["address"] = max(0, min(fields["address"], FIELDS["address"].high))
    return encode(Instruction(opcode, {k: int(v) for k, v in fields.items()}))


def instruction(rng: random.Random, queue: Any, config: Any, n: int) -> bytes:
    """One for this queue, or broken in one chosen rule, or with an operand that reaches far."""
    if rng.random() < 1 / 4:
        where, word = broken(rng, rng.choice((*BROKEN, *[ErrorCode.ELEMENTS] * 3)), config)
        if where == queue:
            return word
    if rng.random() < 1 / 8:
        opcode = rng.choice([each for each in own_opcodes(queue, config) if INSTRUCTIONS[each].operands])
        return far(rng, opcode, config) if rng.random() < 1 / 2 else beyond_memory(rng, opcode, config)
    own = own_opcodes(queue, config)
    opcodes = own if rng.random() < 31 / 32 else list(Opcode)
    stretch = n // STRETCH
    modes = config.tensor.modes
    beside, mode = BESIDE[stretch % len(BESIDE)], modes[stretch // len(BESIDE) % len(modes)]
    return near(rng, rng.choice(opcodes), config, beside, mode, 1 + stretch % RATIO_LIMIT)


@cocotb.test()
async def verdicts(dut: Any) -> None:
    params = bench_params()
    config, rng, seen = bench_config(params["config"]), random.Random(params["seed"]), Counter()
    start_clock(dut)
    words = {queue: getattr(dut, f"word_{queue.name.lower()}") for queue in QUEUES}
    codes = {queue: getattr(dut, f"code_{queue.name.lower()}") for queue in QUEUES}
    checks = {queue: QueueCheck(queue, config) for queue in QUEUES}
    before = None
    dut.rst.value = 1
    await RisingEdge(dut.clk)
    dut.rst.value = 0
    while not known(dut.push):
        await RisingEdge(dut.clk)
    flips = params["turns"] * BITS
    for n in range(flips + params["words"]):
        data = {q: flipped(rng, q, config, n) if n < flips else instruction(rng, q, config, n) for q in QUEUES}
        for queue, word in data.items():
            words[queue].value = int.from_bytes(word, "little")
        await RisingEdge(dut.clk)
        if before is not None:  # what a decoder holds when it leaves reset is nobody's
            _compare(before, codes, checks, seen)
        before = data
        for _ in range(DECODE_PERIOD - 1):
            await RisingEdge(dut.clk)
        assert known(dut.push), "the decoders are not in step"
    missing = {(queue, code) for queue in QUEUES for code in expected(queue) if not seen[queue, code]}
    mixing = any(not mixable(a, b) for a in config.tensor.operands for b in config.tensor.operands)
    points = {"mixed": mixing, "of another mode": len(config.tensor.modes) > 1}
    points["takes a tile's place"] = bool(config.tensor.background)
    points |= {mode: mode != Mode.SINGLE for mode in config.tensor.modes}
    points |= {"moved": config.cfp8, "not movable": config.cfp8}
    points |= {"apart": True, "not apart": len(config.tensor.modes) > 1}
    for point, there in points.items():
        assert not there or seen[point] > params["words"] // 600, f"{seen[point]} instructions: {point}"
    assert not missing, f"never seen: {sorted(missing)}"


def expected(queue: Any) -> set[ErrorCode]:
    """Codes that some instruction of the queue can have, and NONE."""
    rows = [spec for spec in INSTRUCTIONS.values() if queue in spec.queues]
    rules = {rule.code for spec in rows for operand in spec.operands.values() for rule in operand.rules}
    spaces = {space.name for spec in rows for operand in spec.operands.values() for space in operand.spaces}
    unreachable = {ErrorCode.PSUM_ADDRESS} if "PSUM" not in spaces else set()
    common = {ErrorCode.NONE, ErrorCode.OPCODE, ErrorCode.RESERVED, ErrorCode.SEMAPHORE, ErrorCode.VERSION}
    return common | rules - unreachable


def _compare(data: dict[Any, bytes], codes: dict[Any, Any], checks: dict[Any, QueueCheck], seen: Counter) -> None:
    for queue, word in data.items():
        code, text = checks[queue](word)
        found = known(codes[queue])
        assert found == code, f"{queue.name}: {word.hex()} is {code.name} ({text}), the decoder says {found}"
        seen[queue, code] += 1
        seen["mixed"] += MIXING in text
        seen["takes a tile's place"] += "take the place of its tile" in text
        seen["of another mode"] += "that of the stationary" in text
        seen["not apart"] += "apart must be 0 while mode is" in text
        seen["not movable"] += code is ErrorCode.OPERAND and "exponent_offset" in text
        if queue is Queue.TENSOR and code is ErrorCode.NONE:
            legal_one = decode(word)
            seen[legal_one["mode"]] += legal_one.opcode is Opcode.MATMUL
            seen["moved"] += legal_one["exponent_offset"] != 0
            seen["apart"] += legal_one["apart"]
