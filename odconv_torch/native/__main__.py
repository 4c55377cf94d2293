"""`python -m odconv_torch.native build`: compiles what `set_strategy(model, "native")` loads."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from odconv_torch.native.library import build, path
from odconv_torch.parsers import native_parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = native_parser().parse_args(arguments)
    if path().exists() and not options.force:
        sys.stdout.write(f"{path()} is there already\n")
        return 0
    start = time.monotonic()
    try:
        built = build()
    except RuntimeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"built {built} in {time.monotonic() - start:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
