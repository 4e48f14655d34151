"""The control port under an outside judge: cocotbext-axi's AXI4-Lite master, while the lockstep model runs along."""

import warnings

import cocotb
from cocotb.clock import Clock

from makalu.spec.encoding import Instruction, encode
from makalu.spec.isa import Opcode, Queue
from makalu.spec.preset import load_preset
from makalu.spec.registers import IDENTITY, REGISTERS, START, Status
from makalu.sw.rtl.params import bench_params
from verif.lib.sampling import known
from verif.sequencer.environment import CONTROL_INPUTS, Environment
from verif.sequencer.programs import Programs

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own use of what cocotb 2 deprecates
    from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp
    from cocotbext.axi.axil_channels import AxiLiteARBus, AxiLiteAWBus, AxiLiteBBus, AxiLiteRBus, AxiLiteWBus

BASE = 0x4000


def _channel(base, prefix, members):
    """The package's bus class of a channel, on our names: AWADDR is `control__aw__addr`."""
    signals = {f"{prefix}{member}": member for member in (*members, "valid", "ready")}
    return type(base.__name__, (base,), {"_signals": signals, "_optional_signals": {}})


def _bus(dut) -> AxiLiteBus:
    wanted = (
        (AxiLiteAWBus, "aw", ("addr",)),
        (AxiLiteWBus, "w", ("data", "strb")),
        (AxiLiteBBus, "b", ("resp",)),
        (AxiLiteARBus, "ar", ("addr",)),
        (AxiLiteRBus, "r", ("data", "resp")),
    )
    made = [_channel(base, p, members)(dut, f"control__{p}", bus_separator="__") for base, p, members in wanted]
    return AxiLiteBus.from_channels(*made)


@cocotb.test()
async def outside_master(dut):
    """Reads, writes, errors and a whole run by a master that we did not write."""
    config = load_preset(bench_params()["config"])
    Clock(dut.clk, 2, unit="ns").start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        master = AxiLiteMaster(_bus(dut), dut.clk, dut.rst)
    env = Environment(dut, config, seed=4, watch_control=True)
    for name in CONTROL_INPUTS:
        assert known(dut[name]) is not None
    await env.reset()
    programs = Programs({q: [encode(Instruction(Opcode.NOP))] * 5 + [encode(Instruction(Opcode.HALT))] for q in Queue})
    env.memory, starts = programs.image(BASE, 0x400)
    host = cocotb.start_soon(_host(master, starts))
    while not host.done():
        await env.step()
    await host


async def _write(master, name, value):
    response = await master.write(REGISTERS[name].address, value.to_bytes(4, "little"))
    return response.resp


async def _read(master, name):
    response = await master.read(REGISTERS[name].address, 4)
    assert response.resp == AxiResp.OKAY
    return int.from_bytes(response.data, "little")


async def _host(master, starts):
    assert await _read(master, "identity") == IDENTITY
    assert await _write(master, "identity", 1) == AxiResp.SLVERR
    assert (await master.read(0xFFF0, 4)).resp == AxiResp.SLVERR
    # a burst of words, back to back
    for queue, address in starts.items():
        both = address.to_bytes(8, "little")
        assert (await master.write(REGISTERS[f"{queue.name.lower()}_address_low"].address, both)).resp == AxiResp.OKAY
    # one byte alone is refused and changes nothing
    assert (await master.write(REGISTERS["watchdog"].address, b"\x01")).resp == AxiResp.SLVERR
    assert await _read(master, "watchdog") == 0
    await _write(master, "enable", (1 << len(Queue)) - 1)
    await _write(master, "control", START)
    while await _read(master, "status") == Status.RUNNING:
        pass
    assert await _read(master, "status") == Status.DONE
    assert await _read(master, "interrupt") == Status.DONE
    await _write(master, "interrupt", Status.DONE)
    assert await _read(master, "interrupt") == 0
    block = await master.read(REGISTERS["tensor_busy"].address, 20)
    counted = sum(int.from_bytes(block.data[n : n + 4], "little") for n in range(0, 20, 4))
    assert counted == await _read(master, "cycles")
