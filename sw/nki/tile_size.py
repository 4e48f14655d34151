"""`nl.tile_size`: sizes of the core that a kernel is traced for."""

from makalu.spec.formats import FP32

from .recording import core_config

__all__ = ["tile_size"]


class _TileSize:
    """Sizes in elements unless they say bytes; free dimensions in fp32 elements."""

    @property
    def pmax(self) -> int:
        """Partitions of SBUF and PSUM; contraction rows of a matmul."""
        return core_config().partitions

    @property
    def gemm_stationary_fmax(self) -> int:
        """Columns of a stationary tile."""
        return core_config().tensor.columns

    @property
    def gemm_moving_fmax(self) -> int:
        """Columns of a moving tile: what one PSUM bank holds."""
        return core_config().psum.bank_elems

    @property
    def psum_fmax(self) -> int:
        """fp32 elements of a PSUM bank."""
        return core_config().psum.bank_elems

    psum_bank_fmax = psum_fmax

    @property
    def psum_bank_fmax_bytes(self) -> int:
        """Bytes of a PSUM bank."""
        return core_config().psum.bank_bytes

    @property
    def psum_num_banks(self) -> int:
        """PSUM banks of a partition."""
        return core_config().psum.banks

    @property
    def psum_min_align(self) -> int:
        """Bytes that a PSUM tile is aligned to."""
        return FP32.bytes

    @property
    def sbuf_min_align(self) -> int:
        """Bytes that an SBUF tile is aligned to: a word."""
        return core_config().sbuf.word_bytes

    @property
    def sbuf_size_bytes(self) -> int:
        """Bytes of SBUF, all partitions."""
        return core_config().partitions * core_config().sbuf.partition_bytes

    @property
    def sbuf_fmax_bytes(self) -> int:
        """Bytes of a partition of SBUF."""
        return core_config().sbuf.partition_bytes

    total_available_sbuf_size = sbuf_fmax_bytes

    @property
    def sbuf_fmax(self) -> int:
        """fp32 elements of a partition of SBUF."""
        return core_config().sbuf.partition_bytes // FP32.bytes


tile_size = _TileSize()
