"""How many lines of the same file are equal in two framework packages.

    python -m tests.equal_lines train [tools layers models ...]

Reads odconv_torch/FOLDER, odconv_paddle/FOLDER and odconv_keras/FOLDER, replaces the words that
each framework has for the same thing, and compares files of the same name in pairs. Blank lines and
imports are not counted. The share is that of the lines of both files which are equal and in the
same order. A high share says that the file has a neutral half, which should stand once. To count
another tree, run this file by its path with `--root`.
"""

from __future__ import annotations

import ast
import re
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

FRAMEWORKS = ("torch", "paddle", "keras")
# What each framework calls the same thing; of several words for it, the longest stands first.
WORDS = (
    (r"pytorch|torch|paddle|keras", "framework"),
    (r"framework\.(Model|Layer)\b|\bnn\.(Module|Layer)\b", "Module"),
    (r"\bsublayers\b|\b_flatten_layers\b", "modules"),
    (r"\blayers?\b", "module"),
    (r"framework\.Tensor|np\.ndarray", "Tensor"),
    (r"\b(Conv|BatchNorm|MaxPool|AvgPool)([123])[dD]\b", r"\1\2D"),
    (r"optimiser", "optimizer"),
)


def main(arguments: Sequence[str]) -> int:
    parser = ArgumentParser(prog="python -m tests.equal_lines", description=__doc__)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="such as train or tools")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="of a tree")
    options = parser.parse_args(arguments)
    for folder in options.folders:
        _say("\n".join(table(options.root, folder)))
    return 0


def table(root: Path, folder: str) -> list[str]:
    """Markdown: a row for each file, then the sum.

    Args:
        root: of the repository.
        folder: of each framework package, such as "train".

    Returns:
        The lines of the table: those of each file in each package, and the percentage of equal
        lines of each pair, empty where a package has no such file.
    """
    pairs = list(combinations(FRAMEWORKS, 2))
    packages = {name: _read(root / f"odconv_{name}" / folder) for name in FRAMEWORKS}
    head = [folder, *FRAMEWORKS, *(f"{one} = {other}" for one, other in pairs)]
    rows = [head, ["---"] * len(head)]
    equal = dict.fromkeys(pairs, 0)
    for file in sorted(set().union(*packages.values())):
        texts = {name: packages[name].get(file, []) for name in FRAMEWORKS}
        shares = []
        for pair in pairs:
            one, other = texts[pair[0]], texts[pair[1]]
            same = equal_lines(one, other)
            equal[pair] += same
            shares.append(_percent(same, one, other) if one and other else "")
        rows.append([file, *(str(len(text) or "") for text in texts.values()), *shares])
    whole = {name: [line for text in packages[name].values() for line in text] for name in packages}
    shares = [_percent(equal[pair], whole[pair[0]], whole[pair[1]]) for pair in pairs]
    rows.append(["all", *(str(len(text)) for text in whole.values()), *shares])
    return [f"| {' | '.join(row)} |" for row in rows]


def equal_lines(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines are equal and in the same order, as a diff finds them."""
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks)


def _read(folder: Path) -> dict[str, list[str]]:
    return {path.name: neutral_lines(path.read_text("utf-8")) for path in folder.glob("*.py")}


def neutral_lines(text: str) -> list[str]:
    """The lines of a file without blanks and imports, in the words of no framework."""
    imports = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = [line for number, line in enumerate(text.splitlines(), 1) if number not in imports]
    return [_neutral(line) for line in lines if line.strip()]


def _neutral(line: str) -> str:
    for word, replacement in WORDS:
        line = re.sub(word, replacement, line, flags=re.IGNORECASE)
    return line


def _percent(equal: int, one: Sequence[str], other: Sequence[str]) -> str:
    return f"{200 * equal / (len(one) + len(other)):.0f} %"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
