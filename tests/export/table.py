"""Exports networks to every format that torch writes, and prints what each file is.

    python -m tests.export.table [--networks NAME ...] [--targets NAME ...] [--size N]

Each row is a network with random arrays and 1000 classes: the largest difference from eager torch
over the batches that the file was played at, the nodes of its graph, its bytes, and the processor
seconds of the export with its proof. `od` with 1x and 4x has one and four kernels.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from odconv.exporting.export import export
from odconv_spec import BackboneSpec, model_spec, to_json
from tests.converter.helpers import arrays_of, save
from weights_converter import Request

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "od 1x": ("od", {"kernel_num": 1}),
    "od 4x": ("od", {"kernel_num": 4}),
    **{
        kind: (kind, {}) for kind in ("dy", "cond", "cgc", "we", "dcd", "kw", "fdconv", "weightnet")
    },
}
BACKBONES = ("resnet18", "mobilenetv2_050")
TARGETS = {"onnx": "a.onnx", "openvino": "a.xml", "pt2": "a.pt2", "torchscript": "a.torchscript"}


def networks() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What a row is called, and how its network is made."""
    from odconv_spec import list_models

    for backbone in BACKBONES:
        for label, (kind, options) in KINDS.items():
            if f"{kind}_{backbone}" in list_models():
                yield f"{label} {backbone}", f"{kind}_{backbone}", options
    yield "weightnet shufflenetv2_050", "weightnet_shufflenetv2_050", {}


def row(spec: BackboneSpec, target: str, size: int, folder: Path) -> str:
    """One export, as cells of a table."""
    checkpoint = folder / "a.pth"
    if not checkpoint.exists():
        save(checkpoint, spec, arrays_of(spec))
        (folder / "spec.json").write_text(to_json(spec), encoding="utf-8")
    start = time.process_time()
    request = Request(checkpoint, folder / "spec.json")
    path = folder / TARGETS[target]
    found = export(request, path, size=size, tolerance=1.0)
    seconds = time.process_time() - start
    batches = ", ".join(str(trial.batch) for trial in found.proof.trials)
    megabytes = found.nbytes / 1e6
    return (
        f"{found.proof.difference:.1e} | {batches} | {nodes(path, target)} | {megabytes:.1f} | "
        f"{seconds:.0f}"
    )


def nodes(path: Path, target: str) -> int:
    """Operators of the graph, without constants."""
    if target == "onnx":
        import onnx

        return len(onnx.load(path).graph.node)
    if target == "openvino":
        import openvino

        operations = openvino.Core().read_model(path).get_ordered_ops()
        return sum(op.get_type_name() not in ("Constant", "Convert") for op in operations)
    import torch

    if target == "pt2":
        graph = torch.export.load(path).graph
        return sum(node.op == "call_function" for node in graph.nodes)
    graph = torch.jit.load(path).inlined_graph
    return sum(n.kind() not in ("prim::Constant", "prim::GetAttr") for n in graph.nodes())


def main(words: list[str]) -> None:
    parser = ArgumentParser(prog="python -m tests.export.table", description=__doc__)
    names = [label for label, *_ in networks()]
    parser.add_argument("--networks", nargs="+", default=names, metavar="NAME", help=str(names))
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--size", type=int, default=224)
    options = parser.parse_args(words)
    say(
        "| network | target | equal | batches | nodes | MB | CPU s |\n|---|---|---|---|---|---|---|"
    )
    for label, name, own in networks():
        if label not in options.networks:
            continue
        with TemporaryDirectory() as folder:
            for target in options.targets:
                cells = row(model_spec(name, **own), target, options.size, Path(folder))
                say(f"| {label} | {target} | {cells} |")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
