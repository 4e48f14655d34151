"""The digits network as a kernel: two layers, blocked for any preset, everything of a batch stays on the chip."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.program import Program
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor
from makalu.sw.nki.tracing import TensorSpec

from ..gemm.gemm import blocks
from .train import Weights

__all__ = ["compile_network", "network", "network_inputs"]


def network(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """logits[10, N] = w2[H, 10].T @ bf16(relu(w1[64, H].T @ x[64, N] + b1[H, 1])) + b2[10, 1]

    bf16 weights and inputs, fp32 sums, bias and logits.
    """
    classes, images = w2.shape[1], x.shape[1]
    logits = nl.ndarray((classes, images), nl.float32, buffer=nl.shared_hbm, name="logits")
    hidden_width = w1.shape[1]
    first, first_bias = _rows(w1, nl.tile_size.pmax, "w1"), _rows(b1, nl.tile_size.gemm_stationary_fmax, "b1")
    second, second_bias = _rows(w2, nl.tile_size.pmax, "w2"), _rows(b2, nl.tile_size.gemm_stationary_fmax, "b2")
    for batch in blocks(images, nl.tile_size.gemm_moving_fmax):
        count = batch.stop - batch.start
        pixels = _rows(x[:, batch], nl.tile_size.pmax, "x")
        hidden = []
        for rows, bias in zip(blocks(hidden_width, nl.tile_size.gemm_stationary_fmax), first_bias, strict=True):
            sums = _matmul(first, pixels, rows, count)
            tile = nl.ndarray(sums.shape, nl.bfloat16, name="hidden")
            nisa.activation(tile, op=nl.relu, data=sums, bias=bias)
            hidden.append(tile)
        for rows, bias in zip(blocks(classes, nl.tile_size.gemm_stationary_fmax), second_bias, strict=True):
            sums = _matmul(second, hidden, rows, count)
            out = nl.ndarray(sums.shape, nl.float32, name="out")
            nisa.tensor_scalar(out, sums, op0=nl.add, operand0=bias)
            nisa.dma_copy(logits[rows, batch], out)
    return logits


def _rows(source: Tensor, size: int, name: str) -> list[Tensor]:
    """Blocks of at most `size` rows, each in its own tile."""
    tiles = []
    for part in blocks(source.shape[0], size):
        tile = nl.ndarray((part.stop - part.start, *source.shape[1:]), source.dtype, name=name)
        nisa.dma_copy(tile, source[part])
        tiles.append(tile)
    return tiles


def _matmul(weights: Sequence[Tensor], moving: Sequence[Tensor], rows: slice, count: int) -> Tensor:
    """sums[rows, count] over all blocks of the contraction."""
    sums = nl.ndarray((rows.stop - rows.start, count), nl.float32, buffer=nl.psum, name="sums")
    for w, x in zip(weights, moving, strict=True):
        nisa.nc_matmul(sums, w[:, rows], x)
    return sums


def compile_network(config: CoreConfig, weights: Weights, *, images: int) -> Program:
    """The network for `images` images at once."""
    pixels, hidden = weights.w1.shape
    classes = weights.w2.shape[1]
    return compile_kernel(
        network,
        config,
        x=TensorSpec((pixels, images), nl.bfloat16),
        w1=TensorSpec((pixels, hidden), nl.bfloat16),
        b1=TensorSpec((hidden, 1), nl.float32),
        w2=TensorSpec((hidden, classes), nl.bfloat16),
        b2=TensorSpec((classes, 1), nl.float32),
    )


def network_inputs(weights: Weights, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Inputs of the program for images [n, 64]."""
    return {"x": images.T, "w1": weights.w1, "b1": weights.b1, "w2": weights.w2, "b2": weights.b2}
