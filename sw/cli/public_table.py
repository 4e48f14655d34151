"""Public NKI kernels: where they lie in their owners' repositories, what they are called with, what comes out.

Nothing of them is here but names and shapes. References are written from what each kernel computes, in float64.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

__all__ = ["PUBLIC", "PublicKernel", "Refusal"]

Arrays = Mapping[str, Any]
Reference = Callable[[Arrays], tuple[NDArray[np.float64], ...]]


@dataclass(frozen=True)
class Refusal:
    """The kind of error and a part of its text: what the kernel needs first that is not here, or what is wrong."""

    kind: str
    text: str


@dataclass(frozen=True)
class PublicKernel:
    """One call of one kernel; `reference` of the arguments, or the `refusal` that it meets."""

    name: str
    source: str
    """sdk, samples or library."""
    file: str
    function: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    """As `makalu run --arg` takes them."""
    reference: Reference | None = None
    refusal: Refusal | None = None
    roundings: int = 1
    """To the outputs' type on the way to them, one after the other."""
    presets: tuple[str, ...] = ()
    """That have what it needs; empty: all. With another preset it is left out."""
    long: bool = False
    """Takes minutes on the RTL: run with --long only."""


def _f64(a: Arrays, name: str) -> NDArray[np.float64]:
    return np.asarray(a[name]).astype(np.float64)


def _sum(first: str, second: str) -> Reference:
    return lambda a: (_f64(a, first) + _f64(a, second),)


def _product(a: Arrays) -> tuple[NDArray[np.float64], ...]:
    return (_f64(a, "lhsT").T @ _f64(a, "rhs"),)


def _split(a: Arrays) -> tuple[NDArray[np.float64], ...]:
    x = _f64(a, "in_tensor")
    return x[:, ::2], x[:, 1::2]


def _turned(a: Arrays) -> tuple[NDArray[np.float64], ...]:
    x, (rows, columns) = _f64(a, "in_tensor"), a["shape2D"]
    return (x.reshape(-1, rows, columns).transpose(0, 2, 1).reshape(x.shape),)


def _rope(a: Arrays) -> tuple[NDArray[np.float64], ...]:
    """x [d, batch, heads, positions]: the halves of d turned by the angles of cos and sin."""
    x, cos, sin = (_f64(a, name) for name in ("x_in", "cos", "sin"))
    first, second = np.split(x, 2)
    cos, sin = cos[:, :, None], sin[:, :, None]
    return (np.concatenate([first * cos - second * sin, second * cos + first * sin]),)


def _rope_hf(a: Arrays) -> tuple[NDArray[np.float64], ...]:
    """q and k [batch, heads, positions, d], the same turn along the last dimension."""
    cos, sin = (_f64(a, name)[:, None] for name in ("cos", "sin"))

    def turned(x: NDArray[np.float64]) -> NDArray[np.float64]:
        first, second = np.split(x, 2, axis=-1)
        return x * cos + np.concatenate([-second, first], axis=-1) * sin

    return turned(_f64(a, "q")), turned(_f64(a, "k"))


def _projected(a: Arrays) -> tuple[NDArray[np.float64], ...]:
    """attention [batch, heads, d, positions], weight [heads * d, hidden]."""
    attention, weight = _f64(a, "attention"), _f64(a, "weight")
    batch, heads, d, positions = attention.shape
    return (np.einsum("bks,kh->bsh", attention.reshape(batch, heads * d, positions), weight),)


def _depthwise(a: Arrays) -> tuple[NDArray[np.float64], ...]:
    """image [1, channels, 1, width], filter [channels, 1, 1, taps]."""
    image, taps = _f64(a, "img_ref"), _f64(a, "filter_ref")
    windows = np.lib.stride_tricks.sliding_window_view(image, taps.shape[-1], axis=-1)
    return (np.einsum("nchws,cxys->nchw", windows, taps),)


def _quantised_product(kind: str) -> Reference:
    """stationary[512, M].T @ moving[512, N], both rounded to MX: rows n, n + 128, ... of eight n share a scale."""

    def quantised(x: NDArray[np.float64]) -> NDArray[np.float64]:
        tiles = x.reshape(4, 16, 8, -1)
        largest = np.abs(tiles).max(axis=(0, 2), keepdims=True)
        emax = int(np.log2(float(ml_dtypes.finfo(kind).max)))
        scale = 2.0 ** (np.floor(np.log2(largest)) - (emax - 1))
        return np.asarray((tiles / scale).astype(kind).astype(np.float64) * scale).reshape(x.shape)

    return lambda a: (quantised(_f64(a, "stationary_hbm")).T @ quantised(_f64(a, "moving_hbm")),)


