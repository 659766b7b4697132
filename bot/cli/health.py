"""The health page of the bot process: is it alive, and can it do its work."""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from waitress import wasyncore
from waitress.server import create_server

from bot.errors import BadInput

#: Gives each part that must work, by name, and whether it does.
Facts = Callable[[], Mapping[str, bool]]


class HealthServer:
    """``/healthz`` while the process lives, ``/readyz`` while every part works; anything else is 404."""

    def __init__(self, host: str, port: int, facts: Facts) -> None:
        self._facts = facts
        self._socket = _listen(host, port)
        self._map: dict[int, Any] = {}
        self._server = create_server(self._answer, self._map, sockets=[self._socket], threads=2, ident=None)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

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
            wasyncore.loop(timeout=0.2, use_poll=True, map=self._map, count=1)

    def _answer(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body: Mapping[str, object]
        path, method = environ.get("PATH_INFO"), environ.get("REQUEST_METHOD")
        if method not in ("GET", "HEAD") or path not in ("/healthz", "/readyz"):
            status, body = "404 Not Found", {"error": "not found"}
        elif path == "/healthz":
            status, body = "200 OK", {"alive": True}
        else:
            parts = self._parts()
            ready = bool(parts) and all(parts.values())
            status = "200 OK" if ready else "503 Service Unavailable"
            body = {"ready": ready, "parts": parts}
        content = json.dumps(body, sort_keys=True).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(content))),
            ("Cache-Control", "no-store"),
        ]
        start_response(status, headers)
        return [] if method == "HEAD" else [content]

    def _parts(self) -> dict[str, bool]:
        try:
            return {name: bool(works) for name, works in self._facts().items()}
        except Exception:  # noqa: BLE001 - whatever is wrong, the answer is "not ready", never a broken page
            return {"database": False}


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise BadInput("cli.health.host", host=host) from None
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise BadInput("cli.health.taken", host=host, port=port, why=error.strerror or "") from None
    listener.setblocking(False)
    return listener
