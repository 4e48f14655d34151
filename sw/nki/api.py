"""Names of NKI 0.3 to 0.7, so that a refusal can say whether NKI has a name; names only, nothing of what they do.

Source: the API pages and stubs of aws-neuron-sdk, folder nki/api, release 2.32, and the release notes of NKI 0.7.
"""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, NoReturn

from .errors import NotBuiltError, NotInNkiError

__all__ = ["ISA_NAMES", "LANGUAGE_NAMES", "OUR_NAMES", "TENSOR_NAMES", "refuse_names"]

LANGUAGE_NAMES = frozenset(
    """
    bool_ int8 int16 int32 uint8 uint16 uint32 float16 float32 bfloat16 tfloat32 float8_e4m3 float8_e4m3fn float8_e5m2
    float8_e5m2_x4 float8_e4m3fn_x4 float8_e8m0fnu float4_e2m1fn_x4 sbuf psum hbm private_hbm shared_hbm tile_size
    average prelu bypass MemoryRegion NKIObject NkiTensor is_hbm is_on_chip is_psum is_sbuf add subtract multiply divide
    maximum minimum abs_max abs_min abs square power equal not_equal less less_equal greater greater_equal bitwise_and
    bitwise_or bitwise_xor invert left_shift right_shift logical_and logical_or logical_xor logical_not exp log sqrt
    rsqrt tanh sigmoid relu gelu gelu_apprx_sigmoid gelu_apprx_tanh gelu_dx gelu_apprx_sigmoid_dx silu silu_dx softplus
    mish erf erf_dx reciprocal copy sin cos tan arctan ceil floor trunc negative sign fmod mod sum max min mean prod var
    all softmax rms_norm where dropout ones full zeros_like empty_like random_seed expand_dims broadcast_to transpose
    matmul no_reorder load_transpose2d gather_flattened ds affine_range sequential_range static_range dynamic_range
    fori_loop while_loop ndarray zeros load store program_id num_programs program_ndim shared_constant
    shared_identity_matrix device_print rand
    """.split()
)

ISA_NAMES = frozenset(
    """
    tensor_engine vector_engine scalar_engine gpsimd_engine unknown_engine engine reduce_cmd dge_mode oob_mode
    matmul_perf_mode nc_version dma_engine NkiInstruction NkiValidationError VirtualRegister NkiScalar scalar_load
    scalar_store get_nc_sub_version get_nc_version dma_copy tensor_copy memset tensor_copy_predicated nc_matmul
    nc_matmul_mx nc_transpose dma_transpose tensor_tensor tensor_scalar tensor_reduce tensor_partition_reduce
    tensor_scalar_cumulative activation activation_reduce activate2 iota affine_select local_gather nc_n_gather bn_stats
    bn_aggr tensor_tensor_scan nc_stream_shuffle rng dropout set_rng_seed rand_set_state rand_get_state rand2
    exponential reciprocal max8 sequence_bounds scalar_tensor_tensor tensor_scalar_reduce core_barrier dma_compute
    quantize_mx range_select select_reduce sendrecv register_alloc register_move register_load register_store
    nc_find_index8 nc_match_replace8 nonzero_with_count topk
    """.split()
)

OUR_NAMES = frozenset({"nc_matmul_sparse"})
"""Of `nisa` here: the documents say what the hardware does, and NKI has no call for it."""

TENSOR_NAMES = frozenset(
    """
    shape strides offset name dtype buffer ndim size is_contiguous get_pattern is_indirect permute broadcast expand_dim
    squeeze_dim reshape_dim flatten_dims reshape rearrange slice select vector_select ap view reinterpret_cast indirect
    """.split()
)


def refuse_names(module: str, nki: Iterable[str]) -> Callable[[str], Any]:
    """`__getattr__` of a module: a name of NKI's `nki` that it does not have is not built, any other not in NKI."""

    def refuse(name: str) -> NoReturn:
        if name.startswith("__"):  # what Python and libraries ask for
            raise AttributeError(name)
        if name in nki:
            raise NotBuiltError(f"{module}.{name}; docs/nki.md lists what is built")
        near = get_close_matches(name, [*nki], n=1)
        raise NotInNkiError(f"{module}.{name}" + (f"; did you mean {module}.{near[0]}?" if near else ""))

    return refuse