_SDK, _SAMPLES = "nki/examples", "src/nki_samples/tutorials"
_LIBRARY = "src/nkilib_src/nkilib"
_MATMUL = f"{_SDK}/matrix_multiplication/matrix_multiplication_nki_kernels.py"
_MAMBA = f"{_SDK}/fused_mamba/mamba_nki_kernels.py"
_MX = "nki/deep-dives/src/mxfp-matmul/mx_kernels.py"
_ADD = {"a_input": "4x3:fp32", "b_input": "4x3:fp32"}
_STATE = {
    "delta": "1x256x512:fp32",
    "u": "1x256x512:fp32",
    "A": "256x16:fp32",
    "B": "1x16x512:fp32",
    "C": "1x16x512:fp32",
}
_BLOCKS = {"TILES_IN_BLOCK_M": "1", "TILES_IN_BLOCK_N": "1", "TILES_IN_BLOCK_K": "2"}
_UNBUILT, _ILLEGAL, _FOREIGN, _OWN = "in NKI, not built here yet", "illegal", "not in NKI", "the file's own error"


def _matmul(name: str, function: str, k: int, m: int, n: int, **more: Any) -> PublicKernel:
    blocks = more.pop("blocks", {})
    shapes = {"lhsT": f"{k}x{m}:bf16", "rhs": f"{k}x{n}:bf16", **blocks}
    return PublicKernel(name, "sdk", _MATMUL, function, shapes, reference=_product, **more)


