"""A kernel may write its arguments: the array holds the new values afterwards, and nothing need be returned."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def in_place(weights, gradient, rate=0.125):
    """weights -= rate * gradient"""
    old = nl.load(weights)
    step = nl.load(gradient)
    nisa.tensor_scalar(dst=step, data=step, op0=nl.multiply, operand0=rate)
    nisa.tensor_tensor(dst=old, data1=old, data2=step, op=nl.subtract)
    nl.store(weights, old)
