"""The pages of the commands, made from their parsers: what `--help` prints, as a page."""

from __future__ import annotations

import re
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from docs_site.parsers import command_parsers, module_parsers

_FOLDER: Final = "reference/command"


def command_pages() -> Mapping[str, str]:
    """Path below docs/ -> Markdown: a page for each command, and for each group of modules."""
    pages = {
        f"{_FOLDER}/{_file(prog)}.md": "\n".join(_page(parser, 1))
        for prog, parser in command_parsers().items()
    }
    return pages | {
        _module_page(title): "\n".join((f"# python -m: {title}", "", *_sections(parsers)))
        for title, parsers in module_parsers().items()
    }


def command_nav() -> list[dict[str, str]]:
    """What the navigation has for these pages."""
    pages = [{prog: f"{_FOLDER}/{_file(prog)}.md"} for prog in command_parsers()]
    return [*pages, *({f"python -m: {title}": _module_page(title)} for title in module_parsers())]


def _file(prog: str) -> str:
    return "index" if prog == "odconv" else prog.removeprefix("odconv ")


def _module_page(title: str) -> str:
    return f"{_FOLDER}/python-m-{title}.md"


def _sections(parsers: Sequence[ArgumentParser]) -> Iterator[str]:
    for parser in parsers:
        yield from (*_page(parser, 2), "")


def _page(parser: ArgumentParser, level: int) -> Iterator[str]:
    yield f"{'#' * level} {parser.prog}"
    yield ""
    yield _text(parser.description or "")
    yield from _block(parser.format_usage().removeprefix("usage: "))
    for group in parser._action_groups:
        shown = [action for action in group._group_actions if action.help != SUPPRESS]
        if shown:
            yield f"**{(group.title or '').capitalize()}**"
            yield ""
            yield from _definitions(shown)
    yield from _epilog(parser.epilog or "")


def _definitions(actions: Sequence[Action]) -> Iterator[str]:
    """A definition list: how each option is written, and its help."""
    for action in actions:
        if subcommands := getattr(action, "_choices_actions", None):
            for command in subcommands:
                yield f"[`{command.dest}`]({command.dest}.md)"
                yield from _definition(command.help)
            continue
        yield f"`{_written(action)}`"
        yield from _definition(action.help % vars(action) if action.help else None)


def _definition(text: str | None) -> Iterator[str]:
    yield f":   {_text(text or '')}"
    yield ""


def _written(action: Action) -> str:
    """An option as a command line has it, such as `--key KEY`."""
    value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if action.choices is not None and action.metavar is None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return str(value)
    if action.nargs == 0:
        return ", ".join(action.option_strings)
    return f"{', '.join(action.option_strings)} {value}"


def _epilog(text: str) -> Iterator[str]:
    """Examples and exit codes; each begins with a line that ends in a colon."""
    for part in filter(None, re.split(r"\n\n", text)):
        title, _, rest = part.partition("\n")
        yield f"**{title.rstrip(':').capitalize()}**"
        lines = [line.removeprefix("  ") for line in rest.splitlines()]
        if title == "exit codes:":
            yield from ("", "| code | meaning |", "|---|---|")
            yield from (f"| {code} | {_text(said)} |" for code, said in map(_code, lines))
            yield ""
        else:
            yield from _block("\n".join(lines))


def _code(line: str) -> tuple[str, str]:
    code, said = line.split(maxsplit=1)
    return code, said


def _block(text: str) -> Iterator[str]:
    yield from ("", "```sh", text.strip(), "```", "")


def _text(text: str) -> str:
    """Help text as Markdown: what an option or a pattern looks like is shown as code."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else _as_code(part) for part in parts)


def _as_code(text: str) -> str:
    marked = re.sub(r"(?<![\w`-])(--[a-z][\w-]*|\*?\.[a-z][\w.]*\b)", r"`\1`", text)
    return re.sub(r"(?<!\w)'([^']+)'", r"`\1`", marked).replace("*.*", r"\*.\*")
