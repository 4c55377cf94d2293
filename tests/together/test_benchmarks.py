"""The benchmark: what it compares computes the same, and its figures are what it says."""

from __future__ import annotations

import json
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.cases import (
    COMPILERS,
    CONVERSIONS,
    ENDINGS,
    GROUPS,
    MEMORY,
    METHODS,
    NETWORKS,
    OFFICIAL_CODE,
    SCALING,
    Case,
    Layer,
    Network,
)
from benchmarks.contest import difference
from benchmarks.conversion import converted
from benchmarks.memory import peak
from benchmarks.plots import plot
from benchmarks.records import Record, Spread
from benchmarks.runner import environment
from benchmarks.selection import Selection
from benchmarks.table import line, table
from benchmarks.timing import alternate
from parity_tests.processes import WorkerError
from tests.benchmark_records import OFFICIAL_FIGURES, record
from tests.processes import run_process

# Ours and the published formulation in one framework, on the same random arrays.
COMPARE = """
import json, sys
import numpy as np
from benchmarks.worker import load
from odconv_spec import (
    BackboneSpec, CondConvSpec, ConvChoice, DyConvSpec, ODConvSpec, ResNetSpec, model_spec
)
from parity_tests.reference import random_arrays

three = {"kernel_size": (3, 3), "padding": 1}
wide = {"in_channels": 6, "out_channels": 10}
deep = {"in_channels": 8, "out_channels": 8, "groups": 8}
cond = ConvChoice.of("cond", kernel_num=3)
SPECS = {
    "od-oblong": ODConvSpec(**wide, kernel_size=(3, 1), padding=(1, 0), kernel_num=4, bias=True),
    "od-1x-groups-stride": ODConvSpec(**wide, **three, groups=2, stride=2, kernel_num=1),
    "od-1x-pointwise": ODConvSpec(**wide, kernel_size=1, kernel_num=1),
    "od-pointwise": ODConvSpec(**wide, kernel_size=1, kernel_num=4),
    "od-depthwise-stride": ODConvSpec(**deep, **three, stride=2, kernel_num=3),
    "dy-stride": DyConvSpec(**wide, **three, stride=2, bias=True),
    "cond-groups": CondConvSpec(**wide, **three, groups=2, bias=True, mix_bias=False),
    "cond-network": ResNetSpec(conv=cond, stages=((8, 1), (12, 1)), stem_channels=8),
}

if sys.argv[1] == "torch":  # which has a published formulation of the other methods, too
    geometry = {"in_channels": 32, "out_channels": 64, "kernel_size": 3, "padding": 1, "stride": 2}
    for kind in ("cgc", "weightnet", "we", "dcd", "kw", "fdconv"):
        SPECS[kind] = ConvChoice.of(kind)(**geometry)
    few = {"stages": ((32, 1), (64, 1)), "stem_channels": 32}
    for kind in ("se", "cbam", "eca", "weightnet", "kw"):
        SPECS[f"{kind}-network"] = model_spec(f"{kind}_resnet18", **few)

def relative(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())

def run(spec, arrays, published):
    model = framework.build(spec, arrays)
    if published:
        framework.publish(model)
    generator = np.random.default_rng(3)
    layer = (getattr(model, "layers", None) or [model])[-1]  # Keras: the last of a model
    if isinstance(spec, BackboneSpec):
        x = generator.standard_normal((3, spec.in_channels, 32, 40), dtype=np.float32)
        return framework.inference(model, x)()
    assert type(layer).__name__.startswith("Published") == published
    x = generator.standard_normal((3, spec.in_channels, 9, 8), dtype=np.float32)
    shape = (3, spec.out_channels, *spec.output_size((9, 8)))
    grad = generator.standard_normal(shape, dtype=np.float32)
    return framework.backward(model, x, grad)()[:2]

framework = load(sys.argv[1])
errors = {}
for seed, (name, spec) in enumerate(SPECS.items()):
    arrays = random_arrays(spec.parameters(), seed, np.float32)
    pairs = zip(run(spec, arrays, False), run(spec, arrays, True))
    errors[name] = max(relative(*map(framework.numpy, pair)) for pair in pairs)
print(json.dumps(errors))
"""


@pytest.mark.parametrize(
    "runtime", ["torch", "paddle", pytest.param("keras-tensorflow", marks=pytest.mark.slow)]
)
def test_ours_computes_what_the_published_formulation_does(runtime):
    run = run_process(
        [sys.executable, "-c", COMPARE, runtime],
        env=environment(runtime),
    )
    errors = json.loads(run.stdout.strip().rpartition("\n")[2])
    assert len(errors) == (19 if runtime == "torch" else 8)
    assert max(errors.values()) < 1e-4, errors


