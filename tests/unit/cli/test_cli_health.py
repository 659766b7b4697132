"""The health page over a real socket."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from bot.cli.health import HealthServer
from bot.errors import BadInput

Open = Callable[[Callable[[], Mapping[str, bool]]], HealthServer]


@pytest.fixture
def open_server() -> Iterator[Open]:
    servers: list[HealthServer] = []

    def start(facts: Callable[[], Mapping[str, bool]]) -> HealthServer:
        server = HealthServer("127.0.0.1", 0, facts)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


def ask(server: HealthServer, path: str, method: str = "GET") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
        return response.status, json.loads(body) if body else None
    finally:
        connection.close()


def broken() -> Mapping[str, bool]:
    raise OSError


@pytest.mark.parametrize(
    ("sentence", "facts", "status"),
    [
        ("everything works", {"database": True, "worker": True, "slack": True}, 200),
        ("no worker", {"database": True, "worker": False, "slack": True}, 503),
        ("no database", {"database": False, "worker": False, "slack": True}, 503),
        ("no connection to Slack", {"database": True, "worker": True, "slack": False}, 503),
        ("nothing known", {}, 503),
    ],
)
def test_ready_only_when_every_part_works(
    open_server: Open, sentence: str, facts: Mapping[str, bool], status: int
) -> None:
    server = open_server(lambda: facts)
    assert ask(server, "/readyz") == (status, {"ready": status == 200, "parts": facts})
    assert ask(server, "/healthz") == (200, {"alive": True})


def test_a_question_that_breaks_is_a_no(open_server: Open) -> None:
    server = open_server(broken)
    assert ask(server, "/readyz")[0] == 503
    assert ask(server, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/", "GET"),
        ("/healthz/", "GET"),
        ("/readyz/../etc/passwd", "GET"),
        ("/slack/events", "POST"),
        ("/readyz", "POST"),
        ("/metrics", "GET"),
    ],
)
def test_anything_else_is_not_there(open_server: Open, path: str, method: str) -> None:
    server = open_server(lambda: {"database": True})
    assert ask(server, path, method)[0] == 404


def test_a_head_request_gets_no_body(open_server: Open) -> None:
    assert ask(open_server(lambda: {"database": True}), "/readyz", "HEAD") == (200, None)


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=r"cli\.health\.taken") as caught:
            HealthServer("127.0.0.1", port, dict)
    assert caught.value.params["port"] == port


def test_a_host_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(BadInput, match=r"cli\.health\.host"):
        HealthServer("no such host", 0, dict)


def test_the_port_is_free_again_after_a_stop() -> None:
    server = HealthServer("127.0.0.1", 0, dict)
    server.start()
    port = server.port
    server.stop()
    again = HealthServer("127.0.0.1", port, dict)
    again.stop()
