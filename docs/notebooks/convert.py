# %% [markdown]
# # Convert a checkpoint and prove it
#
# A checkpoint of ODConv's official code, from the folder `examples/` of the repository, becomes
# files for Paddle and Keras. You need `pip install 'odconv[torch,train]'`; the conversion itself
# needs no framework.

# %%
import tempfile
from pathlib import Path

import odconv

folder = Path(tempfile.mkdtemp())
source = odconv.Request("examples/odconv4x_mobilenetv2_digits.pth.tar", "examples/digits.json")

# %% [markdown]
# ## What is in the file?
#
# The name of a network is inferred from its arrays. This one has a stage table of its own, which no
# array shows, so that the request names a file with its spec. For a published network such as
# `od_resnet18` the path alone is enough.

# %%
inspection = odconv.inspect(source)
print(inspection)

# %% [markdown]
# ```
# odconv4x_mobilenetv2_digits.pth.tar
#   format  torch
#   model   od_mobilenetv2_custom (kernel_num=4, 10 classes)
#   arrays  170, 2.2 MB
#   trainable parameters  548,345
#   epoch  32
#   note    the state dict is under 'state_dict'
#   note    left out: acc, best_acc, optimizer
#   note    stripped 'module.' from all names: DataParallel, or an average of models
# ```
#
# ## Convert
#
# The ending of the destination decides the format. Each array is written with its bits, and the
# result is read back and compared before it gets its name.

# %%
for name in ("digits.pdparams", "digits.weights.h5", "digits.safetensors"):
    report = odconv.convert(source, folder / name)
    print(f"{name}: {report.verdict}")

# %% [markdown]
# ```
# digits.pdparams: all bits equal when read back
# digits.weights.h5: all bits equal when read back
# digits.safetensors: all bits equal when read back
# ```
#
# ## Verify
#
# Two files can be compared at any time, bit for bit, whatever their formats. `odconv verify FILE`
# compares one file with the digests that the conversion put into it.

# %%
comparison = odconv.verify(source, folder / "digits.weights.h5")
print(comparison.equal)

# %% [markdown]
# ```
# True
# ```
#
# ## Load it
#
# The files load with the framework's own loader: `paddle.load`, `model.load_weights`. `load_into`
# loads any of them into a model of any framework. Here the file for Keras goes into a model of
# PyTorch, which then reads 360 digits that it was not trained on.

# %%
import torch

from odconv_torch import create_model
from odconv_training.digits import test_digits

stages = [[1, 32, 1, 1], [4, 48, 1, 2], [4, 64, 1, 2]]
model = create_model("od_mobilenetv2_100", kernel_num=4, num_classes=10, stages=stages).eval()
odconv.load_into(model, folder / "digits.weights.h5")

images, labels = test_digits()
with torch.no_grad():
    answers = model(torch.from_numpy(images)).argmax(1).numpy()
print(f"{(answers == labels).mean():.1%} of {len(labels)} digits")

# %% [markdown]
# ```
# 96.4% of 360 digits
# ```
#
# ## What cannot be converted is an error
#
# An error says what was expected, what was received, and what to do.

# %%
try:
    odconv.convert(source, folder / "digits.onnx")
except odconv.ConverterError as error:
    print(error, "-", error.help)

# %% [markdown]
# ```
# expected a destination that ends in .npz, .pth, .pt, .pth.tar, .bin, .weights.h5, .safetensors, .pdparams, received digits.onnx - `odconv export` writes files for runtimes, such as .onnx
# ```
#
# ## On the command line
#
# The same, for a file of your own:
#
# ```sh
# odconv inspect model_best.pth.tar
# odconv convert model_best.pth.tar model.pdparams
# odconv verify  model_best.pth.tar model.pdparams
# ```
