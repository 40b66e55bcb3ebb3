"""The page without a server, behind a server of plain files that can lose and exchange them, and be stopped."""

import functools
import http.server
import importlib.util
import threading
from types import TracebackType

import pytest

from tests.conftest import ROOT

SERVE = ROOT / "web" / "serve.py"


def serve_module():
    """web/serve.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("serve", SERVE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def need_runtime() -> None:
    """Skips the test where ONNX Runtime Web is not there and cannot be fetched."""
    serve = serve_module()
    try:
        serve.fetch()
    except serve.FetchError as error:
        pytest.skip(f"the page in the browser needs its runtime once: {error}")


class Site:
    """`python -m http.server` in the repository's root. `files` are sent in place of those there, by their paths; None
    is a file that is missing."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | None] = {}
        handler = functools.partial(_Handler, self.files, directory=str(ROOT))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/web/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Site":
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: Exception | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """From now on nobody answers."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, files: dict[str, bytes | None], *arguments, **options):
        self.files = files
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path not in self.files:
            super().do_GET()
            return
        data = self.files[path]
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_) -> None:
        pass
