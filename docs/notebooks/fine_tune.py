# %% [markdown]
# # Fine-tune on classes of your own
#
# A network that was trained on ten classes learns three new ones from 60 images: a checkpoint
# without its head, a frozen stem, another rate for the head, a falling temperature. You need
# `pip install 'odconv[torch,train]'`. With a folder of images, `python -m odconv_torch.train --start`
# does all of this: see [training](../training.md#from-a-checkpoint-to-classes-of-ones-own).

# %%
import torch
from torch import nn

from odconv import load_into
from odconv_torch import TemperatureScheduler, create_model
from odconv_training.digits import test_digits, train_digits

torch.manual_seed(0)
CHECKPOINT = "examples/odconv4x_mobilenetv2_digits.pth.tar"
STAGES = [[1, 32, 1, 1], [4, 48, 1, 2], [4, 64, 1, 2]]

# %% [markdown]
# ## The data
#
# The new classes: round digits (0, 6, 8, 9), straight ones (1, 4, 7), and the others.

# %%
CLASS_OF = torch.tensor([0, 1, 2, 2, 1, 2, 0, 1, 0, 0])


def data(digits, count):
    """The first images of the digits, with their new classes."""
    images, labels = digits
    return torch.from_numpy(images[:count]), CLASS_OF[torch.from_numpy(labels[:count]).long()]


train_images, train_labels = data(train_digits(), 60)
test_images, test_labels = data(test_digits(), 360)

# %% [markdown]
# ## The network
#
# `head="skip"` loads everything but the classifier, of a file of any framework. `freeze_stages(0)`
# keeps the stem as it is, with the statistics of its norms.

# %%
model = create_model("od_mobilenetv2_100", kernel_num=4, num_classes=3, stages=STAGES)
loaded = load_into(model, CHECKPOINT, head="skip")
model.freeze_stages(0)
print("kept as they were:", *loaded.skipped)

# %% [markdown]
# ```
# kept as they were: classifier.1.weight classifier.1.bias
# ```
#
# ## The training
#
# The head starts at random and gets ten times the rate of the rest. A trained network needs no
# temperature of 30 again: a short fall from 3 to 1 is enough.


# %% tags=["rounded"]
def accuracy(model):
    model.eval()
    with torch.no_grad():
        return (model(test_images).argmax(1) == test_labels).float().mean().item()


def train(model, steps=40):
    head = set(model.get_classifier().parameters())
    body = [p for p in model.parameters() if p.requires_grad and p not in head]
    groups = [{"params": body, "lr": 0.005}, {"params": list(head), "lr": 0.05}]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    scheduler = TemperatureScheduler(model, steps=steps // 2, start=3.0)
    model.train()
    for step in range(steps):
        chosen = torch.arange(step * 20, step * 20 + 20) % len(train_labels)
        loss = nn.functional.cross_entropy(model(train_images[chosen]), train_labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    return accuracy(model)


print(f"before {accuracy(model):.0%}, after {train(model):.0%}")

# %% [markdown]
# ```
# before 36%, after 88%
# ```
#
# ## What the checkpoint is worth
#
# The same training of the same network from random weights:

# %% tags=["rounded"]
torch.manual_seed(0)
fresh = create_model("od_mobilenetv2_100", kernel_num=4, num_classes=3, stages=STAGES)
print(f"from random weights {train(fresh):.0%}")

# %% [markdown]
# ```
# from random weights 29%
# ```
#
# One run of one seed says little: [what a start is worth](../accuracy.md#what-a-start-is-worth) has
# five seeds in three frameworks.
