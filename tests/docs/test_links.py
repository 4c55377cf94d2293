"""`make links`: which addresses are collected, and what is said of those that do not answer."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from docs_site.links import addresses, addresses_in, fetched, main

STATUS = {"/missing": 404, "/robots": 403, "/busy": 429, "/broken": 500}


class Replies(BaseHTTPRequestHandler):
    """Answers by the path: a status, a move, a server without HEAD, or 200."""

    def do_GET(self):
        self._reply(STATUS.get(self.path, 200))

    def do_HEAD(self):
        self._reply(405 if self.path == "/no-head" else STATUS.get(self.path, 200))

    def _reply(self, status):
        moved = {"/moved": "/here", "/lost": "/missing"}.get(self.path)
        self.send_response(302 if moved else status)
        if moved:
            self.send_header("Location", moved)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing of it belongs into the output of the tests."""


@pytest.fixture(scope="module")
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Replies)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See https://arxiv.org/abs/1904.04971.", ["https://arxiv.org/abs/1904.04971"]),
        ("[name](https://a.org/x#part), `https://b.org`", ["https://a.org/x", "https://b.org"]),
        (
            'url = "https://c.org/?id=1&n=2"  # <http://d.org>:',
            ["https://c.org/?id=1&n=2", "http://d.org"],
        ),
        ('f"https://e.org/{name}"', []),
        (r'r"https://f\.org"', []),
        ('b"version https://git-lfs"', []),
    ],
)
def test_an_address_ends_where_the_text_around_it_begins(text, found):
    assert list(addresses_in(text)) == found


def test_documents_metadata_and_docstrings_are_read():
    places = addresses()
    assert all(address == "".join(address.split()) for address in places)
    files = {place.partition(":")[0] for where in places.values() for place in where}
    assert {"README.md", "CHANGELOG.md", "pyproject.toml", "CITATION.cff"} <= files
    assert {"docs/odconv.md", "odconv_spec/cond_conv.py", "odconv_torch/layers/od_conv.py"} <= files


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/moved", 200),
        ("/no-head", 200),
        ("/missing", 404),
        ("/lost", 404),
        ("/broken", 500),
        ("/robots", 403),
        ("/busy", 429),
    ],
)
def test_the_status_of_an_answer(host, path, status):
    answer = fetched(host + path)
    assert answer.status == status
    assert answer.failed == (status in (404, 500))
    assert answer.refused == (status in (403, 429))


def test_no_answer_is_a_failure(host):
    assert fetched("http://127.0.0.1:1/", seconds=2).failed
    assert fetched("http://[no-host/", seconds=2).failed


def test_what_failed_is_printed_with_its_places(tmp_path, host, capsys):
    text = f"{host}/here\n\n[broken]({host}/missing#part) and {host}/robots, {host}/missing"
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    assert main([], tmp_path) == 1
    *_, refused, failed, numbers = capsys.readouterr().out.splitlines()
    assert refused.split() == ["refused", "403", "Forbidden", f"{host}/robots", "in", "README.md:3"]
    assert failed.startswith("FAILED   404 Not Found")
    assert failed.endswith(f"{host}/missing  in README.md:3, README.md:3")
    assert numbers == "3 addresses: 1 answer, 1 refuse programs, 1 failed"


def test_nothing_failed(tmp_path, host, capsys):
    (tmp_path / "pyproject.toml").write_text(f'home = "{host}/moved"', encoding="utf-8")
    assert main([], tmp_path) == 0
    assert capsys.readouterr().out == "1 addresses: 1 answer, 0 refuse programs, 0 failed\n"


def test_a_list_fetches_nothing(tmp_path, capsys):
    (tmp_path / "README.md").write_text("http://127.0.0.1:1/x", encoding="utf-8")
    assert main(["--list"], tmp_path) == 0
    assert capsys.readouterr().out == "http://127.0.0.1:1/x  in README.md:1\n"
