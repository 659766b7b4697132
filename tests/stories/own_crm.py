"""A CRM with an uninstall of its own: ``own_crm.py crm PORT FOLDER``, ``own_crm.py uninstall|export FOLDER``.

How it behaves stands in the file ``mode`` beside the folder; each call adds a line to ``calls`` there.
"""

import os
import shutil
import sys
import threading
import time
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bot.sandbox import app

TOKEN = "the administrator's own"
EXPORT = b"everything there is, in the words of the system itself\n" * 1000


def mode(folder: Path) -> str:
    file = folder.parent / "mode"
    return file.read_text() if file.exists() else "well"


def called(folder: Path, what: str) -> None:
    with (folder.parent / "calls").open("a") as out:
        out.write(f"{what}\n")


def remove(folder: Path, *, files: bool = True) -> None:
    for name in ("crm.db", "crm.db-wal", "crm.db-shm"):
        (folder / name).unlink(missing_ok=True)
    if files:
        shutil.rmtree(folder / "uploads", ignore_errors=True)


def behave(folder: Path) -> int:
    """What an uninstall does before it answers; a status of HTTP."""
    how = mode(folder)
    if how in ("well", "greedy", "moved"):
        remove(folder)
    if how in ("half", "dies", "leaves"):
        remove(folder, files=False)
    if how.startswith("scorches"):
        shutil.rmtree(folder, ignore_errors=True)
    if how == "dies":
        os._exit(9)
    if how == "hangs":
        time.sleep(120)
        remove(folder)
    if how == "late":
        threading.Timer(1, remove, [folder]).start()
    return {"late": 202, "fails": 500, "half": 500, "scorches and fails": 500, "moved": 302}.get(how, 200)


class Handler(app.Handler):
    def do_GET(self) -> None:  # noqa: N802 - the library calls it so
        if self.path != "/export":
            super().do_GET()
        elif self._may():
            self._send("application/octet-stream", EXPORT)

    def do_POST(self) -> None:  # noqa: N802 - the library calls it so
        if not self._may() or self.folder is None:
            return
        called(self.folder, self.path)
        status = behave(self.folder)
        # It says what it should not; nobody may hear it.
        body = b"x" * 10_000_000 if mode(self.folder) == "greedy" else f"done, {TOKEN}".encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/export")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _may(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self.send_error(HTTPStatus.UNAUTHORIZED)
        return False


def main(word: str, *rest: str) -> int:
    folder = Path(rest[-1])
    if word == "crm":
        Handler.folder = folder
        ThreadingHTTPServer(("127.0.0.1", int(rest[0])), Handler).serve_forever()
    assert os.environ["CRM_ADMIN_TOKEN"] == TOKEN
    assert not {"HOME", "CRM_DATABASE_URL"} & os.environ.keys()
    if word == "export":
        sys.stdout.buffer.write(EXPORT)
        return 0
    called(folder, word)
    for out in (sys.stdout, sys.stderr):
        print(TOKEN, file=out, flush=True)
    return 0 if behave(folder) < 300 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
