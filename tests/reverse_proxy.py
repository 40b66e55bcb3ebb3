"""A reverse proxy under a path, as nginx and others are set up: it takes the path away and hands the rest on."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length"}


@contextmanager
def proxied(behind: str, path: str) -> Iterator[str]:
    """The address under which the server `behind` (http://...) is found at `path` (/...), until the block ends."""
    client = httpx.AsyncClient(base_url=behind, timeout=None)

    async def forward(request: Request) -> StreamingResponse:
        headers = [(name, value) for name, value in request.headers.raw if name != b"connection"]
        headers.append((b"x-forwarded-host", request.headers["host"].encode()))
        url = httpx.URL(path="/" + request.path_params["rest"], query=request.url.query.encode())
        body = request.stream() if request.method == "POST" else None
        reply = await client.send(client.build_request(request.method, url, headers=headers, content=body), stream=True)
        kept = {name: value for name, value in reply.headers.items() if name not in HOP_BY_HOP}
        return StreamingResponse(reply.aiter_raw(), reply.status_code, kept)

    route = Route("/{rest:path}", forward, methods=["GET", "HEAD", "POST"])
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        own_icon = Route("/favicon.ico", lambda request: Response(status_code=204))  # of another site on this host
        app = Starlette(routes=[Mount(path, routes=[route]), own_icon])
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}{path}"
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join(10)
