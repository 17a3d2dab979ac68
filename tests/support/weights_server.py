"""A real HTTP server for one file, in a thread: byte ranges, and connections that break on demand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override


class WeightsServer(ThreadingHTTPServer):
    """Serves `content`; the next replies break off after so many bytes each, as `breaks` says."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.content = content
        self.breaks: list[int] = []
        self.status = 200
        self.takes_ranges = True
        self.ranges: list[str | None] = []
        """The `Range` header of each request."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.gguf"


class _Request(BaseHTTPRequestHandler):
    server: WeightsServer

    def do_GET(self) -> None:
        wanted = self.headers["range"]
        self.server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.takes_ranges else 0
        body = self.server.content[start:]
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        self.send_response(206 if start else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.breaks.pop(0)] if self.server.breaks else body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def open_weights_server(content: bytes) -> Iterator[WeightsServer]:
    with WeightsServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
