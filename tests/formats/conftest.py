"""All three frameworks share the process of these tests."""

import paddle  # noqa: F401  first: its import crashes once TensorFlow is loaded
