"""Files whose arrays stand for others: the message says what the file is, and what to do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from tests.converter.wild import indexed, write
from weights_converter import RefusedError, formats, inspect
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.identify.stand_ins import STAND_INS

SPEC = model_spec("od_resnet18", **SMALL_RESNET)
CASES = {
    "spectral norm": (
        {"fc.weight_orig": (5, 12), "fc.weight_u": (5,), "fc.weight_v": (12,)},
        "has weights under spectral norm: fc.weight_u",
        "torch.nn.utils.remove_spectral_norm(module)",
    ),
    "spectral norm as a parametrization": (
        {
            "fc.parametrizations.weight.original": (5, 12),
            "fc.parametrizations.weight.0._u": (5,),
            "fc.parametrizations.weight.0._v": (12,),
        },
        "has weights under spectral norm: fc.parametrizations.weight.0._u",
        "parametrize.remove_parametrizations(module, 'weight')",
    ),
    "another parametrization": (
        {"fc.parametrizations.weight.original": (5, 12)},
        "has parametrized weights: fc.parametrizations.weight.original",
        "leave_parametrized=True",
    ),
    "no mask": (
        {"fc.weight_orig": (5, 12)},
        "has pruned weights without their masks, or weights under a hook of another kind: "
        "fc.weight_orig",
        "torch.nn.utils.prune.remove(module, 'weight')",
    ),
    "half a weight norm": (
        {"fc.weight_g": (5, 1)},
        "has weights under weight norm: fc.weight_g",
        "torch.nn.utils.remove_weight_norm(module)",
    ),
    "flattened": (
        {"_fsdp_wrapped_module._flat_param": (60,)},
        "has weights that FullyShardedDataParallel has flattened: _flat_param",
        "full_state_dict=True",
    ),
    "observers": (
        {"fc.weight": (5, 12), "fc.activation_post_process.min_val": ()},
        "has observers of quantisation: fc.activation_post_process.min_val",
        "--ignore '*activation_post_process*'",
    ),
    "quantised": (
        {"fc.weight": (5, 12), "fc.scale": (), "fc.zero_point": ()},
        "has quantised weights (int8): fc.scale",
        "from before quantisation",
    ),
    "bitsandbytes": (
        {"fc.weight": (5, 12), "fc.SCB": (5,)},
        "has weights that bitsandbytes has quantised (int8): fc.SCB",
        "from before quantisation",
    ),
    "bitsandbytes of four bits": (
        {"fc.weight": (30, 1), "fc.weight.absmax": (1,), "fc.weight.quant_map": (16,)},
        "has weights that bitsandbytes has quantised (4 bits): fc.weight.quant_map",
        "from before quantisation",
    ),
}  # fmt: skip


def file_of(tmp_path, case):
    arrays = arrays_of(SPEC)
    del arrays["fc.weight"]
    return write(tmp_path / "x.pth", arrays | {n: indexed(s) for n, s in CASES[case][0].items()})


@pytest.mark.parametrize("model", [None, SPEC], ids=["found out", "given"])
@pytest.mark.parametrize("case", CASES)
def test_what_the_file_is(tmp_path, case, model):
    _, fact, advice = CASES[case]
    with pytest.raises(RefusedError) as error:
        open_model(Request(file_of(tmp_path, case), model))
    assert str(error.value) == f"x.pth {fact}"
    assert advice in error.value.help


def test_every_kind_has_a_case():
    facts = [fact for _, fact, _ in CASES.values()]
    kinds = {kind.what for kind in STAND_INS}
    assert {what for what in kinds if any(f"has {what}" in fact for fact in facts)} == kinds


def test_inspect_lists_such_a_file(tmp_path, capsys):
    path = file_of(tmp_path, "quantised")
    found = inspect(path)
    assert found.spec is None and "quantised weights (int8)" in found.reason
    assert main(["inspect", str(path), "--json"]) == 0
    assert "fc.scale" in json.loads(capsys.readouterr().out)["arrays"]


def test_observers_can_be_left_out(tmp_path):
    weights = open_model(
        Request(file_of(tmp_path, "observers"), ignore="*activation_post_process*")
    )
    assert weights.spec == SPEC


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("ending", [".pth", ".pdparams", ".weights.h5", ".npz"])
def test_a_kernel_of_small_integers(tmp_path, ending, dtype):
    arrays = arrays_of(SPEC)
    arrays["conv1.weight"] = np.round(arrays["conv1.weight"] * 9).astype(dtype)
    path = save(tmp_path / f"x{ending}", SPEC, arrays, ending)
    with pytest.raises(RefusedError, match=r"has quantised weights \(int8\): conv1"):
        open_model(path)


def test_small_integers_beside_the_kernels_stay(tmp_path):
    tensors = [Tensor.of(n, a) for n, a in arrays_of(SPEC).items()]
    tensors.append(Tensor.of("rng", np.arange(5, dtype=np.uint8)))
    formats.write(tmp_path / "x.pth", "torch", tensors, {})
    assert open_model(Request(tmp_path / "x.pth", ignore="rng")).spec == SPEC
