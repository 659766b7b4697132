"""A wire to a server that is cut at a chosen message."""

import socket
import threading
from contextlib import suppress
from typing import Self


class Cutter:
    """Passes bytes on between a client and a server on loopback, and counts what clients send.

    Message ``at`` is the last: it is lost on the way (``heard`` is false), or the server carries it out and its
    answer is lost. Whoever connects afterwards is served.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.count = 0
        self._at, self._heard = 0, False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def cut(self, at: int, *, heard: bool) -> None:
        """Begin to count anew; 0 never cuts."""
        with self._lock:
            self.count, self._at, self._heard = 0, at, heard

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                for work in (self._up, self._down):
                    threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                with self._lock:
                    self.count += 1
                    last = self.count == self._at
                    if last and self._heard:
                        # From here on no answer goes down: the client's side is shut first.
                        client.shutdown(socket.SHUT_RDWR)
                if last and not self._heard:
                    break
                server.sendall(data)
                if last:
                    # The server carries it out before it notices that nobody listens.
                    break
        # Asked once: the next cut may be set between two looks, and a server that is told nothing keeps its locks.
        if self._is_cut():
            _close(client)
            with suppress(OSError):
                server.shutdown(socket.SHUT_WR)
        else:
            _close(server, client)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                with suppress(OSError):
                    client.sendall(data)
        _close(client, server)

    def _is_cut(self) -> bool:
        return bool(self._at) and self.count >= self._at


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
