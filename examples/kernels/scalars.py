"""Operands that are one number: the same for all partitions, or one a partition, as a column [partitions, 1]."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def scalars(x, column):
    """A number, a column, both, two columns; then the same of the Scalar engine, whose function comes last."""
    one = nl.load(x)
    weight = nl.load(column)
    outs = {}

    def result(name):
        outs[name] = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
        return outs[name]

    nisa.tensor_scalar(dst=result("number"), data=one, op0=nl.multiply, operand0=0.5)
    # reverse: the operand comes first, here 1 - x
    nisa.tensor_scalar(dst=result("reverse"), data=one, op0=nl.subtract, operand0=1.0, reverse0=True)
    nisa.tensor_scalar(dst=result("clipped"), data=one, op0=nl.maximum, operand0=-1.0, op1=nl.minimum, operand1=1.0)
    nisa.tensor_scalar(
        dst=result("columns"), data=one, op0=nl.multiply, operand0=weight, op1=nl.add, operand1=one[:, 0:1]
    )
    # relu(x * scale + bias)
    nisa.activation(dst=result("relu"), op=nl.relu, data=one, scale=2.0, bias=weight)
    nisa.activation(dst=result("scaled"), op=nl.copy, data=one, scale=weight, bias=0.25)

    stored = {}
    for name, tile in outs.items():
        stored[name] = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
        nl.store(stored[name], tile)
    return stored
