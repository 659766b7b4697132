"""One worker's engine in a process of its own. Arguments: database, how: ``fails`` or ``works``.

``fails``: the step raises until the process is told to stop. ``works``: it succeeds at its second go.
"""

import sys
import threading

from bot.jobs.engine import Engine, Step
from bot.store.database import Database


def main(url: str, how: str) -> None:
    goes = 0
    tried, done = threading.Event(), threading.Event()

    def work() -> str:
        nonlocal goes
        goes += 1
        tried.set()
        if how == "fails" or goes < 2:
            raise OSError("no room for Ada Lovelace")
        return "done"

    def body(job_id: str, step: Step) -> None:
        sys.stdout.write(f"{step('execute', work)} {job_id}\n")
        done.set()

    database = Database(url)
    engine = Engine(database, "slot-0", body, ["crm"], lambda: None)
    engine.launch()
    if how == "fails":
        with database.transact() as connection:
            engine.enqueue(connection, "job-1-001", "crm")
        assert tried.wait(30)
    else:
        assert done.wait(30)
    engine.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
