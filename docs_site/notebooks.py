"""Notebooks kept as text, in the percent format that Jupyter opens with jupytext.

A cell begins with `# %%` or `# %% [markdown]`. The text below a cell of code begins with what the
code prints, in a block without a language; tests/together/test_notebooks.py runs the code and
compares. The tag "rounded" says that the printed numbers depend on the machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from docs_site.names import ROOT

FOLDER: Final = ROOT / "docs" / "notebooks"
_CELL = re.compile(r"^# %%(.*)\n", re.MULTILINE)
_OUTPUT = re.compile(r"```\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Cell:
    """A cell: code, or text as Markdown.

    Attributes:
        source: without the comment signs of text.
        is_code: whether it is run.
        rounded: whether its printed numbers depend on the machine.
    """

    source: str
    is_code: bool
    rounded: bool = False


def cells(text: str) -> Sequence[Cell]:
    """The cells of a notebook."""
    _, *parts = _CELL.split(text)
    return [_cell(head, body) for head, body in zip(parts[::2], parts[1::2], strict=True)]


def printed(below: Cell) -> str:
    """What the text below a cell of code says that it prints; "" where it says nothing."""
    output = _OUTPUT.match(below.source)
    return output[1] if output and not below.is_code else ""


def notebook_pages() -> Mapping[str, str]:
    """Path below docs/ -> Markdown."""
    return {
        f"notebooks/{path.stem}.md": "\n\n".join(
            _markdown(cell) for cell in cells(path.read_text(encoding="utf-8"))
        )
        for path in sorted(FOLDER.glob("*.py"))
    }


def _cell(head: str, body: str) -> Cell:
    if "[markdown]" not in head:
        return Cell(body.strip(), True, '"rounded"' in head)
    lines = (line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines())
    return Cell("\n".join(lines), False)


def _markdown(cell: Cell) -> str:
    return f"```python\n{cell.source}\n```" if cell.is_code else cell.source
