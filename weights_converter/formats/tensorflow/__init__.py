"""Checkpoints of TensorFlow: what `model.export` keeps of a Keras network, and CondConv's own."""
