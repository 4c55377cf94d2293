"""SGD against steps by hand, and training against single passes."""

import numpy as np
import pytest

from odconv_spec import ConvChoice, ResNetSpec
from parity_tests.reference import evaluate, random_arrays, train
from parity_tests.reference.sgd import SGD

OPTIONS = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}


def test_two_steps_by_hand() -> None:
    optimiser = SGD(lr=0.5, momentum=0.9, weight_decay=0.1)
    arrays = {"w": np.array([1.0, -2.0]), "statistic": np.array([7.0])}
    arrays = optimiser.step(arrays, {"w": np.array([0.3, 0.4])})
    # v = g + 0.1 w = (0.4, 0.2);  w = w - 0.5 v
    np.testing.assert_allclose(arrays["w"], [0.8, -2.1], rtol=1e-15)
    arrays = optimiser.step(arrays, {"w": np.array([-0.1, 0.0])})
    # v = 0.9 (0.4, 0.2) + (-0.1, 0) + 0.1 (0.8, -2.1) = (0.34, -0.03)
    np.testing.assert_allclose(arrays["w"], [0.63, -2.085], rtol=1e-15)
    assert arrays["statistic"] == [7.0]


@pytest.fixture(name="spec")
def _spec() -> ResNetSpec:
    conv = ConvChoice.of("od", kernel_num=2)
    return ResNetSpec(conv=conv, stages=((6, 1), (8, 1)), stem_channels=6, num_classes=4)


def batches(steps: int) -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(11)
    return [
        (random.standard_normal((4, 3, 20, 17)), random.integers(0, 4, 4)) for _ in range(steps)
    ]


def test_one_step_is_a_pass_and_an_update(spec) -> None:
    arrays = random_arrays(spec.parameters(), seed=12)
    ((x, labels),) = batches(1)
    logits = evaluate(spec, arrays, x, training=True, temperature=2.0).output
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    grad_output = (probability - np.eye(4)[labels]) / 4
    run = evaluate(spec, arrays, x, training=True, temperature=2.0, grad_output=grad_output)

    found = train(spec, arrays, [(x, labels)], temperature=2.0, **OPTIONS)
    loss = -np.log(probability[np.arange(4), labels]).mean()
    np.testing.assert_allclose(found.losses, [loss], rtol=1e-13)
    assert found.arrays.keys() == arrays.keys()
    for name, gradient in run.grads.items():
        stepped = arrays[name] - 0.1 * (gradient + 0.01 * arrays[name])
        np.testing.assert_allclose(found.arrays[name], stepped, atol=1e-13, err_msg=name)
    for name, statistic in run.statistics.items():
        np.testing.assert_array_equal(found.arrays[name], statistic)


def test_momentum_carries_over(spec) -> None:
    arrays = random_arrays(spec.parameters(), seed=12)
    two = batches(2)
    together = train(spec, arrays, two, **OPTIONS)
    first = train(spec, arrays, two[:1], **OPTIONS)
    second = train(spec, first.arrays, two[1:], **OPTIONS)
    np.testing.assert_allclose(together.losses, first.losses + second.losses, rtol=1e-13)
    for name, array in arrays.items():
        if "running" in name:
            continue
        carried = 0.9 * (first.arrays[name] - array)
        np.testing.assert_allclose(
            together.arrays[name], second.arrays[name] + carried, atol=1e-13, err_msg=name
        )


def test_the_same_batch_again_and_again_is_learnt(spec) -> None:
    arrays = random_arrays(spec.parameters(), seed=12)
    given = {name: array.copy() for name, array in arrays.items()}
    losses = train(spec, arrays, batches(1) * 15, lr=0.05, momentum=0.9, weight_decay=0.0).losses
    assert losses[-1] < 0.3 * losses[0]
    for name, array in given.items():
        np.testing.assert_array_equal(arrays[name], array)
