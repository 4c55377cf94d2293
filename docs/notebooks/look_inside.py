# %% [markdown]
# # Look inside
#
# A dynamic convolution is worth its cost if it does something else to another image.
# `watch_attentions` records what the attentions of any network do, so that you can see whether they
# do. You need `pip install 'odconv[torch,train]'`. `odconv attend` shows the same as a page,
# without any code: see [what the attentions see](../attend.md).

# %%
import torch

from odconv import load_into
from odconv_torch import create_model, watch_attentions
from odconv_training.digits import test_digits

stages = [[1, 32, 1, 1], [4, 48, 1, 2], [4, 64, 1, 2]]
model = create_model("od_mobilenetv2_100", kernel_num=4, num_classes=10, stages=stages).eval()
images, labels = map(torch.from_numpy, test_digits())

# %% [markdown]
# ## Before the training
#
# The heads of the attentions start at zero, so that each attention is the same for every image:
# see [why](../zero-heads.md).


# %%
def watch(model):
    with watch_attentions(model) as seen, torch.no_grad():
        model(images)
    return seen


def spread(attention):
    """How much an attention differs between images: the deviation as a part of the mean."""
    return (attention.std(0) / attention.mean(0)).mean().item()


first = watch(model)[0]
print(first.path, {name: tuple(values.shape) for name, values in first.attentions.items()})
print(f"kernel attention differs by {spread(first.attentions['kernel']):.2f}")

# %% [markdown]
# ```
# features.1.conv.0.0 {'channel': (360, 32, 1, 1), 'spatial': (360, 1, 1, 3, 3), 'kernel': (360, 4)}
# kernel attention differs by 0.00
# ```
#
# ## After the training
#
# The same network with the arrays of the trained checkpoint:

# %% tags=["rounded"]
load_into(model, "examples/odconv4x_mobilenetv2_digits.pth.tar")
seen = watch(model)
for layer in seen:
    kinds = {name: round(spread(values), 2) for name, values in layer.attentions.items()}
    print(f"{layer.path:<22}", *(f"{name} {value:.2f}" for name, value in kinds.items()))

# %% [markdown]
# ```
# features.1.conv.0.0    channel 0.18 spatial 0.24 kernel 0.69
# features.1.conv.1      channel 0.14 filter 0.13 kernel 0.43
# features.2.conv.0.0    channel 0.18 filter 0.09 kernel 0.32
# features.2.conv.1.0    channel 0.09 spatial 0.31 kernel 0.36
# features.2.conv.2      channel 0.09 filter 0.13 kernel 0.40
# features.3.conv.0.0    channel 0.13 filter 0.07 kernel 0.40
# features.3.conv.1.0    channel 0.08 spatial 0.29 kernel 0.71
# features.3.conv.2      channel 0.10 filter 0.16 kernel 0.54
# features.4.0           channel 0.16 filter 0.04 kernel 0.66
# ```
#
# ## Which digit gets which kernel?
#
# The mean weights of the four kernels of one layer, for each digit. Rows that differ show a layer
# that treats classes differently.

# %% tags=["rounded"]
kernel = seen[-1].attentions["kernel"]
print(seen[-1].path)
for digit in range(10):
    weights = kernel[labels == digit].mean(0)
    print(digit, *(f"{weight:.2f}" for weight in weights.tolist()))

# %% [markdown]
# ```
# features.4.0
# 0 0.25 0.30 0.31 0.15
# 1 0.30 0.26 0.16 0.28
# 2 0.27 0.44 0.09 0.20
# 3 0.20 0.35 0.21 0.24
# 4 0.07 0.39 0.22 0.33
# 5 0.06 0.44 0.18 0.32
# 6 0.03 0.42 0.10 0.45
# 7 0.16 0.45 0.21 0.19
# 8 0.17 0.57 0.13 0.13
# 9 0.16 0.30 0.25 0.29
# ```
