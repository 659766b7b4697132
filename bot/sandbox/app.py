"""The sample CRM as a program, ``app.py crm PORT FOLDER``, and its neighbour, ``app.py shop PORT``.

Run by its path, under supervisor: the standard library is all it has.
"""

import html
import json
import sqlite3
import sys
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

SHOWN = 12
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1.5rem; max-width: 46rem; }}
h1 {{ display: flex; gap: .7rem; align-items: center; font-size: 1.5rem; }}
h1 img {{ width: 2.2rem; height: 2.2rem; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ text-align: left; padding: .4rem .6rem .4rem 0; border-bottom: 1px solid var(--line); }}
td {{ overflow-wrap: anywhere; }}
@media (max-width: 30rem) {{ body {{ font-size: 14px; padding: 1rem; }} }}
footer {{ margin-top: 1.5rem; opacity: .7; font-size: .9rem; }}
</style>
{body}</html>"""


class Handler(BaseHTTPRequestHandler):
    """Pages of one program; ``folder`` is the CRM's, or None for the shop."""

    folder: Path | None = None

    def do_GET(self) -> None:
        """Answer one request."""
        if self.folder is None:
            self._send(
                "text/html; charset=utf-8", page("The shop next door", "<h1>The shop next door is open</h1>")
            )
        elif self.path.startswith("/uploads/"):
            self._upload(self.folder / "uploads" / Path(unquote(self.path)).name)
        elif self.path == "/":
            self._send("text/html; charset=utf-8", customers(self.folder))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def _upload(self, file: Path) -> None:
        if not file.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        kind = "image/svg+xml" if file.suffix == ".svg" else "text/plain; charset=utf-8"
        self._send(kind, file.read_bytes())

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


def customers(folder: Path) -> bytes:
    """The CRM's page: who is in it, and what was uploaded."""
    name = json.loads((folder / "uploads" / "settings.json").read_text(encoding="utf-8"))["company"]
    with closing(sqlite3.connect(f"file:{folder / 'crm.db'}?mode=ro", uri=True)) as connection:
        count = connection.execute("SELECT count(*) FROM customers").fetchone()[0]
        query = "SELECT name, email FROM customers WHERE email IS NOT NULL ORDER BY id DESC LIMIT ?"
        rows = connection.execute(query, (SHOWN,)).fetchall()
    lines = "".join(
        f"<tr><td>{html.escape(str(who)[:60])}<td>{html.escape(str(email)[:60])}" for who, email in rows
    )
    files = ", ".join(
        f'<a href="/uploads/{quote(one.name)}">{html.escape(one.name)}</a>'
        for one in sorted((folder / "uploads").iterdir())
    )
    body = (
        f'<h1><img src="/uploads/logo.svg" alt="">{html.escape(name)}</h1><p>{count} customers'
        f"<table><tr><th>Name<th>E-mail{lines}</table><p>Uploads: {files}"
        "<footer>A sample program. Countersign may take it down, and bring it back.</footer>"
    )
    return page(name, body)


def page(title: str, body: str) -> bytes:
    """A whole page."""
    return PAGE.format(title=html.escape(title), body=body).encode()


def main(arguments: list[str]) -> None:
    """Serve until somebody stops it."""
    Handler.folder = Path(arguments[2]) if arguments[0] == "crm" else None
    ThreadingHTTPServer(("127.0.0.1", int(arguments[1])), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
