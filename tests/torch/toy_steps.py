"""What the toys go through in a process that has them installed; says what it finds as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from odconv_spec import list_models, model_spec, to_json
from odconv_torch import create_model, replace_convs
from odconv_torch.layers import build_conv
from parity_tests.reference import random_arrays
from weights_converter import assign, convert, extract, inspect, verify
from weights_converter.identify.contradictions import contradiction
from weights_converter.identify.open_model import open_model
from weights_converter.names.dialect_tables import dialects
from weights_converter.names.grammar import canonical_parameters
from weights_converter.names.layouts import LAYOUTS

NETWORKS = {
    "toy_toynet": {"num_classes": 5, "kernel_num": 3},
    "toynet": {"num_classes": 5},
    "od_toynet": {"num_classes": 5, "kernel_num": 2},
    "cond_toynet": {"num_classes": 5, "kernel_num": 2},
    "toy_resnet18": {"num_classes": 5, "stages": ((8, 1), (12, 1)), "stem_channels": 8},
}


def network(name: str) -> torch.nn.Module:
    """A network with random arrays, statistics included."""
    model = create_model(name, **NETWORKS[name]).eval()
    assign(model, random_arrays(model.spec.parameters(), 1, "float32"))
    return model


def created(name: str, folder: Path) -> dict[str, object]:
    model = network(name)
    stored = [key for key in model.state_dict() if not key.endswith("num_batches_tracked")]
    return {
        "listed": name in list_models(),
        "output": list(model(torch.rand(2, 3, 40, 32)).shape),
        "names": stored == [p.name for p in model.spec.parameters()],
    }


def converted(name: str, folder: Path) -> dict[str, object]:
    """There and back through the layout of Keras; no file says which model it is of."""
    model = network(name)
    path = folder / f"{name}.pth"
    torch.save(model.state_dict(), path)
    for ending in (".safetensors", ".weights.h5", ".back.safetensors"):
        convert(path, path := folder / f"{name}{ending}")
    arrays = extract(model)
    back = {key: tensor.load() for key, tensor in open_model(path).tensors.items()}
    return {
        "inferred": inspect(folder / f"{name}.pth").spec == model.spec,
        "bits": all(arrays[key].tobytes() == back[key].tobytes() for key in arrays | back),
        "verified": verify(folder / f"{name}.pth", folder / f"{name}.weights.h5").equal,
        "metadata": open_model(path).source.metadata["odconv.spec"] == to_json(model.spec),
    }


def in_layouts(name: str, folder: Path) -> dict[str, object]:
    """What the grammar of names makes of the arrays, under the names and axes of each framework."""
    parameters = model_spec(name, **NETWORKS[name]).parameters()
    found = {}
    for layout in LAYOUTS.values():
        stored = {layout.stored_name(p): layout.stored_shape(p.role, p.shape) for p in parameters}
        found[layout.name] = set(canonical_parameters(stored, layout).values()) == set(parameters)
    return found


def lone_layer(name: str, folder: Path) -> dict[str, object]:
    """A layer of the kind, over the number of axes in the name, in a file of its own."""
    kind, rank = name[:-1], int(name[-1])
    spec = model_spec(f"{kind}_toynet").conv(
        in_channels=8, out_channels=6, kernel_size=3, groups=2, rank=rank, bias=True
    )
    layer = build_conv(spec)
    torch.save(layer.state_dict(), folder / f"{name}.pth")
    weights = open_model(folder / f"{name}.pth")
    return {"name": weights.spec.name, "arrays": weights.spec.parameters() == spec.parameters()}


def contradicted(name: str, folder: Path) -> dict[str, object]:
    shapes = {p.name: p.shape for p in model_spec("toy_toynet").parameters()}
    return {"text": str(contradiction(model_spec("toy_toynet", kernel_num=2), shapes, "x.pth"))}


def wild(name: str, folder: Path) -> dict[str, object]:
    """A checkpoint with the names of the other code."""
    model = network(name)
    other = next(dialect for dialect in dialects() if "toys" in dialect.name)
    state = {other.wild(key): value for key, value in model.state_dict().items()}
    torch.save(state, folder / "wild.pth")
    weights = open_model(folder / "wild.pth")
    arrays = extract(model)
    return {
        "renamed": sum(key not in model.state_dict() for key in state),
        "inferred": weights.spec == model.spec,
        "bits": all(np.array_equal(arrays[key], t.load()) for key, t in weights.tensors.items()),
    }


def replaced(name: str, folder: Path) -> dict[str, object]:
    """The convolutions of a static network by toys, which start as what they replace."""
    model = create_model(name, num_classes=5).double().eval()
    x = torch.rand(2, 3, 40, 32, dtype=torch.float64)
    before = model(x)
    changed = replace_convs(model, "toy")
    after = changed.model(x)
    return {"layers": len(changed.changes), "error": (after - before).abs().max().item()}


STEPS = {
    "created": (created, tuple(NETWORKS)),
    "converted": (converted, tuple(NETWORKS)),
    "in_layouts": (in_layouts, tuple(NETWORKS)),
    "lone_layer": (lone_layer, ("toy1", "toy2", "toy3")),
    "contradicted": (contradicted, ("toy_toynet",)),
    "replaced": (replaced, ("toynet",)),
    "wild": (wild, ("toy_toynet",)),
}

if __name__ == "__main__":
    found = {
        step: {name: run(name, Path(sys.argv[1])) for name in names}
        for step, (run, names) in STEPS.items()
    }
    print(json.dumps(found))
