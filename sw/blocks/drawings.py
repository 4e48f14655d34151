"""The drawing of each block's page: a kernel, signals of its run, and distances that the contract gives a number.

Cycles count from the left edge. A distance is measured in the run, and refused when it is not the contract's.
"""

from collections.abc import Callable

from makalu.spec.engines import ACCESS_ENGINES, Channel, Queue
from makalu.spec.lanes import LANE_STAGES
from makalu.spec.latency import FIRST_COLUMN, LOAD_LEAD, commit_delay, hazard_window

from . import kernels
from . import signals as show
from .scene import LATENCY, PRESET, Scene

__all__ = ["DRAWINGS"]

_ROWS = PRESET.partitions
_LAST = _ROWS - 1


def _tensor() -> str:
    scene = Scene(
        kernels.swap,
        (_ROWS, kernels.WIDE),
        "bf16",
        {
            "slot": show.slot,
            "command": show.offered("tensor"),
            "command.ready": show.issue(Queue.TENSOR),
            "control.read": show.head("read", lambda read: f"{'M' if read.moving else 'S'}{read.address}"),
            "control.group": show.head("group", lambda group: f"g{group.tag}"),
            "control.column": show.head("column", lambda column: f"{column.place}{'*' * column.swap}"),
            "wave": show.wave,
            "commit, partition 0": show.commit(0),
            f"commit, partition {_LAST}": show.commit(_LAST),
            "finish_load": show.finish(Channel.TENSOR_LOAD),
            "finish_matmul": show.finish(Channel.MATMUL),
            "owned, bank 0": show.owned(0),
            "stalled": show.tensor_stalled,
        },
    )
    a, group = scene.when("command.ready")[0], scene.when("control.group")[0]
    columns, done = scene.when("control.column"), scene.when("finish_matmul")
    last = columns[len(columns) // 2 - 1]
    names = list(scene.values)
    return scene.drawing(
        "Two matmuls of eight columns, each with its own stationary tile",
        a - 2,
        done[-1] + 2,
        [
            *names[:5],
            [scene.span(a, group, "LOAD_LEAD", LOAD_LEAD)],
            names[5],
            [
                scene.span(a, columns[0], "FIRST_COLUMN", FIRST_COLUMN),
                scene.span(last, done[0], "commit_delay", commit_delay(PRESET)),
            ],
            *names[6:],
        ],
    )


def _psum() -> str:
    scene = Scene(
        kernels.short_sums,
        (_ROWS, kernels.WIDE),
        "bf16",
        {
            "control.column": show.head("column", lambda column: str(column.place)),
            "wave_in, slice 0": show.wave,
            "commit, slice 0": show.commit(0),
            "commit, slice 1": show.commit(1),
            f"commit, slice {_LAST}": show.commit(_LAST),
            "finish_matmul": show.finish(Channel.MATMUL),
            "owned, bank 0": show.owned(0),
            "stalled": show.tensor_stalled,
        },
        kernels.one_stationary,
    )
    column, wave, commit = (scene.when(name) for name in ("control.column", "wave_in, slice 0", "commit, slice 0"))
    names = list(scene.values)
    return scene.drawing(
        "Three matmuls of two columns that add up in the same two elements",
        column[0] - 2,
        scene.when("finish_matmul")[-1] + 2,
        [
            names[0],
            [scene.span(column[0], column[2], "hazard_window + 1", hazard_window(PRESET) + 1)],
            names[1],
            [scene.span(wave[0], commit[0], "1 + A", 1 + PRESET.psum.add_stages)],
            *names[2:],
        ],
    )


def _sbuf() -> str:
    vector, scalar = range(len(ACCESS_ENGINES))
    scene = Scene(
        kernels.one_bank,
        (_ROWS, kernels.WIDE // 2),
        "fp32",
        {
            "Vector: request": show.request(vector),
            "Vector: grant": show.granted(vector),
            "Vector: stalled": show.stalled("vector"),
            "Scalar: request": show.request(scalar),
            "Scalar: grant": show.granted(scalar),
            "Scalar: stalled": show.stalled("scalar"),
            "port A, Vector": show.port_a(vector),
            "port A, Scalar": show.port_a(scalar),
            "slot": show.slot,
            "port B": show.port_b(0),
        },
    )
    asks, granted, access = (scene.when(f"{name}") for name in ("Scalar: request", "Scalar: grant", "port A, Scalar"))
    names = list(scene.values)
    return scene.drawing(
        "Vector and Scalar ask for the same bank while the DMA loads into it",
        asks[0] - 2,
        asks[0] + 29,
        [
            *names[:6],
            [scene.span(granted[0], access[0], "granted to visible", 1)],
            *names[6:],
        ],
    )


def _lanes() -> str:
    scene = Scene(
        kernels.sum_of_two,
        (_ROWS, 16),
        "bf16",
        {
            "command": show.offered("vector"),
            "request": show.request(0),
            "grant": show.granted(0),
            "port A": show.port_a(0),
            "load src0": show.orders("load", 0),
            "push src0": show.orders("push", 0),
            "push src1": show.orders("push", 1),
            "place": show.orders("place"),
            "move": show.orders("move"),
            "finish": show.finish(Channel.VECTOR),
        },
    )
    command, grant, pair, place = (scene.when(name)[0] for name in ("command", "grant", "push src1", "place"))
    done = scene.when("finish")[0]
    names = list(scene.values)
    return scene.drawing(
        "One tensor_tensor of six bf16 elements",
        command - 1,
        done + 4,
        [
            *names[:4],
            [scene.span(grant, scene.when("push src0")[0], "granted to pushed", 2)],
            *names[4:7],
            [scene.span(pair, place, "1 + LANE_STAGES", 1 + LANE_STAGES)],
            *names[7:],
        ],
    )


def _dma() -> str:
    scene = Scene(
        kernels.copied,
        (_ROWS, 4),
        "fp32",
        {
            "command": show.offered("dma_load"),
            "AR": show.bus("ar", show.numbered()),
            "R": show.bus("r", show.numbered()),
            "line to a lane": show.line,
            "phase": show.phase,
            **{f"SBUF, partition {p}": show.dma_word(p) for p in range(_ROWS)},
            "active_load": show.dma("active_load"),
            "stalled_load": show.dma("stalled_load"),
            "finish_load": show.dma("finish_load"),
        },
    )
    command, address, beat = (scene.when(name)[0] for name in ("command", "AR", "R"))
    done = scene.when("finish_load")[0]
    word = max(cycle for cycle in scene.when(f"SBUF, partition {_LAST}") if cycle < done)
    names = list(scene.values)
    return scene.drawing(
        "A load of two words into each of four partitions",
        command - 1,
        done + 5,
        [
            *names[:3],
            [scene.span(address, beat, "1 + the memory's latency", 1 + LATENCY)],
            *names[3:9],
            [scene.span(word, done, "last word to finish", 1)],
            *names[9:],
        ],
    )


def _sequencer() -> str:
    scene = Scene(
        kernels.chain,
        (_ROWS, kernels.WIDE),
        "fp32",
        {
            "Sync: finish": show.finish(Channel.DMA_LOAD),
            f"semaphore {int(Channel.DMA_LOAD)}": show.semaphore(Channel.DMA_LOAD),
            "Scalar: decoded": show.decoded(Queue.SCALAR),
            "Scalar: issue": show.issue(Queue.SCALAR),
            "Scalar: counter": show.counter(Queue.SCALAR),
            "Scalar: finish": show.finish(Channel.SCALAR),
            f"semaphore {int(Channel.SCALAR)}": show.semaphore(Channel.SCALAR),
            "GpSimd: decoded": show.decoded(Queue.GPSIMD),
            "GpSimd: issue": show.issue(Queue.GPSIMD),
            "GpSimd: counter": show.counter(Queue.GPSIMD),
        },
    )
    loaded, issued = scene.when("Sync: finish")[0], scene.when("Scalar: issue")[0]
    stored = scene.when("GpSimd: issue")[0]
    names = list(scene.values)
    return scene.drawing(
        "An activation waits for the semaphore of a load, a store for that of the activation",
        loaded - 3,
        stored + 6,
        [
            names[0],
            [scene.span(loaded, issued, "finish to the issue that waits", 1)],
            *names[1:],
        ],
    )


DRAWINGS: dict[str, Callable[[], str]] = {
    "dma": _dma,
    "lanes": _lanes,
    "psum": _psum,
    "sbuf": _sbuf,
    "sequencer": _sequencer,
    "tensor": _tensor,
}
"""SVG of the page docs/blocks/<name>.md."""
