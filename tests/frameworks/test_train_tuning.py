"""What a training in every framework does with a checkpoint that it starts from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from train_helpers import course, options, run, source

from odconv_spec import Role
from odconv_spec.parameters import NORM
from odconv_training import LAST, TrainingError
from odconv_training.checkpoints import save
from odconv_training.progress import content_of
from weights_converter import MismatchError, extract, inspect
from weights_converter.identify.class_names import class_names_of
from weights_converter.identify.open_model import open_checkpoint

NAMES = tuple("abcdefghij")
OTHERS = NAMES[::-1]
# One epoch, of which two steps are taken.
SHORT = {"steps": 2}
# What leads to the first map of each family.
FIRST = ("conv1.", "bn1.", "features.0.", "features.1.")
STATISTICS = (Role.NORM_MEAN, Role.NORM_VARIANCE)
# Keras' batch norms infer only where all of them is frozen.
OF_A_NORM = {"keras": NORM}


def arrays(training):
    return extract(training.trainer.model)


def head_of(training):
    return {p.name for p in training.options.spec.head_parameters()}


def saved(folder, **values):
    """A fresh network, with its checkpoint's path."""
    training = course(options(folder, **values))
    path = folder / LAST[training.trainer.framework]
    folder.mkdir()
    content = content_of(training.options, training.progress, 0.0)
    save(training.trainer, folder, content, best=False)
    return training, path


@pytest.mark.parametrize(
    ("spec", "names", "keeps"),
    [
        ({}, NAMES, True),
        ({}, OTHERS, False),
        ({"num_classes": 7}, OTHERS[:7], False),
    ],
    ids=["same", "others", "fewer"],
)
def test_the_head_is_kept_for_the_same_classes(tmp_path, spec, names, keeps):
    first, path = saved(tmp_path / "a", class_names=NAMES)
    assert class_names_of(open_checkpoint(path)) == NAMES
    assert inspect(path).spec == first.options.spec
    second = course(options(tmp_path / "b", spec=spec, start=path, class_names=names, seed=1))
    one, two, head = arrays(first), arrays(second), head_of(first)
    equal = {name for name in one if np.array_equal(one[name], two[name])}
    assert set(second.trainer.facts.started.skipped) == (set() if keeps else head)
    assert one.keys() - head <= equal
    assert head <= equal if keeps else not head <= equal


def test_a_file_without_names_is_taken_by_its_shape(tmp_path):
    _, path = saved(tmp_path / "a")
    for count, skipped in ((10, 0), (7, 2)):
        chosen = options(tmp_path / "b", spec={"num_classes": count}, start=path)
        training = course(replace(chosen, class_names=OTHERS[:count] if count == 7 else ()))
        assert len(training.trainer.facts.started.skipped) == skipped


def test_a_start_of_another_network_is_refused(tmp_path):
    _, path = saved(tmp_path / "a")
    with pytest.raises(MismatchError):
        course(options(tmp_path / "b", spec={"in_channels": 4}, start=path))


def test_a_network_with_other_classes_is_not_scored(tmp_path):
    _, path = saved(tmp_path / "a", class_names=NAMES)
    with pytest.raises(TrainingError, match=r"classes j, i, h, .*of a, b, c"):
        course(options(tmp_path / "b", start=path, evaluate=True, class_names=OTHERS))
    seven = options(tmp_path / "b", spec={"num_classes": 7}, start=path, evaluate=True)
    with pytest.raises((MismatchError, TrainingError)):
        course(replace(seven, class_names=NAMES[:7]))


def test_frozen_stages_stay_and_the_rest_learns(tmp_path):
    recipe = {"freeze_stages": 0}
    before = course(options(tmp_path / "a", recipe=recipe))
    start = {name: array.copy() for name, array in arrays(before).items()}
    whole = arrays(run(options(tmp_path / "a", recipe=recipe)))
    moved = {name for name in start if not np.array_equal(start[name], whole[name])}
    frozen = {name for name in start if name.startswith(FIRST)}
    assert frozen
    assert moved == start.keys() - frozen
    every = before.options.spec.trainable_count()
    parameters = before.options.spec.parameters()
    count = sum(start[p.name].size for p in parameters if p.role.trainable and p.name in frozen)
    assert before.trainer.facts.trained == every - count
    run(options(tmp_path / "b", recipe=recipe, **SHORT))
    resumed = arrays(run(options(tmp_path / "b", recipe=recipe, resume=True)))
    for name, array in whole.items():
        assert np.array_equal(array, resumed[name]), name


def test_frozen_norms_keep_their_statistics(tmp_path):
    chosen = options(tmp_path / "a", recipe={"freeze_norms": True}, **SHORT)
    training = course(chosen)
    start = {name: array.copy() for name, array in arrays(training).items()}
    training.run()
    frozen = OF_A_NORM.get(training.trainer.framework, STATISTICS)
    for parameter in chosen.spec.parameters():
        same = np.array_equal(start[parameter.name], arrays(training)[parameter.name])
        assert same == (parameter.role in frozen), parameter.name


def test_the_head_has_a_rate_of_its_own(tmp_path):
    """The first step, without momentum and decay, is as long as the rate says."""
    plain = {"momentum": 0.0, "weight_decay": 0.0, "lr": 0.01}
    changes = []
    for name, head_lr in (("a", None), ("b", 0.05)):
        chosen = options(tmp_path / name, recipe={**plain, "head_lr": head_lr}, steps=1)
        training = course(replace(chosen, precision="float32"), source())
        start = {name: array.copy() for name, array in arrays(training).items()}
        training.run()
        changes.append({n: array - start[n] for n, array in arrays(training).items()})
    head = head_of(training)
    for name, change in changes[0].items():
        factor = 5 if name in head else 1
        np.testing.assert_allclose(changes[1][name], factor * change, rtol=2e-3, atol=1e-7)
    assert all(np.abs(changes[0][name]).max() > 1e-5 for name in head)


@pytest.mark.slow
def test_a_head_with_its_own_rate_goes_on(tmp_path):
    recipe = {"head_lr": 0.2}
    whole = arrays(run(options(tmp_path / "a", recipe=recipe)))
    run(options(tmp_path / "b", recipe=recipe, **SHORT))
    resumed = arrays(run(options(tmp_path / "b", recipe=recipe, resume=True)))
    assert all(np.array_equal(array, resumed[name]) for name, array in whole.items())
