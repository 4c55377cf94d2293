"""The documents and their examples, each with the environment that it runs in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from odconv.demonstration.files import lay_out

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "examples/*.md")
    for path in ROOT.glob(pattern)
)
WITH_EXAMPLES = [page for page in PAGES if page == "README.md" or page.startswith("docs/")]
BLOCK = re.compile(r"<!-- run: (\w+) -->\n```python\n(.*?)```", re.DOTALL)


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


BLOCKS = [
    (framework, f"{page}, example {number}", code)
    for page in WITH_EXAMPLES
    for number, (framework, code) in enumerate(BLOCK.findall(text_of(page)), start=1)
]
# One process for all, as importing a framework takes longer than its examples.
RUN_ALL = """
import json, sys
for title, code in json.load(sys.stdin):
    exec(compile(code, title, "exec"), {})
"""


def examples_of(environment):
    """Title and code of the examples of a framework, of "export" or of "vision"."""
    examples = [block[1:] for block in BLOCKS if block[0] == environment]
    assert examples
    return examples


def lay_out_for_readers(folder):
    """Puts into a folder what the examples read: the files of `odconv demo`, and `examples/`."""
    lay_out(folder / "odconv_demo")
    (folder / "examples").symlink_to(ROOT / "examples")


def run_examples(environment, **variables):
    """Runs the examples of an environment in a process of their own."""
    examples = examples_of(environment)
    with TemporaryDirectory() as folder:
        lay_out_for_readers(Path(folder))
        run = subprocess.run(
            [sys.executable, "-c", RUN_ALL],
            input=json.dumps(examples),
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stderr[-3000:]
