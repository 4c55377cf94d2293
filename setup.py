"""The description that package indexes show; everything else stands in pyproject.toml.

It is README.md, whose links to files would lead nowhere outside the repository: they become whole
addresses, at the tag of the version.
"""

import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
IMAGES = (".png", ".svg")


def described(readme: str, repository: str, tag: str) -> str:
    """A text whose links to files of the repository are whole addresses."""

    def whole(link: "re.Match[str]") -> str:
        target = link[1]
        if re.match(r"[a-z]+:|#", target):
            return link[0]
        place = "raw" if target.endswith(IMAGES) else "blob"
        return f"]({repository}/{place}/{tag}/{target})"

    return re.sub(r"\]\(([^)\s]+)\)", whole, readme)


def only(pattern: str, file: str) -> str:
    """What the pattern's group matches in a file of the repository, where it occurs once."""
    (text,) = re.findall(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    return text


setup(
    long_description=described(
        (ROOT / "README.md").read_text(encoding="utf-8"),
        only(r'^Repository = "(.*)"$', "pyproject.toml"),
        "v" + only(r'^__version__.* = "(.*)"$', "odconv_spec/version.py"),
    ),
    long_description_content_type="text/markdown",
)
