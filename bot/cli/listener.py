"""The bot's one HTTP server: the health page, and in HTTP mode Slack's door.

A request has ten seconds to arrive and 2 MiB to fit into; neither a slow nor a big one takes a thread before
it is complete. Bodies whose length is not announced are refused: Slack announces it.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, TransferEncodingNotImplemented
from waitress.server import create_server

from bot.errors import BadInput

Wsgi = Callable[[Mapping[str, Any], Callable[..., Any]], Iterable[bytes]]

MOST_BYTES = 2 * 1024 * 1024
MOST_HEADER_BYTES = 32 * 1024
MOST_CONNECTIONS = 500
#: Seconds that a request may take to arrive, and that a connection may be idle between two of them: longer
#: than a proxy keeps it, so that the proxy is the one who closes.
REQUEST_WITHIN = 10.0
IDLE_WITHIN = 90
_LOOK_EVERY = 0.2


class Listener:
    """Answers at ``host:port``: each path has its application, anything else is 404.

    Args:
        host: where to listen.
        port: 0 lets the system choose.
        routes: exact path -> application.
        threads: how many requests are answered at once.
        request_within: seconds that a request may take to arrive.

    Raises:
        BadInput: the address is taken or wrong.
    """

    def __init__(
        self,
        host: str,
        port: int,
        routes: Mapping[str, Wsgi],
        threads: int = 4,
        request_within: float = REQUEST_WITHIN,
    ) -> None:
        self._routes = dict(routes)
        self._request_within = request_within
        self._socket = _listen(host, port)
        self._map: dict[int, Any] = {}
        self._server = create_server(
            self._answer,
            self._map,
            sockets=[self._socket],
            threads=threads,
            ident=None,
            max_request_body_size=MOST_BYTES,
            max_request_header_size=MOST_HEADER_BYTES,
            connection_limit=MOST_CONNECTIONS,
            channel_timeout=IDLE_WITHIN,
            expose_tracebacks=False,
        )
        self._server.channel_class = _Channel
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on (the one given, or the one the system chose for 0)."""
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Answer from now on, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and give the port back."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._map)
        self._socket.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=_LOOK_EVERY, use_poll=True, map=self._map, count=1)
            self._close_slow_ones(time.monotonic() - self._request_within)

    def _close_slow_ones(self, begun_before: float) -> None:
        for channel in tuple(self._server.active_channels.values()):
            if channel.waiting_since is not None and channel.waiting_since < begun_before:
                channel.will_close = True

    def _answer(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        route = self._routes.get(str(environ.get("PATH_INFO")))
        if route is not None:
            return route(environ, start_response)
        content = b'{"error": "not found"}'
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
        start_response("404 Not Found", headers)
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [content]


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked:
            raise TransferEncodingNotImplemented("A body must announce its length.")


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection that knows since when a request has been on its way."""

    parser_class = _Parser

    def __init__(self, *args: Any, **named: Any) -> None:
        #: A new connection owes a request; one that has delivered may be idle.
        self.waiting_since: float | None = time.monotonic()
        super().__init__(*args, **named)

    def received(self, data: bytes) -> bool:
        if self.waiting_since is None:
            self.waiting_since = time.monotonic()
        done: bool = super().received(data)
        if self.request is None:
            self.waiting_since = None
        return done


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise BadInput("cli.health.host", host=host) from None
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise BadInput("cli.health.taken", host=host, port=port, why=error.strerror or "") from None
    listener.setblocking(False)
    return listener
