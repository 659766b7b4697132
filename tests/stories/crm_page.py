"""A small CRM that runs: ``crm_page.py PORT DATABASE``. Its page says how many customers there are."""

import sqlite3
import sys
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with closing(sqlite3.connect(f"file:{sys.argv[2]}?mode=ro", uri=True)) as connection:
            count = connection.execute("SELECT count(*) FROM customers").fetchone()[0]
        body = f"{count} customers".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
