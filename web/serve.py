"""The page without a server's help, at home: fetches what it runs on once, then serves the repository's files.

    python web/serve.py                 # then open the address that it prints
    python web/serve.py --fetch-only    # for any other server of plain files, such as python -m http.server

What is fetched are two packages of the npm registry, ONNX Runtime Web and Mediabunny, in the versions and with the
sums of runtime.json; a few of their files go into web/vendor. Only Python's standard library is needed.
NPM_CONFIG_REGISTRY names another registry.
"""

import argparse
import base64
import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import ClassVar

HERE = Path(__file__).resolve().parent
VENDOR = HERE / "vendor"
REGISTRY = "https://registry.npmjs.org"
STAMP = "runtime.json"  # in vendor: what its files were made from
SECONDS = 60  # without a byte from the registry, after which it counts as unreachable


class FetchError(Exception):
    """A sentence that says why there is nothing to serve the page with."""


def fetch(vendor: Path = VENDOR) -> None:
    """Bring `vendor` to what runtime.json says, unless it is there already. Raises FetchError."""
    wanted = (HERE / "runtime.json").read_bytes()
    stamp = vendor / STAMP
    if stamp.is_file() and stamp.read_bytes() == wanted:
        return
    vendor.mkdir(exist_ok=True)
    for package, pinned in json.loads(wanted).items():
        archive = _download(package, pinned["version"], pinned["integrity"])
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            for name, place in pinned["files"].items():
                member = files.extractfile(f"package/{name}")
                if member is None:
                    raise FetchError(f"{package} {pinned['version']} has no file {name}.")
                data = member.read()
                # No more travels than has to: servers of plain files compress nothing, and browsers unpack gzip.
                (vendor / place).write_bytes(gzip.compress(data, mtime=0) if place.endswith(".gz") else data)
    stamp.write_bytes(wanted)


def _download(package: str, version: str, integrity: str) -> bytes:
    registry = os.environ.get("NPM_CONFIG_REGISTRY", REGISTRY).rstrip("/")
    url = f"{registry}/{package}/-/{package}-{version}.tgz"
    print(f"Fetching {url}", file=sys.stderr)
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as reply:
            archive = reply.read()
    except (OSError, urllib.error.URLError) as error:
        raise FetchError(f"{url} cannot be fetched ({error}). It is needed once; try again with a network.") from error
    kind, _, wanted = integrity.partition("-")
    if base64.b64encode(hashlib.new(kind, archive).digest()).decode() != wanted:
        raise FetchError(f"{url} is not the package that runtime.json names: its {kind} differs. Nothing was kept.")
    return archive


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files with the types that browsers insist on, and the headers under which a page may have threads. With servers
    that do not send these, the page's service worker adds them."""

    extensions_map: ClassVar = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
    }

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_) -> None:
        pass


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--fetch-only", action="store_true")
    options = parser.parse_args(arguments)
    try:
        fetch()
        if options.fetch_only:
            return 0
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", options.port), functools.partial(Handler, directory=str(HERE.parent))
        )
    except (FetchError, OSError) as error:
        print(f"serve: {error}", file=sys.stderr)
        return 1
    print(f"http://127.0.0.1:{server.server_address[1]}/web/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
