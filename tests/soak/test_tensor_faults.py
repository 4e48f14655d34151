"""The faults in the tensor engine that `make test` does not plant."""

import pytest

from tests.faults.test_faults_tensor import PLANTED, tensor_bench_catches


@pytest.mark.parametrize(("name", "fault"), [each for each in PLANTED if each[1].soak], ids=str)
def test_tensor_bench_catches(name, fault):
    tensor_bench_catches(name, fault)
