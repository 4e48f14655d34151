"""Scheduled queues from outside: conflicts by sets of bytes, order by a graph, and a replay that starves queues."""

import random
from collections import deque

from makalu.spec.isa import INSTRUCTIONS, Opcode
from makalu.spec.sequencer import CHANNEL_OF
from makalu.sw.compile.epochs import BARRIER
from makalu.sw.compile.steps import in_order


def places(regions, word):
    """(memory, partition, hazard unit) that regions touch: words of SBUF, else bytes."""
    out = set()
    for r in regions:
        starts = {r.low}
        for count, stride in r.dims:
            starts = {s + i * stride for s in starts for i in range(count)}
        unit = word if r.memory == "sbuf" else 1
        units = {(s + i) // unit for s in starts for i in range(r.run)}
        out |= {(r.memory, p, u) for p in range(r.first, r.last) for u in units}
    return out


def conflicts(steps, word):
    """Pairs of positions that must be ordered by semaphores."""
    touched = [(places(s.reads, word), places(s.writes, word)) for s in steps]
    for b, (reads, writes) in enumerate(touched):
        for a in range(b):
            if in_order(steps[a].channel, steps[b].channel):
                continue
            if writes & touched[a][1] or writes & touched[a][0] or reads & touched[a][1]:
                yield a, b


def waits(i):
    return [(i[f"wait{n}_semaphore"], i[f"wait{n}_value"]) for n in range(2) if i[f"wait{n}_kind"]]


def ordered(queues):
    """ordered(a, b): step a has finished before step b issues, whatever happens; counters must not have wrapped.

    An event's bit is its number; `before[event]` are the events that have happened when it does.
    """
    streams = {queue: stream[:-1] for queue, stream in queues.items()}
    signals = {}  # semaphore -> events that increment it, in order
    place, marks, users = {}, {}, 0
    for queue, stream in streams.items():
        users += any(i["signal0_kind"] and i["signal0_semaphore"] == BARRIER for i in stream)
        for n, i in enumerate(stream):
            place[queue, n] = len(place)
            if i["signal0_kind"]:
                own = marks.setdefault(queue, []) if i["signal0_semaphore"] == BARRIER else None
                (signals.setdefault(i["signal0_semaphore"], []) if own is None else own).append((queue, n))
    before = {}

    def issue(queue, n):
        """Bits of the instructions that have finished when this one issues."""
        if (queue, n) not in before:
            out = issue(queue, n - 1) if n else 0
            for semaphore, value in waits(streams[queue][n]):
                if semaphore == BARRIER:
                    turn = value // users
                    ends = [own[turn - 1] for own in marks.values()]
                    out |= sum_of(issue(*end) for end in ends)
                else:
                    out |= finish(*signals[semaphore][value - 1])
            before[queue, n] = out
        return before[queue, n]

    def finish(queue, n):
        channel = CHANNEL_OF[streams[queue][n].opcode]
        same = [m for m in range(n + 1) if CHANNEL_OF.get(streams[queue][m].opcode) == channel]
        return sum_of(issue(queue, m) | 1 << place[queue, m] for m in same)

    where = {i["tag"]: (q, n) for q, stream in streams.items() for n, i in enumerate(stream) if i.opcode != Opcode.NOP}
    return lambda a, b: bool(issue(*where[b]) >> place[where[a]] & 1)


def sum_of(masks):
    out = 0
    for mask in masks:
        out |= mask
    return out


class Stuck(Exception):
    """Nothing can go on."""


def replay(queues, *, modulus, seed):
    """Times of issue and finish by `serials`, in a random legal order in which some starve for long."""
    rng = random.Random(seed)
    streams = [list(stream) for stream in queues.values()]
    heads, counts = [0] * len(streams), [0] * len(streams)
    semaphores = [0] * 16
    flying = {channel: deque() for channel in set(CHANNEL_OF.values())}
    issued, finished = {}, {}
    now = change = 0

    def signal(i):
        if i["signal0_kind"]:
            semaphores[i["signal0_semaphore"]] += 1

    def finish(channel):
        if not flying[channel]:
            return False
        i, serial = flying[channel].popleft()
        finished[serial] = now
        signal(i)
        return True

    def issue(n):
        if heads[n] == len(streams[n]):
            return False
        i = streams[n][heads[n]]
        if any((semaphores[s] - v) % modulus >= modulus // 2 for s, v in waits(i)):
            return False
        heads[n] += 1
        if i.opcode == Opcode.NOP:
            signal(i)
        elif i.opcode != Opcode.HALT:
            serial = INSTRUCTIONS[i.opcode].queues[0], counts[n]
            counts[n] += 1
            issued[serial] = now
            flying[CHANNEL_OF[i.opcode]].append((i, serial))
        return True

    actors = [(issue, n) for n in range(len(streams))] + [(finish, channel) for channel in flying]
    order = actors
    while any(act(whom) for act, whom in order):
        now += 1
        if now >= change:
            # the first may go on until they are blocked, the last go on only when nobody else can
            rng.shuffle(actors)
            change = now + rng.choice([1, 3, 30, 300, 3000])
            fixed = rng.random() < 0.7
        order = actors if fixed else rng.sample(actors, len(actors))
    if heads != [len(stream) for stream in streams]:
        raise Stuck(heads)
    return issued, finished


def serials(steps):
    """The key of each step in `replay`: its queue and its number there."""
    counts, out = {}, []
    for step in steps:
        number = counts.get(step.queue, 0)
        counts[step.queue] = number + 1
        out.append((step.queue, number))
    return out
