"""A store of objects on loopback (moto), with faults to order: ``python -m tests.fakes.bucket_server PORT``.

``POST /-/faults`` with a list of rules replaces the rules. A rule names a ``method``, what the path ``contains``, how
many ``times`` it applies (for ever when left out), and what happens: ``status`` and ``code`` are answered instead;
``lost``: it is carried out and answered with 500; ``put``: somebody else writes this there just before;
``cut``: the answer ends after so many bytes; ``query``: the request says this, too;
``deaf``: the conditions in the request are not understood; ``die``: the process of this id is killed before it,
or, with ``lost``, after it.

Moto minds "only if nothing is there" when an object is put, and neither when parts are completed nor between two at
once; the stores that know this condition do, and so it is added here.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
from werkzeug.test import Client

_CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")


class Faulty:
    def __init__(self, app: Any) -> None:
        self.app = app
        self.rules: list[dict[str, Any]] = []
        self.counting = threading.Lock()
        self.writing = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/-/faults":
            length = int(environ.get("CONTENT_LENGTH") or 0)
            self.rules = json.loads(environ["wsgi.input"].read(length) or b"[]")
            start("200 OK", [("Content-Length", "0")])
            return [b""]
        for rule in self.rules:
            if self._applies(rule, environ):
                answer = self._carried_out(rule, environ, start)
                if answer is not None:
                    return answer
        return self._answered(environ, start)

    def _answered(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ.get("HTTP_IF_NONE_MATCH") != "*":
            return list(self.app(environ, start))
        with self.writing:
            if environ["REQUEST_METHOD"] == "POST" and self._is_there(environ):
                start("412 X", [("Content-Type", "text/xml")])
                return [b"<Error><Code>PreconditionFailed</Code><Message/></Error>"]
            return list(self.app(environ, start))

    def _is_there(self, environ: dict[str, Any]) -> bool:
        said = {"Host": environ["HTTP_HOST"], "Authorization": environ["HTTP_AUTHORIZATION"]}
        return Client(self.app).head(environ["PATH_INFO"], headers=said).status_code == 200

    def _applies(self, rule: dict[str, Any], environ: dict[str, Any]) -> bool:
        where = unquote(environ["PATH_INFO"]) + "?" + environ.get("QUERY_STRING", "")
        if rule["method"] not in ("*", environ["REQUEST_METHOD"]) or rule.get("contains", "") not in where:
            return False
        with self.counting:
            left = rule.get("times", 1)
            if "times" in rule:
                rule["times"] = max(0, left - 1)
        return bool(left)

    def _carried_out(
        self, rule: dict[str, Any], environ: dict[str, Any], start: Any
    ) -> Iterable[bytes] | None:
        if "put" in rule:
            said = {"Host": environ["HTTP_HOST"], "Authorization": environ["HTTP_AUTHORIZATION"]}
            Client(self.app).put(environ["PATH_INFO"], data=rule["put"].encode(), headers=said)
        if "query" in rule:
            environ["QUERY_STRING"] += "&" + rule["query"]
        if rule.get("deaf"):
            for name in _CONDITIONS:
                environ.pop(name, None)
        if "cut" in rule:
            return [b"".join(self._answered(environ, start))[: rule["cut"]]]
        if rule.get("lost"):
            list(self._answered(environ, lambda *_: None))
        if "die" in rule:
            os.kill(rule["die"], signal.SIGKILL)
            self.rules = []
        if rule.get("lost") or "status" in rule or "die" in rule:
            code = rule.get("code", "InternalError")
            body = f"<Error><Code>{code}</Code><Message>the secret key was in here</Message></Error>".encode()
            start(
                f"{rule.get('status', 500)} X",
                [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))],
            )
            return [b""] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        return None


if __name__ == "__main__":
    backend = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", int(sys.argv[1]), Faulty(backend), threaded=True)
