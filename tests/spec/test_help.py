"""The help of every command reads well: every option is described, every example can be parsed."""

from __future__ import annotations

import re
import shlex

import pytest

from docs_site.command_pages import command_pages
from docs_site.parsers import command_parsers, module_parsers
from odconv.parser import parser_for
from tests.documents import PAGES, text_of

MODULES = {parser.prog: parser for group in module_parsers().values() for parser in group}
PARSERS = {**command_parsers(), **MODULES}
# As documents write a module of ours that is run, and the command behind it.
RUN = re.compile(r"-m ((?:odconv_\w+|parity_tests|benchmarks)[\w.]*)(?: ([a-z]+)\b)?")
# A description that needs the option's name to be read, such as "of the images".
FRAGMENT = re.compile(r"(of|that|which|whose|at|over|by|default:|may be) ")


@pytest.mark.parametrize("prog", PARSERS)
def test_every_option_is_described(prog):
    actions = [action for action in PARSERS[prog]._actions if action.metavar != "COMMAND"]
    undescribed = [action.dest for action in actions if not action.help]
    assert undescribed == []
    fragments = [a.help for a in actions if FRAGMENT.match(a.help)]
    assert fragments == []


@pytest.mark.parametrize("prog", PARSERS)
def test_the_description_is_a_sentence(prog):
    first = PARSERS[prog].description.split("\n\n")[0]
    assert first[0].isupper() and first.endswith(".")


@pytest.mark.parametrize("prog", PARSERS)
def test_every_example_can_be_parsed(prog):
    examples = re.findall(rf"^  ({prog}.*)$", PARSERS[prog].epilog, re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example)[len(prog.split()) :]
        if prog.startswith("odconv"):
            words = shlex.split(example)[1:]
            if "--help" not in words:
                parser_for(words).options(words)
        else:
            PARSERS[prog].parse_args(words)


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_a_document_runs_has_a_page(page):
    """Those of tests/ are for who works on this repository; CONTRIBUTING.md says what they do."""
    for module, command in RUN.findall(text_of(page)):
        framework = module.replace("odconv_F", "odconv_torch")
        progs = {f"python -m {framework}", f"python -m {framework} {command}"}
        assert progs & MODULES.keys(), module


def test_one_page_has_every_option():
    text = "\n".join(command_pages().values())
    options = {
        option
        for parser in PARSERS.values()
        for action in parser._actions
        for option in action.option_strings
    }
    missing = [option for option in options if not re.search(rf"{option}\b", text)]
    assert missing == []
