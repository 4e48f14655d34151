"""The digits network on the golden machine: accuracy, closeness to float32, independence of the preset's size."""

import numpy as np
import pytest

from makalu.examples.digits.network import compile_network, network_inputs
from makalu.examples.digits.train import digits, logits, train
from makalu.spec.preset import PRESETS, load_preset
from makalu.sw.run import run_golden

from .kernels import MINI, TINY

MOST_LOST = 0.005
LEAST_ACCURACY = 0.96


@pytest.fixture(scope="module")
def trained():
    data = digits()
    return data, train(data)


def accuracy(scores, labels):
    return float((scores.argmax(axis=0) == labels).mean())


def test_accuracy_on_all_held_out_images(trained):
    data, weights = trained
    assert len(data.test_labels) >= 360
    program = compile_network(MINI, weights, images=len(data.test_labels))
    got = run_golden(program, network_inputs(weights, data.test_images), config=MINI)["logits"]
    reference = accuracy(logits(weights, data.test_images), data.test_labels)
    assert accuracy(got, data.test_labels) >= LEAST_ACCURACY
    assert accuracy(got, data.test_labels) >= reference - MOST_LOST


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_recognises_a_batch(trained, preset):
    data, weights = trained
    config = load_preset(preset)
    program = compile_network(config, weights, images=16)
    got = run_golden(program, network_inputs(weights, data.test_images[:16]), config=config)["logits"]
    assert accuracy(got, data.test_labels[:16]) == 1


def test_tiny_runs_a_small_batch_in_any_order(trained):
    data, weights = trained
    program = compile_network(TINY, weights, images=8)
    inputs = network_inputs(weights, data.test_images[:8])
    images = [run_golden(program, inputs, config=TINY, seed=seed)["logits"] for seed in (None, 1, 2)]
    assert all((image == images[0]).all() for image in images)
    assert (images[0].argmax(axis=0) == data.test_labels[:8]).all()


def test_training_is_deterministic(trained):
    data, weights = trained
    again = train(digits())
    assert np.array_equal(weights.w1, again.w1) and np.array_equal(weights.b2, again.b2)
