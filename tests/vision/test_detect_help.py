"""`--help` of `python -m odconv_torch.detect` and of its commands prints what the site shows."""

from __future__ import annotations

import pytest

from docs_site.parsers import module_parsers
from odconv_torch.detect.command import main


@pytest.mark.parametrize("parser", module_parsers()["detectors"], ids=lambda parser: parser.prog)
def test_help_is_all_that_it_does(parser, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main([*parser.prog.split()[3:], "--help"])
    assert (stopped.value.code, capsys.readouterr().out) == (0, parser.format_help())
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_command_has_nothing_to_resume(monkeypatch, tmp_path, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("odconv_torch.detect.command.write_shapes", interrupt)
    assert main(["shapes", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "interrupted\n"
