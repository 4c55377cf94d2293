"""Formulas as MathML, which browsers draw by themselves: no script, no fonts of another host."""

from __future__ import annotations

import re
from html import unescape

from latex2mathml.converter import convert

# As pymdownx.arithmatex writes them with `generic: true`.
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def with_formulas(html: str) -> str:
    """The page with every formula as MathML."""
    return _FORMULA.sub(_formula, html)


def _formula(found: re.Match[str]) -> str:
    tag, bracket, latex = found.groups()
    display = "block" if bracket == "[" else "inline"
    return f'<{tag} class="formula">{convert(unescape(latex), display=display)}</{tag}>'
