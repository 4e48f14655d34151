"""A GEMM of pruned weights: of K rows as many are multiplied as are kept."""
