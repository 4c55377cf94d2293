"""The study of accuracy: its settings, and a study that goes on where it was stopped."""

from __future__ import annotations

import json

import pytest

from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.report import table
from benchmarks.accuracy.runs import Job, Run, add_run, missing, read_runs
from benchmarks.accuracy.settings import settings
from odconv_training import digits

RUN = Run("ODConv 4x", "zero", "yes", 0.5, 0, 6, 1000, 98.0, 98.5, 0.1, 9.5)


def test_settings_are_all_different_and_build():
    found = list(settings())
    assert len(found) == len(set(found)) == 2 * (1 + 2 + 2 + 3 * 4)
    for setting in found:
        assert setting.spec().width == setting.width
    assert {setting.clip_norm for setting in found} == {None, 1.0}


def test_a_setting_is_what_it_says():
    chosen = [s for s in settings((1.0,)) if (s.network, s.annealed) == ("ODConv 4x", "yes")]
    assert [s.heads for s in chosen] == ["zero", "published"]
    assert chosen[0].spec() == digits.spec()
    assert dict(chosen[1].spec().conv.options)["head_init"] == "published"
    assert chosen[0].recipe(7).temperature_epochs == pytest.approx(4)
    (plain,) = [s for s in settings((1.0,)) if s.kind == "static"]
    assert plain.recipe(7).temperature_epochs == 0


def test_a_study_goes_on(tmp_path):
    jobs = [Job(setting, 0, 6) for setting in settings((0.5,))]
    add_run(tmp_path, RUN)
    assert read_runs(tmp_path) == [RUN]
    left = missing(jobs, read_runs(tmp_path))
    assert len(left) == len(jobs) - 1
    assert not any(RUN.is_of(job.setting, job.seed, job.epochs) for job in left)


def test_the_table_has_means_deviations_and_the_worst():
    runs = [RUN, Run(**{**vars(RUN), "seed": 1, "top1": 96.0})]
    runs.append(Run(**{**vars(RUN), "width": 0.25, "top1": 50.0}))
    assert table(runs).splitlines()[-1] == (
        "| ODConv 4x | zero | yes | 1,000 | 97.0 ± 1.4 | 96.0 | 1,000 | 50.0 ± 0.0 | 50.0 |"
    )


@pytest.mark.slow
def test_the_quick_study(tmp_path, capsys):
    assert main(["--quick", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("\n| ODConv") == 8
    assert len(json.loads((tmp_path / "results.json").read_text())) == 17
    assert (tmp_path / "accuracy.png").stat().st_size > 5000
