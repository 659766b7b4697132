"""Who may talk to the sandbox's page."""

import pytest
from aiohttp.test_utils import make_mocked_request

from bot.sandbox.page.guard import HEADERS, refusal

PORT = 4747
OWN = {"Host": "127.0.0.1:4747", "Origin": "http://127.0.0.1:4747", "Content-Type": "application/json"}

READS = [
    ("the address typed in", {"Host": "127.0.0.1:4747", "Sec-Fetch-Site": "none"}, True),
    ("by its other name", {"Host": "localhost:4747"}, True),
    ("from the page itself", {"Host": "[::1]:4747", "Sec-Fetch-Site": "same-origin"}, True),
    ("a link on another page opens it", {"Host": "localhost:4747", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, True),
    ("another site loads it as a script", {"Host": "localhost:4747", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, False),
    ("another port of this machine", {"Host": "localhost:4747", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, False),
    ("a name that was pointed at us", {"Host": "evil.example:4747"}, False),
    ("a name that only begins like ours", {"Host": "127.0.0.1.evil.example:4747"}, False),
    ("our name with another port", {"Host": "127.0.0.1:80"}, False),
    ("no name at all", {}, False),
    ("a read that says it comes from elsewhere", {"Host": "localhost:4747", "Origin": "http://evil.example"}, False),
]  # fmt: skip

ACTS = [
    ("from the page", {}, True),
    ("from the page by its other name", {"Host": "localhost:4747", "Origin": "http://localhost:4747"}, True),
    ("from another site", {"Origin": "https://evil.example"}, False),
    ("from a file or a sandboxed frame", {"Origin": "null"}, False),
    ("from another port", {"Origin": "http://127.0.0.1:8080"}, False),
    ("over https, which we are not", {"Origin": "https://127.0.0.1:4747"}, False),
    ("without saying from where", {"Origin": None}, False),
    ("as a form of another site would send it", {"Content-Type": "text/plain"}, False),
    ("with a charset", {"Content-Type": "application/json; charset=utf-8"}, True),
    ("through a rebound name", {"Host": "evil.example:4747", "Origin": "http://evil.example:4747"}, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "allowed"), [case[1:] for case in READS], ids=[case[0] for case in READS]
)
def test_a_read(headers: dict[str, str], allowed: bool) -> None:
    sent = make_mocked_request("GET", "/screen", headers=headers).headers
    assert (refusal("GET", sent, PORT) == "") is allowed


@pytest.mark.parametrize(("changed", "allowed"), [case[1:] for case in ACTS], ids=[case[0] for case in ACTS])
def test_an_act(changed: dict[str, str | None], allowed: bool) -> None:
    headers = {name: value for name, value in {**OWN, **changed}.items() if value is not None}
    sent = make_mocked_request("POST", "/act", headers=headers).headers
    assert (refusal("POST", sent, PORT) == "") is allowed


def test_the_page_runs_nothing_but_its_own_script_and_stands_in_no_frame() -> None:
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
