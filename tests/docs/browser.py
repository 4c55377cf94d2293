"""A headless browser that opens every page of the built site at two widths."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from tests.docs.built import SITE

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
_LONGEST = 100  # seconds, of a few for each page
WIDTHS = (1280, 390)  # of a desktop, of a phone
# Opens one page after the other in a frame and writes down what is wrong with each.
_SCRIPT = """
const seen = [];
const frame = document.querySelector("iframe");
const opened = address => new Promise(done => { frame.onload = done; frame.src = address; });
async function look() {
  for (const width of WIDTHS) {
    frame.style.width = width + "px";
    for (const page of PAGES) {
      await opened("/" + page);
      const root = frame.contentDocument.documentElement;
      const images = [...root.querySelectorAll("img")];
      await Promise.all(images.map(image => image.decode().catch(() => null)));
      const asked = frame.contentWindow.performance.getEntriesByType("resource");
      seen.push({
        page, width,
        height: root.scrollHeight,
        too_wide: root.scrollWidth - root.clientWidth,
        broken: images.filter(image => !image.naturalWidth).map(image => image.src),
        outside: asked.map(entry => entry.name).filter(name => !name.startsWith(location.origin)),
      });
    }
  }
  await fetch("/seen", { method: "POST", body: JSON.stringify(seen) });
}
look();
"""


class _Handler(SimpleHTTPRequestHandler):
    """Serves the site and the page with the frame, /look, and takes what was /seen."""

    driver: bytes
    seen: Queue[bytes]

    def do_GET(self):
        if self.path != "/look":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.driver)

    def do_POST(self):
        self.seen.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def look_at(pages: Sequence[str]) -> list[dict[str, Any]]:
    """What a browser sees of each page at each width.

    Raises:
        queue.Empty: the browser did not come to an end.
    """
    script = f"const WIDTHS = {json.dumps(WIDTHS)}, PAGES = {json.dumps(pages)};{_SCRIPT}"
    frame = '<iframe style="height: 900px; border: 0"></iframe>'
    _Handler.driver = f"<!doctype html>{frame}<script>{script}</script>".encode()
    _Handler.seen = Queue()
    with (
        _served() as address,
        TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        _opened(f"{address}/look", profile),
    ):
        return json.loads(_Handler.seen.get(timeout=_LONGEST))


@contextmanager
def _opened(address: str, profile: str) -> Iterator[None]:
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0")
    browser = subprocess.Popen(
        [BROWSER, *options, f"--user-data-dir={profile}", "--window-size=1400,1000", address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        browser.terminate()
        browser.wait()


@contextmanager
def _served() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(SITE)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
