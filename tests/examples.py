"""Every public layer, network and tool has an example in its docstring, which gives what it says.

The examples of the documents run, too. A suite imports the tests and gives the fixture `kit`, the
file of that name beside it.
"""

from __future__ import annotations

import doctest
from importlib import import_module

import odconv_spec
from tests.documents import examples_of, lay_out_for_readers

PARTS = ("hub", "layers", "models", "tools")
# A table, and what odconv_spec documents.
ELSEWHERE = {"DYNAMIC", "Replaced", "Replacement", "list_models"}


def test_examples_of_the_documents_run(kit, monkeypatch, tmp_path):
    lay_out_for_readers(tmp_path)
    monkeypatch.chdir(tmp_path)
    for title, code in examples_of(kit.package.__name__.removeprefix("odconv_")):
        exec(compile(code, title, "exec"), {})


def test_public_names_have_examples_that_run(kit):
    package = kit.package.__name__
    modules = [import_module(f"{package}.{part}") for part in PARTS]
    framework = package.removeprefix("odconv_")
    known = vars(odconv_spec) | {framework: import_module(framework)}
    for module in modules:
        known |= {name: getattr(module, name) for name in module.__all__}
    known["nn"] = getattr(known[framework], "nn", None)  # of torch and Paddle
    names = {name for module in modules for name in module.__all__} - ELSEWHERE
    check_examples({name: (known[name], known) for name in names})


def check_examples(public):
    """Runs the examples of all names, and of their methods; each name must have one.

    Args:
        public: name -> the object, and what its examples know by name.
    """
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    without, inherited = set(), set()
    for name, (value, known) in public.items():
        tests = doctest.DocTestFinder().find(value, name, globs=dict(known))
        without |= {test.name for test in tests if test.name == name and not test.examples}
        for base in bases(value) - inherited:
            tests += doctest.DocTestFinder().find(base, base.__name__, globs=dict(known))
            inherited.add(base)
        for test in tests:
            runner.run(test)
    assert without == set(), f"without an example: {sorted(without)}"
    assert runner.failures == 0, "see the output above"


def bases(value):
    """The classes of this project that a class has its methods from."""
    mro = value.__mro__[1:] if isinstance(value, type) else ()
    ours = ("odconv_", "weights_converter")
    return {base for base in mro if base.__module__.startswith(ours)}
