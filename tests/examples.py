"""Every public function and class has an example in its docstring, which gives what it says.

The examples of the documents run, too. A suite imports the tests and gives the fixture `kit`, the
file of that name beside it.
"""

from __future__ import annotations

import doctest
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import odconv_spec
from docs_site.names import public_names
from tests.documents import examples_of, lay_out_for_readers

# Suite -> packages of whose docstrings it runs the examples, with what is below them.
SUITES: Final = {
    "spec": ("odconv_spec",),
    "torch": ("odconv_torch",),
    "paddle": ("odconv_paddle",),
    "keras": ("odconv_keras",),
    "training": ("odconv_training",),
    "together": ("odconv", "parity_tests", "weights_converter"),
    "vision": ("odconv_torch.detect", "odconv_torch.detection", "odconv_torch.ultralytics"),
}


def packages_of(suite: str) -> list[str]:
    """The packages that list public names, and whose examples a suite runs."""
    return [package for package in public_names() if _suite_of(package) == suite]


def public_objects(suite: str) -> Mapping[str, Any]:
    """Path -> each function and class of these packages, once; without those of other suites."""
    names = public_names()
    every = {f"{p}.{name}": _listed(p, name) for p in packages_of(suite) for name in names[p]}
    home = {path: getattr(value, "__module__", "") for path, value in every.items()}
    own = {every[path]: path for path in every if home[path] and _suite_of(home[path]) == suite}
    return {path: value for value, path in own.items() if callable(value)}


def names_for_readers(*suites: str) -> dict[str, Any]:
    """What an example knows beside the names of its module: the public names of some packages."""
    packages = [package for suite in suites for package in packages_of(suite)]
    return {name: _listed(p, name) for p in packages for name in public_names()[p]}


def check_public(suite: str, known: Mapping[str, Any]) -> None:
    """Runs the examples of all public functions and classes of a suite's packages."""
    public = public_objects(suite)
    assert public
    check_examples({path: (value, known) for path, value in public.items()})


def _suite_of(package: str) -> str | None:
    """The suite that names the package, or the innermost package that it is in."""
    above = [package.rsplit(".", count)[0] for count in range(package.count(".") + 1)]
    found = ((suite, name) for name in above for suite, roots in SUITES.items() if name in roots)
    return next((suite for suite, _ in found), None)


def _listed(package: str, name: str) -> Any:
    return getattr(import_module(package), name)


def test_examples_of_the_documents_run(kit, monkeypatch, tmp_path):
    lay_out_for_readers(tmp_path)
    monkeypatch.chdir(tmp_path)
    for title, code in examples_of(kit.package.__name__.removeprefix("odconv_")):
        exec(compile(code, title, "exec"), {})


def test_public_names_have_examples_that_run(kit, monkeypatch, tmp_path):
    lay_out_for_readers(tmp_path)
    monkeypatch.chdir(tmp_path)
    suite = kit.package.__name__.removeprefix("odconv_")
    framework = import_module(suite)
    known = vars(odconv_spec) | names_for_readers(suite) | {suite: framework}
    known["nn"] = getattr(framework, "nn", None)  # of torch and Paddle
    check_public(suite, known)


def check_examples(public):
    """Runs the examples of all names, and of their methods; each name must have one.

    Args:
        public: name -> the object, and what its examples know by name.
    """
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    without, inherited = set(), set()
    for name, (value, known) in public.items():
        tests = examples_in(value, name, known)
        without |= {test.name for test in tests if test.name == name and not test.examples}
        for base in bases(value) - inherited:
            tests += examples_in(base, base.__name__, known)
            inherited.add(base)
        for test in tests:
            runner.run(test)
    assert without == set(), f"without an example: {sorted(without)}"
    assert runner.failures == 0, "see the output above"


def examples_in(value, name, known):
    """The docstrings of an object, whose examples know the names of its module, too."""
    names = {**known, **vars(import_module(value.__module__))}
    return doctest.DocTestFinder().find(value, name, globs=names)


def bases(value):
    """The classes of this project that a class has its methods from."""
    mro = value.__mro__[1:] if isinstance(value, type) else ()
    ours = ("odconv_", "weights_converter")
    return {base for base in mro if base.__module__.startswith(ours)}
