"""web/serve.py fetches exactly what runtime.json names, once."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import pytest

from tests.conftest import ROOT
from tests.web.site import serve_module


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry on 127.0.0.1 with one package of two files, and web/serve.py that is to fetch it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in (("dist/tool.mjs", b"export default 1;"), ("dist/tool.wasm", b"\0asm" * 100)):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    place = tmp_path / "registry" / "tool" / "-"
    place.mkdir(parents=True)
    (place / "tool-1.0.0.tgz").write_bytes(packed.getvalue())
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "registry"))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_address[1]}/")
    serve = serve_module()
    monkeypatch.setattr(serve, "HERE", tmp_path)
    digest = base64.b64encode(hashlib.sha512(packed.getvalue()).digest()).decode()
    files = {"dist/tool.mjs": "tool.js", "dist/tool.wasm": "tool.wasm.gz"}
    pinned = {"version": "1.0.0", "integrity": f"sha512-{digest}", "licence": "MIT", "files": files}
    (tmp_path / "runtime.json").write_text(json.dumps({"tool": pinned}))
    yield serve
    server.shutdown()
    server.server_close()


def test_it_fetches_once(registry, tmp_path, monkeypatch):
    vendor = tmp_path / "vendor"
    registry.fetch(vendor)
    assert (vendor / "tool.js").read_bytes() == b"export default 1;"
    assert gzip.decompress((vendor / "tool.wasm.gz").read_bytes()) == b"\0asm" * 100
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    registry.fetch(vendor)  # nobody is asked


def test_another_package_than_the_pinned_one_is_refused(registry, tmp_path):
    vendor, place = tmp_path / "vendor", tmp_path / "registry" / "tool" / "-" / "tool-1.0.0.tgz"
    place.write_bytes(place.read_bytes() + b"\0")
    with pytest.raises(registry.FetchError, match="its sha512 differs"):
        registry.fetch(vendor)
    assert not list(vendor.iterdir())


def test_without_a_network_it_says_so(registry, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    monkeypatch.setattr(registry, "VENDOR", tmp_path / "vendor")
    with pytest.raises(registry.FetchError, match="needed once"):
        registry.fetch(tmp_path / "vendor")


def test_its_server_isolates_the_page_and_names_the_types_of_files():
    serve = serve_module()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(serve.Handler, directory=str(ROOT)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("page.js", "metadata.mjs"):
        with urlopen(f"http://127.0.0.1:{server.server_address[1]}/web/{name}") as reply:
            assert reply.headers["Content-Type"] == "text/javascript"
            assert reply.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert reply.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    server.shutdown()
    server.server_close()


def test_what_is_pinned_has_its_licence():
    for package, pinned in json.loads((ROOT / "web" / "runtime.json").read_text()).items():
        assert pinned["integrity"].startswith("sha512-"), package
        assert pinned["licence"] in ("MIT", "MPL-2.0"), package
    assert "Microsoft" in (ROOT / "web" / "LICENSE.onnxruntime").read_text()
