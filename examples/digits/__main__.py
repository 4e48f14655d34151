"""`python -m makalu.examples.digits [preset]`: the trained network on golden, compared with numpy's float32."""

from makalu.spec.preset import load_preset
from makalu.sw.run import run_golden

from .._run import run
from .network import compile_network, network_inputs
from .train import accuracy, digits, logits, train

__all__ = ["main"]

IMAGES = 16
MOST_LOST = 1
"""Images that bf16 may decide otherwise than float32."""


def main(preset: str = "tiny") -> bool:
    """Train, run, print, and say whether the core is as good as float32."""
    config, data = load_preset(preset), digits()
    weights, images, labels = train(data), data.test_images[:IMAGES], data.test_labels[:IMAGES]
    program = compile_network(config, weights, images=IMAGES)
    got = run_golden(program, network_inputs(weights, images), config=config)["logits"]
    right, reference = (round(IMAGES * accuracy(scores, labels)) for scores in (got, logits(weights, images)))
    print(f"digits on {config.name}: {right} of {IMAGES} held-out images, {reference} in numpy's float32")
    return right >= reference - MOST_LOST


if __name__ == "__main__":
    run("digits", main)
