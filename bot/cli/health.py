"""The health page of the bot process: is it alive, and can it do its work."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.texts import say


@dataclass(frozen=True)
class PartHealth:
    """One part that must work.

    ``why``: the catalogue key of what is wrong; None while it works. ``ages``: seconds since it last gave a
    sign of life, where that tells something.
    """

    why: str | None = None
    ages: tuple[float, ...] = ()


#: Gives each part that must work, by name.
Facts = Callable[[], Mapping[str, PartHealth]]


def healthz(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """200 while the process lives."""
    return _json(environ, start_response, "200 OK", {"alive": True})


class Readyz:
    """200 while every part works; else 503, with one sentence for each part that does not."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        parts = self._parts()
        wrong = {name: say(part.why) for name, part in parts.items() if part.why is not None}
        ready = bool(parts) and not wrong
        body = {
            "ready": ready,
            "parts": {name: part.why is None for name, part in parts.items()},
            "why": wrong,
            "ages": {name: [round(age, 1) for age in part.ages] for name, part in parts.items() if part.ages},
        }
        return _json(environ, start_response, "200 OK" if ready else "503 Service Unavailable", body)

    def _parts(self) -> Mapping[str, PartHealth]:
        try:
            return self._facts()
        except Exception:  # noqa: BLE001 - whatever is wrong, the answer is "not ready", never a broken page
            return {"database": PartHealth("cli.ready.database")}


def _json(
    environ: Mapping[str, Any], start_response: Callable[..., Any], status: str, body: Mapping[str, object]
) -> Iterable[bytes]:
    method = environ.get("REQUEST_METHOD")
    if method not in ("GET", "HEAD"):
        start_response("405 Method Not Allowed", [("Allow", "GET, HEAD"), ("Content-Length", "0")])
        return []
    content = json.dumps(body, sort_keys=True).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(content))),
        ("Cache-Control", "no-store"),
    ]
    start_response(status, headers)
    return [] if method == "HEAD" else [content]
