"""One step of a training: gradient descent with momentum, decay, clipping, dropout."""

from __future__ import annotations

import numpy as np
import pytest
from train_helpers import CLIP_EPSILON, FRAMEWORK, STEP_ERROR, computing_in, course, options

from odconv_training import Samples, Source
from parity_tests.reference import evaluate
from weights_converter import extract

RATES = (0.3, 0.2)
BATCHES = (np.arange(5), np.arange(5, 8))
MOMENTUM, DECAY, TEMPERATURE = 0.9, 0.01, 4.0
# Keras compiles each training.
pytestmark = [pytest.mark.slow] if FRAMEWORK == "keras" else []


def source():
    generator = np.random.default_rng(5)
    images = generator.normal(size=(8, 3, 20, 16)).astype(np.float32)
    samples = Samples(generator.integers(0, 10, 8), images=images)
    return Source(tuple("0123456789"), samples, samples)


def steps(trainer, rates=RATES, temperature=TEMPERATURE, first=0):
    """Takes a step for each rate; their losses."""
    batches = trainer.batches(source().train, BATCHES[: len(rates)], epoch=0)
    pairs = zip(rates, batches, strict=True)
    return [
        trainer.step(first + index, images, labels, len(labels), rate, temperature)
        for index, (rate, (images, labels)) in enumerate(pairs)
    ]


def cross_entropy(logits, labels):
    """The mean over the samples, and its gradient."""
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    right = np.eye(logits.shape[1])[labels]
    return -np.log(shares[right == 1]).mean(), (shares - right) / len(labels)


def by_hand(spec, arrays, clip):
    """Velocity = momentum * velocity + gradient + decay * weight; the losses, and the arrays."""
    velocity = {p.name: 0.0 for p in spec.parameters() if p.role.trainable}
    samples, losses = source().train, []
    for rate, batch in zip(RATES, BATCHES, strict=True):
        how = {"training": True, "temperature": TEMPERATURE}
        logits = evaluate(spec, arrays, samples.images[batch], **how).output
        loss, slope = cross_entropy(logits, samples.labels[batch])
        run = evaluate(spec, arrays, samples.images[batch], **how, grad_output=slope)
        norm = np.sqrt(sum((gradient**2).sum() for gradient in run.grads.values()))
        scale = 1.0 if clip is None or norm <= clip else clip / (norm + CLIP_EPSILON)
        arrays = arrays | run.statistics
        for name, old in velocity.items():
            velocity[name] = MOMENTUM * old + scale * run.grads[name] + DECAY * arrays[name]
            arrays[name] = arrays[name] - rate * velocity[name]
        losses.append(loss)
    return losses, arrays


@pytest.mark.parametrize("clip", [None, 0.05])
def test_two_steps_by_hand(tmp_path, clip):
    recipe = {"momentum": MOMENTUM, "weight_decay": DECAY}
    chosen = options(tmp_path, recipe=recipe, precision="float64", clip_norm=clip)
    with computing_in("float64"):
        trainer = course(chosen, source()).trainer
        start = {name: np.array(array) for name, array in extract(trainer.model).items()}
        found = steps(trainer)
    losses, arrays = by_hand(chosen.spec, start, clip)
    assert found == pytest.approx(losses, rel=STEP_ERROR)
    for name, array in extract(trainer.model).items():
        np.testing.assert_allclose(
            array, arrays[name], rtol=STEP_ERROR, atol=STEP_ERROR, err_msg=name
        )


def test_dropout_is_that_of_the_step(kit, tmp_path):
    def loss(number, seed):
        trainer = course(options(tmp_path, spec={"dropout": 0.5}), source()).trainer
        kit.seed(seed)  # of what was drawn before
        return steps(trainer, rates=(1e-12,), temperature=1.0, first=number)

    first = loss(7, 0)
    assert loss(7, 3) == first
    assert loss(8, 0) != first
