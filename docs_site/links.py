"""Fetches every address that the documents and the docstrings name, and says which do not answer.

    python -m docs_site.links [--list]

Links of others break without a change here, so that `make links` runs this and CI does not. An
address is asked for by HEAD, and by GET where that fails, because some servers know no HEAD. A host
that refuses programs (401, 403, 429) is shown for a look by eye, and is no failure; a fragment
(#...) is not looked for on the page. `--list` shows the addresses with their places and fetches
none. The exit code is 1 where an address does not answer.
"""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Final, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urldefrag
from urllib.request import Request, urlopen

from docs_site.names import PACKAGES, ROOT

# The text of an address ends before what Markdown, Python and YAML put around it; a host has a dot.
ADDRESS: Final = re.compile(r"https?://[\w-]+\.[^\s\"'`<>()\[\]{}|\\,;*]+")
# What follows belongs to a template or a regular expression, of which the address is a part.
TEMPLATE: Final = ("{", "\\")
TEXTS: Final = ("*.md", "*.cff", "*.toml", "*.yml", "docs/**/*.md", "docs/**/*.py", "examples/*.md")
SOURCES: Final = ("*.py", *(f"{package}/**/*.py" for package in PACKAGES), ".github/**/*")
REFUSALS: Final = (401, 403, 429)
METHODS: Final = ("HEAD", "GET")
SECONDS: Final = 20.0
AT_ONCE: Final = 8

Places = Mapping[str, Sequence[str]]
"""Address without its fragment -> each "file:line" that names it."""


class Answer(NamedTuple):
    """What became of an address: the status of the server, 0 without one, and a word on it."""

    status: int
    word: str

    @property
    def refused(self) -> bool:
        return self.status in REFUSALS

    @property
    def failed(self) -> bool:
        return not (200 <= self.status < 400 or self.refused)


def addresses(root: Path = ROOT) -> Places:
    """Every address of the documents, the metadata and the source, in the order of the files."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in _files(root):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            for address in addresses_in(line):
                found[address].append(f"{path.relative_to(root)}:{number}")
    return found


def addresses_in(text: str) -> Iterator[str]:
    """The addresses in a text, without their fragments; parts of templates are none."""
    for match in ADDRESS.finditer(text):
        if not text.startswith(TEMPLATE, match.end()):
            yield urldefrag(match[0].rstrip(".:!?")).url


def fetched(address: str, seconds: float = SECONDS) -> Answer:
    """Asks for an address, and follows where it has moved."""
    answer = Answer(0, "")
    for method in METHODS:
        answer = _asked(address, method, seconds)
        if 200 <= answer.status < 400:
            break
    return answer


def report(places: Places, answers: Mapping[str, Answer]) -> str:
    """A line for each address that did not answer, those that failed last, and their numbers."""
    refused = [address for address, answer in answers.items() if answer.refused]
    failed = [address for address, answer in answers.items() if answer.failed]
    lines = [
        f"{verdict:<8} {answers[address].word}  {address}  in {', '.join(places[address])}"
        for verdict, group in (("refused", refused), ("FAILED", failed))
        for address in group
    ]
    well = len(answers) - len(refused) - len(failed)
    lines.append(
        f"{len(answers)} addresses: {well} answer, {len(refused)} refuse programs, "
        f"{len(failed)} failed"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Prints what does not answer.

    Args:
        arguments: of the command line.
        root: of the repository.

    Returns:
        The exit code.
    """
    parser = ArgumentParser(prog="python -m docs_site.links", description=__doc__)
    parser.add_argument("--list", action="store_true", help="show the addresses, and fetch none")
    options = parser.parse_args(arguments)
    places = addresses(root)
    if options.list:
        _say(f"{address}  in {', '.join(where)}" for address, where in sorted(places.items()))
        return 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(zip(places, pool.map(fetched, places), strict=True))
    _say([report(places, answers)])
    return int(any(answer.failed for answer in answers.values()))


def _files(root: Path) -> Iterator[Path]:
    """Each file once, in the order of the patterns."""
    every = (path for pattern in (*TEXTS, *SOURCES) for path in sorted(root.glob(pattern)))
    return iter(dict.fromkeys(path for path in every if path.is_file()))


def _asked(address: str, method: str, seconds: float) -> Answer:
    # Some servers refuse what calls itself urllib.
    headers = {"User-Agent": "Mozilla/5.0 (compatible; links of odconv)", "Accept": "*/*"}
    try:
        with urlopen(Request(address, headers=headers, method=method), timeout=seconds) as reply:
            return Answer(reply.status, str(reply.status))
    except HTTPError as error:
        return Answer(error.code, f"{error.code} {error.reason}")
    except (OSError, HTTPException, ValueError) as error:  # no host, no answer, no such address
        return Answer(0, str(getattr(error, "reason", error)) or type(error).__name__)


def _say(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
