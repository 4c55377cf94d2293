"""How many calls of Python a model takes in our packages: to be made, and forward.

    python -m tests.calls {torch,paddle,keras} [--model od_resnet18] [--list]

Counts, by a hook of Python's profiler, the functions of odconv_spec and the framework's package
that are called by `create_model` and by one eager forward of a batch of one, and the files they are
in. The first call, which imports and compiles, is not counted. `layer` is the model's first dynamic
convolution alone. `--list` names the functions of the forward with the number of their calls. To
count another tree, run this file by its path with that tree's root as PYTHONPATH.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

FRAMEWORKS = ("torch", "paddle", "keras")
SIZE = 64  # of the image, height and width
# Python 3.12 has no functions for these any more.
UNCOUNTED = ("<listcomp>", "<setcomp>", "<dictcomp>")


def main(arguments: Sequence[str]) -> int:
    parser = ArgumentParser(prog="python -m tests.calls", description=__doc__)
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("--model", default="od_resnet18", help="a name of list_models()")
    parser.add_argument("--list", action="store_true", help="name the functions of the forward")
    options = parser.parse_args(arguments)
    package = import_module(f"odconv_{options.framework}")

    def create() -> Any:
        return package.create_model(options.model)

    create()
    _say(f"{options.framework}: create_model {_summary(_calls(create))}")
    model = create()
    layer, width = _first_dynamic(options.framework, model)
    for name, call in (
        ("layer", _forward(options.framework, layer, width, SIZE // 4)),
        ("forward", _forward(options.framework, model, 3, SIZE)),
    ):
        call()
        found = _calls(call)
        _say(f"{options.framework}: {name} {_summary(found)}")
    for code, count in found.most_common() if options.list else ():
        _say(f"{count:6} {code.co_filename}:{code.co_firstlineno} {code.co_name}")
    return 0


def _calls(run: Callable[[], Any]) -> Counter[CodeType]:
    """The functions of our packages that `run` calls, and how often."""
    called: Counter[CodeType] = Counter()

    def hook(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called[frame.f_code] += 1

    sys.setprofile(hook)
    run()
    sys.setprofile(None)
    root = Path(str(import_module("odconv_spec").__file__)).parents[1]
    return Counter({code: n for code, n in called.items() if _is_ours(code, root)})


def _is_ours(code: CodeType, root: Path) -> bool:
    return code.co_filename.startswith(f"{root}/odconv_") and code.co_name not in UNCOUNTED


def _first_dynamic(framework: str, model: Any) -> tuple[Any, int]:
    """The first dynamic convolution of a model, and the width of its input."""
    kind = import_module(f"odconv_{framework}.layers").DynamicConv
    walk = {"torch": "modules", "paddle": "sublayers", "keras": "_flatten_layers"}[framework]
    layer = next(child for child in getattr(model, walk)() if isinstance(child, kind))
    return layer, layer.spec.in_channels


def _forward(framework: str, layer: Any, width: int, size: int) -> Callable[[], Any]:
    """One eager forward of random maps, in inference."""
    module = import_module(framework)
    if framework == "keras":
        x = module.random.normal((1, size, size, width))
        return lambda: layer(x, training=False)
    x = module.rand([1, width, size, size])
    layer.eval()

    def run() -> Any:
        with module.no_grad():
            return layer(x)

    return run


def _summary(called: Counter[CodeType]) -> str:
    files = {code.co_filename for code in called}
    return f"{called.total()} calls in {len(files)} files"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