def test_a_run_writes_a_table_json_and_a_picture(tmp_path, capsys):
    case = "layers/960-960-7-3x3-depthwise/od-4x/inference/batch-1"
    options = ["--long", "--runtime", "torch", "--cases", case, "--output", str(tmp_path)]
    assert main(options) == 0
    assert case in capsys.readouterr().err
    (row,) = [r for r in (tmp_path / "results.md").read_text().splitlines() if "960" in r]
    assert row.count("|") == 8
    values = json.loads((tmp_path / "results.json").read_text())
    assert values["machine"]["cores"] == len(os.sched_getaffinity(0))
    vectors, torch = values["machine"]["instructions"], values["runtimes"]["torch"]["hardware"]
    assert f"## Layers, ms, {vectors} (torch: {torch})" in (tmp_path / "results.md").read_text()
    assert "torch" in values["runtimes"]["torch"]["versions"]
    (record,) = values["records"]
    assert record["case"] == case
    assert record["figures"].keys() == {"static", "published", "ours"}
    assert all(len(figures) == 7 for figures in record["figures"].values())
    assert record["difference"] < 1e-4
    assert (tmp_path / "layers-torch.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_conversions_stand_beside_what_torch_takes(tmp_path):
    network = Network("mobilenetv2_050")
    case = Case(CONVERSIONS, network, "od", 1, ".weights.h5", 0, ("torch", "ours"))
    assert case.id == "conversions/mobilenetv2_050/od-1x/.weights.h5"
    found = converted(case, "torch", 1)
    assert found.figures.keys() == {"torch", "ours"}
    assert all(len(times) == 1 and min(times) > 100 for times in found.figures.values())
    ratio = found.ratio("ours", "torch")
    assert found.base == "torch" and found.to_dict()["ratios"] == {"ours / torch": ratio._asdict()}
    shown = table([found])
    assert (
        "| runtime | case | torch | published | ours | ours / torch | published / ours |" in shown
    )
    median = found.spread("torch").median
    assert f"| torch | mobilenetv2_050, od-1x, .weights.h5 | {median:.0f} |  |" in shown
    assert f"; {ratio.median:.2f} x torch" in line(found)
    (picture,) = plot([found], tmp_path)
    assert picture.name == "conversions-torch.png"


@pytest.mark.slow
def test_a_conversion_that_fails_is_an_error():
    case = Case(CONVERSIONS, Network("mobilenetv2_050"), "od", 1, ".txt", 0)
    with pytest.raises(WorkerError, match="exit code 2"):
        converted(case, "torch", 1)


def test_every_format_is_converted_to():
    for long in (False, True):
        cases = [c for c in Selection(long).cases("torch") if c.group == CONVERSIONS]
        assert [case.mode for case in cases] == [*ENDINGS]
        assert {case.variants for case in cases} == {("torch", "ours")}


def test_no_case_is_an_error(capsys):
    assert main(["--runtime", "torch", "--cases", "nonsense"]) == 2
    assert "no case fits" in capsys.readouterr().err


def test_outputs_that_differ_stop_the_benchmark():
    case = Case("layers", Layer(4, 4, 8), "od", 4, "inference", 2)
    y = np.linspace(1, 2, 5)
    outputs = {"static": [3 * y], "published": [y], "ours": [y * (1 + 1e-6)]}
    framework = SimpleNamespace(numpy=np.asarray)
    assert difference(framework, case, outputs) == pytest.approx(1e-6)
    with pytest.raises(ValueError, match=r"differ by 1\.0e-03"):
        difference(framework, case, outputs | {"ours": [y * (1 + 1e-3)]})
    compiled = {"ours": [y], "compiled": [y * 1.5]}
    with pytest.raises(ValueError, match=r"what compiled does, .* differ by"):
        difference(framework, case, compiled)
    with pytest.raises(ValueError, match="differ by nan"):
        difference(framework, case, outputs | {"ours": [y * np.nan]})
    assert difference(framework, case, {"static": [y], "ours": [y]}) is None


def test_runs_alternate_and_change_direction(monkeypatch):
    monkeypatch.setattr("benchmarks.timing.SHORTEST", 1e-9)  # one run each
    order = []
    runs = {name: lambda name=name: order.append(name) for name in "abc"}
    found = alternate(runs, 3)
    assert "".join(order) == "abc" + "cba" + "abc"
    assert all(len(times) == 3 and min(times) > 0 for times in found.values())


def test_short_runs_are_repeated():
    calls = []
    (times,) = alternate({"a": lambda: calls.append(0)}, 2).values()
    assert len(calls) > 1000
    assert max(times) < 1e-3


def test_the_peak_counts_what_is_freed_again():
    def run():
        held = np.ones(64 << 17)  # 64 MiB
        return held.sum()

    assert 60 < peak(run) < 80
    assert peak(lambda: None) < 10


def test_ratios_are_those_of_neighbours():
    found = record(NETWORKS, Network("resnet18"))
    assert found.ratio("ours", "static") == Spread(0.75, 1.0, 1.5)
    assert found.spread("static") == Spread(15.0, 20.0, 30.0)
    assert found.to_dict()["ratios"]["published / ours"]["median"] == 4
    del found.figures["published"]
    assert found.ratio("published", "ours") is None
    assert "| torch | resnet18, od-4x, training, batch-8 | 20.00 |  | 20.00 |" in table([found])


def test_what_is_compiled_stands_beside_ours():
    figures = {"static": [1.0], "ours": [2.0], "compiled": [1.5]}
    shown = table([record(COMPILERS, Network("resnet18"), figures=figures)])
    assert "| static | compiled | ours | ours / static | compiled / ours |" in shown
    assert "| 1.00 | 1.50 | 2.00 | 2.00 | 0.75 |" in shown


def test_pictures_of_every_group(tmp_path):
    of_batches = [
        Record.of(
            Case(SCALING, Layer(64, 64, 56), "od", kernels, "inference", batch),
            runtime="torch",
            unit="ms",
            figures={"static": [1.0], "ours": [float(batch)]},
            difference=None,
            strategy="auto",
        )
        for kernels, batch in ((4, 1), (4, 8), (4, 64), (1, 8))
    ]
    memory = {"unit": "MiB", "figures": {"static": [100.0], "ours": [150.0]}}
    compiled = {"figures": {"static": [1.0], "ours": [2.0], "compiled": [1.5]}}
    records = [
        record("layers", Layer(64, 64, 56)),
        record(NETWORKS, Network("resnet18")),
        record(METHODS, Network("resnet18")),
        record(MEMORY, Network("resnet18"), **memory),
        record(COMPILERS, Network("resnet18"), **compiled),
        record(CONVERSIONS, Network("resnet18"), figures={"torch": [2.0], "ours": [1.0]}),
        record(OFFICIAL_CODE, Network("resnet18"), figures=OFFICIAL_FIGURES),
        *of_batches,
    ]
    written = plot(records, tmp_path)
    assert {path.stem for path in written} == {f"{group}-torch" for group in GROUPS}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


@pytest.mark.parametrize("runtime", ["torch", "paddle", "keras-tensorflow", "keras-jax"])
def test_selections(runtime):
    short, long = (list(Selection(long=value).cases(runtime)) for value in (False, True))
    for cases in (short, long):
        assert len({case.id for case in cases}) == len(cases)
    plain = list(Selection(long=True, plain=True).cases(runtime))
    assert [case.id for case in plain] == [case.id for case in long]
    assert not any("published" in case.variants for case in plain)
    # The process that measures memory looks its case up by name.
    assert {c.id for c in short if c.group == MEMORY} <= {c.id for c in long}
    published = [c for c in short if "published" in c.variants]
    assert {c.group for c in published} >= (
        {"layers", NETWORKS} if runtime == "torch" else {"layers"}
    )
    # JAX always compiles, and conversions are measured once, beside torch.
    missing = {"torch": set(), "keras-jax": {COMPILERS, CONVERSIONS, METHODS}}.get(
        runtime, {CONVERSIONS, METHODS}
    )
    assert {c.group for c in long} == {*GROUPS} - missing - {OFFICIAL_CODE}
    networks = [case for case in long if case.group == NETWORKS]
    assert {"static channels_last" in c.variants for c in networks} == {runtime == "torch"}
    assert {(c.kind, c.kernel_num) for c in long if c.group == NETWORKS} == {
        ("od", 1),
        ("od", 4),
        ("dy", 4),
        ("cond", 8),
    }


@pytest.mark.parametrize("runtime", ["torch", "paddle"])
def test_a_network_has_a_process_of_its_own(runtime):
    whole = Selection(long=True, official=True)
    of_each = [list(selection.cases(runtime)) for selection in whole.processes(runtime)]
    measured = sorted(case.id for cases in of_each for case in cases)
    assert measured == sorted(case.id for case in whole.cases(runtime))
    networks = [cases for cases in of_each if cases[0].group in (NETWORKS, OFFICIAL_CODE)]
    assert len(networks) > 20 and {len(cases) for cases in networks} == {1}
    assert len(of_each) == len(networks) + 1
