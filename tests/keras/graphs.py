"""The convolutions in the graph that TensorFlow records of a layer and of its gradient."""

from __future__ import annotations

from math import prod

import keras

CONVOLUTIONS = ("Conv2D", "Conv3D", "DepthwiseConv2dNative")


def strided(layer, shape):
    """Names of the convolutions with a stride, gradients and the bodies of loops included."""
    found = []
    for nodes, _ in _graphs(layer, shape):
        found += [n.name for n in nodes if n.op.startswith(CONVOLUTIONS) and _stride(n) > 1]
    return found


def pointwise_with_stride(layer, shape):
    """Names of those with a stride whose kernels have one tap.

    The gradient of a kernel is told by its convolution, which the graph has, too.
    """
    found = []
    for nodes, shapes in _graphs(layer, shape):
        for node in nodes:
            told = node.op.startswith(CONVOLUTIONS) and "BackpropFilter" not in node.op
            if told and _stride(node) > 1 and prod(_kernel(node, shapes)) == 1:
                found.append(node.name)
    return found


def _stride(node):
    return max(node.attr["strides"].list.i)


def _kernel(node, shapes):
    """Taps along each axis."""
    return shapes[node.input[1].split(":")[0]][:-2]


def _graphs(layer, shape):
    """The nodes of the graph and of each function in it, with the shapes by name."""
    import tensorflow as tf

    if not layer.built:
        layer.build(shape)

    @tf.function(input_signature=[tf.TensorSpec(shape)])
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True) if isinstance(layer, keras.Model) else layer(x)
        return tape.gradient(y, [x, *(v.value for v in layer.trainable_variables)])

    graph = step.get_concrete_function().graph.as_graph_def(add_shapes=True)
    bodies = [(graph.node, [])]
    bodies += [(f.node_def, _arguments(f)) for f in graph.library.function]
    return [(nodes, dict([*arguments, *map(_shape, nodes)])) for nodes, arguments in bodies]


def _shape(node):
    shapes = node.attr["_output_shapes"].list.shape
    return node.name, [d.size for d in shapes[0].dim] if shapes else None


def _arguments(function):
    found = []
    for index, argument in enumerate(function.signature.input_arg):
        shapes = function.arg_attr[index].attr["_output_shapes"].list.shape
        found.append((argument.name, [d.size for d in shapes[0].dim] if shapes else None))
    return found
