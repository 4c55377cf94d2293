"""Every layer against the numbers of their published implementations."""

import pytest

from odconv_spec import DCDLinearSpec
from parity_tests.golden import GoldenLayer, golden_files, load_golden
from parity_tests.reference import evaluate

TOLERANCE = 1e-12  # of the largest element
UNTOLD = {DCDLinearSpec: {"fc_phi.weight"}}  # gradients that the file does not have


@pytest.fixture(params=golden_files())
def golden(request) -> GoldenLayer:
    return load_golden(request.param)


def test_there_are_golden_layers_of_every_kind() -> None:
    kinds = [name.rpartition("_")[0] for name in golden_files()]
    assert [kinds.count(kind) for kind in ("odconv", "dyconv", "condconv")] == [7, 3, 2]
    assert [kinds.count(kind) for kind in ("se", "cbam", "eca")] == [2, 2, 2]


def test_golden_arrays_are_those_of_the_spec(golden) -> None:
    expected = {p.name: p.shape for p in golden.spec.parameters()}
    assert {name: array.shape for name, array in golden.arrays.items()} == expected


def test_golden_inference(golden, relative_error) -> None:
    run = evaluate(golden.spec, golden.arrays, golden.input, temperature=golden.temperature)
    assert relative_error(run.output, golden.output) < TOLERANCE
    assert run.attentions.keys() == golden.attentions.keys()
    for name, expected in golden.attentions.items():
        found = run.attentions[name]
        assert [n for n in found.shape if n > 1] == [n for n in expected.shape if n > 1], name
        assert relative_error(found.reshape(expected.shape), expected) < TOLERANCE, name
    assert run.grad_input is None
    assert run.grads == {}


def test_golden_training(golden, relative_error) -> None:
    if golden.training is None:
        assert len(golden.input) == 1, "only a single sample may lack a pass in training mode"
        return
    run = evaluate(
        golden.spec,
        golden.arrays,
        golden.input,
        training=True,
        temperature=golden.temperature,
        grad_output=golden.training.grad_output,
    )
    assert relative_error(run.output, golden.training.output) < TOLERANCE
    assert relative_error(run.grad_input, golden.training.grad_input) < TOLERANCE
    for found, expected in (
        (run.grads, golden.training.grads),
        (run.statistics, golden.training.statistics),
    ):
        assert found.keys() - expected.keys() <= UNTOLD.get(type(golden.spec), set())
        assert expected.keys() <= found.keys()
        for name in expected:
            assert relative_error(found[name], expected[name]) < TOLERANCE, name
