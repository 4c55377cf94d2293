"""Samples that are groups of one convolution, in an ONNX graph: what follows is put before it.

Such a convolution gives (1, samples * out, *map), which is reshaped to (samples, out, *map). ONNX
Runtime makes one operator of a convolution, its bias and an activation, if no reshaping parts them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from onnxscript import ir

from odconv.exporting.biases import BIAS, is_of_channels

_ACTIVATIONS: Final = ("Relu", "Clip")


def join_what_follows(model: Any) -> None:
    """Puts biases into convolutions of several samples, and activations right behind these.

    Args:
        model: of `torch.onnx.ONNXProgram`, which is changed.
    """
    for reshape in [node for node in model.graph if node.op_type == "Reshape"]:
        conv, samples = reshape.inputs[0].producer(), _samples(reshape)
        if samples > 1 and conv.op_type == "Conv":
            _take_bias(model.graph, conv, reshape, samples)
            _take_activation(model.graph, conv, reshape)
    model.graph.sort()


def _samples(reshape: Any) -> int:
    """How many samples are parted; 0 where it is another reshaping, or others need what is."""
    y, z = reshape.inputs[0], reshape.outputs[0]
    if y.producer() is None or y.shape is None or z.shape is None:
        return 0
    if len(y.uses()) != 1 or y.is_graph_output():
        return 0
    whole, parted = tuple(y.shape), tuple(z.shape)
    if len(whole) != len(parted) or not all(isinstance(n, int) for n in (*whole, *parted)):
        return 0
    return parted[0] if whole == (1, parted[0] * parted[1], *parted[2:]) else 0


def _take_bias(graph: Any, conv: Any, reshape: Any, samples: int) -> None:
    z = reshape.outputs[0]
    add = _only_user(z, ("Add",))
    if add is None or len(conv.inputs) > BIAS:
        return
    (bias,) = (value for value in add.inputs if value is not z)
    if not is_of_channels(bias, z.shape[1], len(z.shape)):
        return
    flat = np.tile(bias.const_value.numpy().ravel(), samples)  # (samples * out,)
    value = ir.Value(name=f"{conv.name}_bias", const_value=ir.tensor(flat))
    graph.register_initializer(value)
    conv.resize_inputs(BIAS + 1)
    conv.replace_input_with(BIAS, value)
    ir.convenience.replace_all_uses_with(add.outputs[0], z)
    graph.remove(add, safe=True)


def _take_activation(graph: Any, conv: Any, reshape: Any) -> None:
    activation = _only_user(reshape.outputs[0], _ACTIVATIONS)
    if activation is None:
        return
    ir.convenience.replace_all_uses_with(activation.outputs[0], reshape.outputs[0])
    activation.replace_input_with(0, conv.outputs[0])
    reshape.replace_input_with(0, activation.outputs[0])
    activation.outputs[0].shape = conv.outputs[0].shape


def _only_user(value: Any, kinds: tuple[str, ...]) -> Any:
    """The node that alone uses a value, where it is of these kinds and inside of the graph."""
    users = [node for node, _ in value.uses()]
    if len(users) != 1 or users[0].op_type not in kinds or value.is_graph_output():
        return None
    return None if users[0].outputs[0].is_graph_output() else users[0]