PUBLIC: tuple[PublicKernel, ...] = (
    *(
        PublicKernel(
            f"add_{way}",
            "sdk",
            f"{_SDK}/getting_started_{way}.py",
            "nki_tensor_add_kernel",
            _ADD,
            reference=_sum("a_input", "b_input"),
        )
        for way in ("baremetal", "torch", "jax")
    ),
    PublicKernel(
        "add_simulate",
        "sdk",
        f"{_SDK}/simulate/nki_simulate_example.py",
        "add_kernel",
        {"a_ptr": "128x512:fp32", "b_ptr": "128x512:fp32"},
        reference=_sum("a_ptr", "b_ptr"),
    ),
    PublicKernel(
        "tensor_addition",
        "sdk",
        f"{_SDK}/tensor_addition/tensor_addition_nki_kernels.py",
        "nki_tensor_add",
        {"a_input": "256x1024:fp32", "b_input": "256x1024:fp32"},
        reference=_sum("a_input", "b_input"),
    ),
    PublicKernel(
        "split", "sdk", f"{_SDK}/index-case-1.py", "tensor_split_kernel_", {"in_tensor": "4x5:bf16"}, reference=_split
    ),
    PublicKernel(
        "transpose2d",
        "sdk",
        f"{_SDK}/transpose2d/transpose2d_nki_kernels.py",
        "tensor_transpose2D_kernel_",
        {"in_tensor": "5x12:fp32", "shape2D": "(3, 4)"},
        reference=_turned,
    ),
    _matmul("matmul_basic", "nki_matmul_basic_", 128, 64, 512),
    _matmul("matmul_tiled", "nki_matmul_tiled_", 256, 128, 512),
    _matmul("matmul_hoist", "nki_matmul_hoist_load_", 256, 128, 512),
    _matmul("matmul_block", "nki_matmul_block_free_dimension_", 128, 256, 1024),
    _matmul("matmul_optimized", "nki_matmul_fully_optimized_", 256, 128, 512, blocks=_BLOCKS),
    _matmul("matmul_optimized_default", "nki_matmul_fully_optimized_", 1024, 2048, 1024, long=True),
    PublicKernel(
        "exp",
        "sdk",
        f"{_SDK}/layout-pass.py",
        "tensor_exp_kernel_",
        {"in_tensor": "128x512:bf16"},
        refusal=Refusal(_UNBUILT, "nl.exp"),
    ),
    PublicKernel(
        "exp_violation",
        "sdk",
        f"{_SDK}/layout-violation.py",
        "tensor_exp_kernel_",
        {"in_tensor": "256x512:bf16"},
        refusal=Refusal(_ILLEGAL, "at most 128 partitions, not 256"),
    ),
    PublicKernel(
        "exp_loop",
        "sdk",
        f"{_SDK}/layout-loop.py",
        "tensor_exp_kernel_",
        {"in_tensor": "256x512:bf16"},
        refusal=Refusal(_OWN, "torch_neuronx"),
    ),
    PublicKernel(
        "exp_dynamic_loop",
        "sdk",
        f"{_SDK}/layout-dynamic-loop.py",
        "tensor_exp_kernel_",
        {"in_tensor": "256x512:bf16"},
        refusal=Refusal(_OWN, "is no Python"),
    ),
    PublicKernel(
        "maxpool",
        "sdk",
        f"{_SDK}/index-case-3.py",
        "tensor_maxpool_kernel_",
        {"in_tensor": "2x6x6:bf16", "sz_pool": "2"},
        refusal=Refusal(_UNBUILT, "nl.max"),
    ),
    PublicKernel(
        "avgpool",
        "sdk",
        f"{_SDK}/average_pool2d/average_pool2d_nki_kernels.py",
        "tensor_avgpool_kernel",
        {"in_tensor": "2x6x6:bf16", "pool_size": "2"},
        refusal=Refusal(_UNBUILT, "nl.sum"),
    ),
    *(
        PublicKernel(f"mamba_v{n}", "sdk", _MAMBA, f"mamba_v{n}", _STATE, refusal=Refusal(_UNBUILT, "nl.exp"))
        for n in (1, 2, 3)
    ),
    *(
        PublicKernel(
            name,
            "sdk",
            _MX,
            function,
            {"stationary_hbm": "512x128:bf16", "moving_hbm": "512x512:bf16", "mx_dtype": f"'{kind}_x4'"},
            reference=_quantised_product(kind),
            presets=("trn3",),
        )
        for name, function, kind in (
            ("mx_strided", "kernel_copy_strided_quantize_matmul_mx", "float8_e5m2"),
            ("mx_strided_packed", "kernel_copy_strided_quantize_matmul_mx_packed_scale", "float8_e4m3fn"),
        )
    ),
    PublicKernel(
        "samples_matmul_block",
        "samples",
        f"{_SAMPLES}/matrix_multiplication/matrix_multiplication_nki_kernels.py",
        "nki_matmul_block_free_dimension_",
        {"lhsT": "128x256:bf16", "rhs": "128x1024:bf16"},
        reference=_product,
    ),
    *(
        PublicKernel(
            f"samples_matmul_{name}",
            "samples",
            f"{_SAMPLES}/matrix_multiplication/matrix_multiplication_nki_kernels.py",
            function,
            {"lhsT": "256x128:bf16" if name != "basic" else "128x64:bf16", "rhs": f"{k}x512:bf16"},
            refusal=Refusal(_FOREIGN, "nisa.tensor_copy: dtype="),
        )
        for name, function, k in (
            ("basic", "nki_matmul_basic_", 128),
            ("tiled", "nki_matmul_tiled_", 256),
            ("hoist", "nki_matmul_hoist_load_", 256),
        )
    ),
    *(
        PublicKernel(
            f"samples_{name}", "samples", f"{_SAMPLES}/{file}", function, {}, refusal=Refusal(_FOREIGN, "neuronxcc")
        )
        for name, file, function in (
            ("attention_v1", "attention_fwd_performance/attention_kernels.py", "attn_fwd_v1"),
            ("tensor_addition", "tensor_addition/tensor_addition_nki_kernels.py", "nki_tensor_add"),
            ("transpose2d", "transpose2d/transpose2d_nki_kernels.py", "tensor_transpose2D_kernel_"),
            ("avgpool", "average_pool2d/average_pool2d_nki_kernels.py", "tensor_avgpool_kernel"),
        )
    ),
    PublicKernel(
        "library_rope",
        "library",
        f"{_LIBRARY}/core/embeddings/rope.py",
        "RoPE",
        {"x_in": "128x1x2x128:bf16", "cos": "64x1x128:bf16", "sin": "64x1x128:bf16"},
        reference=_rope,
        roundings=3,
    ),
    PublicKernel(
        "library_rope_hf",
        "library",
        f"{_LIBRARY}/core/embeddings/rope_hf.py",
        "rope_hf",
        {
            "q": "1x2x128x64:bf16",
            "k": "1x1x128x64:bf16",
            "q_out": "1x2x128x64:bf16",
            "k_out": "1x1x128x64:bf16",
            "cos": "1x128x64:bf16",
            "sin": "1x128x64:bf16",
        },
        reference=_rope_hf,
        roundings=3,
    ),
    PublicKernel(
        "library_output_projection",
        "library",
        f"{_LIBRARY}/core/output_projection/output_projection_cte/output_projection_cte.py",
        "output_projection_cte",
        {"attention": "1x1x128x512:bf16", "weight": "128x512:bf16"},
        reference=_projected,
    ),
    PublicKernel(
        "library_depthwise_conv1d",
        "library",
        f"{_LIBRARY}/experimental/conv/depthwise_conv1d.py",
        "depthwise_conv1d_implicit_gemm",
        {"img_ref": "1x8x1x64:bf16", "filter_ref": "8x1x1x4:bf16", "feature_group_count": "8"},
        reference=_depthwise,
    ),
    PublicKernel(
        "library_cumsum",
        "library",
        f"{_LIBRARY}/core/cumsum/cumsum.py",
        "cumsum",
        {"x": "128x512:fp32"},
        refusal=Refusal(_UNBUILT, "nisa.tensor_tensor_scan"),
    ),
)
