"""The health page over a real socket."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from bot.cli.health import Facts, PartHealth, Readyz, healthz
from bot.cli.listener import Listener
from bot.errors import BadInput

Open = Callable[[Facts], Listener]
WORKS, WORKER_GONE, SLACK_GONE = PartHealth(), PartHealth("cli.ready.worker"), PartHealth("cli.ready.slack")


@pytest.fixture
def open_server() -> Iterator[Open]:
    servers: list[Listener] = []

    def start(facts: Facts) -> Listener:
        server = Listener("127.0.0.1", 0, {"/healthz": healthz, "/readyz": Readyz(facts)})
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


def ask(server: Listener, path: str, method: str = "GET") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
        return response.status, json.loads(body) if body else None
    finally:
        connection.close()


def broken() -> Mapping[str, PartHealth]:
    raise OSError


@pytest.mark.parametrize(
    ("sentence", "facts", "status"),
    [
        ("everything works", {"database": WORKS, "worker": WORKS, "slack": WORKS}, 200),
        ("no socket is used in HTTP mode", {"database": WORKS, "worker": WORKS}, 200),
        ("the worker is gone", {"database": WORKS, "worker": WORKER_GONE, "slack": WORKS}, 503),
        ("Slack is gone", {"database": WORKS, "worker": WORKS, "slack": SLACK_GONE}, 503),
        ("nothing is known", {}, 503),
    ],
)
def test_ready_only_when_every_part_works(
    open_server: Open, sentence: str, facts: Mapping[str, PartHealth], status: int
) -> None:
    server = open_server(lambda: facts)
    found, said = ask(server, "/readyz")
    assert (found, said["ready"]) == (status, status == 200), sentence
    assert said["parts"] == {name: part.why is None for name, part in facts.items()}
    assert set(said["why"]) == {name for name, part in facts.items() if part.why}
    assert all(why.endswith(".") for why in said["why"].values())
    assert ask(server, "/healthz") == (200, {"alive": True})


def test_ages_are_told_where_there_are_any(open_server: Open) -> None:
    server = open_server(lambda: {"database": WORKS, "slack": PartHealth(None, (0.44, 12.0))})
    assert ask(server, "/readyz")[1]["ages"] == {"slack": [0.4, 12.0]}


def test_a_question_that_breaks_is_a_no(open_server: Open) -> None:
    server = open_server(broken)
    assert ask(server, "/readyz")[0] == 503
    assert ask(server, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 404),
        ("/healthz/", "GET", 404),
        ("/readyz/../etc/passwd", "GET", 404),
        ("/slack/events", "POST", 404),
        ("/readyz", "POST", 405),
        ("/healthz", "DELETE", 405),
        ("/metrics", "GET", 404),
    ],
)
def test_anything_else_is_not_there(open_server: Open, path: str, method: str, status: int) -> None:
    server = open_server(lambda: {"database": WORKS})
    assert ask(server, path, method)[0] == status


def test_a_head_request_gets_no_body(open_server: Open) -> None:
    assert ask(open_server(lambda: {"database": WORKS}), "/readyz", "HEAD") == (200, None)


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=r"cli\.health\.taken") as caught:
            Listener("127.0.0.1", port, {})
    assert caught.value.params["port"] == port


def test_a_host_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(BadInput, match=r"cli\.health\.host"):
        Listener("no such host", 0, {})


def test_the_port_is_free_again_after_a_stop() -> None:
    server = Listener("127.0.0.1", 0, {})
    server.start()
    port = server.port
    server.stop()
    again = Listener("127.0.0.1", port, {})
    again.stop()
