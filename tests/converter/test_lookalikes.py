"""Layers that only look like ours are refused, with the reason."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import model_spec
from odconv_spec.choice import dynamic_kinds
from parity_tests.reference import random_arrays
from tests.converter.helpers import SMALL_RESNET, arrays_of
from weights_converter import MismatchError, formats
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request

HELP = (
    "such a layer cannot be converted; train the model anew with one of `odconv models`, or keep "
    "its own code"
)
*_FIRST, _LAST = (kind.title() for kind in dynamic_kinds())
OURS = f"{', '.join(_FIRST)} or {_LAST}"
# Names and shapes as the code of each writes them, and the message.
INVOLUTION = (
    {
        "layer1.0.conv1.weight": (64, 64, 1, 1),
        "layer1.0.conv2.conv1.conv.weight": (16, 64, 1, 1),
        "layer1.0.conv2.conv1.bn.weight": (16,),
        "layer1.0.conv2.conv2.conv.weight": (196, 16, 1, 1),
        "layer1.0.conv2.conv2.conv.bias": (196,),
    },
    "involution, https://github.com/d-li14/involution, which is not ODConv, DyConv or CondConv: "
    "every pixel has a kernel of its own, computed from that pixel; none are stored "
    "(it has layer1.0.conv2.conv1.conv.weight)",
)
YOLO_FORK = (
    {
        "model.0.conv.weight": (4, 16, 3, 3, 3),
        "model.0.conv.fc.weight": (16, 3, 1, 1),
        "model.0.conv.bn.weight": (16,),
        "model.0.conv.fc_f.weight": (16, 16),
        "model.0.conv.fc_w.weight": (4, 16),
    },
    "the ODConv of YOLO forks (ODConv2d_3rd), which is not ODConv, DyConv or CondConv: it mixes "
    "biases by the kernel attention, scales input channels within each group, and leaves out the "
    "norm for a batch of one (it has 0.conv.fc_f.weight)",
)
OWN_ATTENTIONS = (
    {
        "conv.weight": (4, 16, 8, 3, 3),
        "conv.spatial_attention.0.weight": (1, 8, 3, 3),
        "conv.kernel_attention.1.weight": (4, 8, 1, 1),
    },
    "an attention of its own for each dimension, as blogs describe ODConv, which is not ODConv, "
    "DyConv or CondConv: ODConv computes its four attentions from one squeezed vector, by a "
    "shared fc and norm, and weighs kernels by a softmax "
    "(it has conv.spatial_attention.0.weight)",
)
NO_TRUNK = (
    {
        "conv.weight": (4, 16, 8, 3, 3),
        "conv.attention.kernel_fc.weight": (4, 8, 1, 1),
        "conv.attention.channel_fc.weight": (8, 8, 1, 1),
    },
    "attention heads without the layer that they share, which is not ODConv, DyConv or CondConv: "
    "ODConv's heads read one squeezed vector, of fc and its norm "
    "(it has conv.attention.kernel_fc.weight)",
)
OVER_MAPS = (
    {
        "conv.weight": (4, 16, 8, 3, 3),
        "conv.attention.fc.weight": (16, 8, 1, 1),
        "conv.attention.spatial_fc.weight": (9, 16, 3, 3),
    },
    "an attention that is a convolution with a kernel of (3, 3) over the map, which is not "
    "ODConv, DyConv or CondConv: ODConv's attentions read the mean of the map, by kernels of one "
    "tap (it has conv.attention.spatial_fc.weight)",
)
CASES = {
    "involution": INVOLUTION,
    "YOLO fork": YOLO_FORK,
    "own attentions": OWN_ATTENTIONS,
    "no trunk": NO_TRUNK,
    "over maps": OVER_MAPS,
}


def write(path, shapes):
    tensors = [Tensor.of(name, np.zeros(shape, np.float32)) for name, shape in shapes.items()]
    formats.write(path, "torch", tensors, {})
    return path


@pytest.mark.parametrize("model", [None, "od_resnet18", model_spec("od_resnet18")])
@pytest.mark.parametrize(("shapes", "message"), CASES.values(), ids=CASES)
def test_the_reason_is_told(tmp_path, shapes, message, model):
    path = write(tmp_path / "x.pth", shapes)
    with pytest.raises(MismatchError) as error:
        open_model(Request(path, model))
    told = message.replace("ODConv, DyConv or CondConv", OURS)
    assert str(error.value) == f"x.pth holds {told}"
    assert error.value.help == HELP


@pytest.mark.parametrize("sign", ["a.conv1.conv.weight", "a.fc_f.weight"])
def test_a_sign_without_what_belongs_to_it_is_none(tmp_path, sign):
    """Our own arrays beside one that is called alike are reported as what they are."""
    spec = model_spec("od_resnet18", **SMALL_RESNET)
    shapes = {p.name: p.shape for p in spec.parameters()} | {sign: (3, 4)}
    with pytest.raises(MismatchError, match=rf"1 unexpected in x\.pth.*\n.*{sign}"):
        open_model(Request(write(tmp_path / "x.pth", shapes), spec))


def test_two_convolutions_with_norms_are_no_involution(tmp_path):
    shapes = INVOLUTION[0] | {"layer1.0.conv2.conv2.bn.weight": (196,)}
    with pytest.raises(MismatchError) as error:
        open_model(Request(write(tmp_path / "x.pth", shapes), model_spec("od_resnet18")))
    assert "involution" not in str(error.value)


def test_layers_that_the_model_has_itself_are_no_look_alikes(tmp_path):
    spec = model_spec("od_resnet18", **SMALL_RESNET)
    extra = model_spec("resnet18", **SMALL_RESNET).parameters()[0].under("kernel_attention.0")
    parameters = (*(p.under("body") for p in spec.parameters()), extra)
    arrays = random_arrays(parameters, 0, "float32")
    tensors = [Tensor.of(f"net.{name}", array) for name, array in arrays.items()]
    formats.write(tmp_path / "x.pth", "torch", tensors, {})
    weights = open_model(Request(tmp_path / "x.pth", Manifest("Net", parameters, {})))
    assert weights.tensors["kernel_attention.0.conv1.weight"].load().tobytes() == (
        arrays["kernel_attention.0.conv1.weight"].tobytes()
    )


@pytest.mark.parametrize("kind", ["od_", "dy_", "cond_", "dcd_", ""])
def test_ours_are_none(tmp_path, kind):
    spec = model_spec(f"{kind}resnet18", **SMALL_RESNET)
    arrays = {f"module.{n}": a for n, a in arrays_of(spec).items()}
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    formats.write(tmp_path / "x.pth", "torch", tensors, {})
    assert open_model(tmp_path / "x.pth").spec == spec
