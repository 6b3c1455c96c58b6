"""Keeps an embedded PostgreSQL of its own for tests that kill it: `python -m` this, one line each.

`start` on its input starts the server unless it runs, and answers with a line of JSON: the process
id of the server and the application's URL. The server ends with this process.
"""

from __future__ import annotations

import json
import sys

import psycopg

from infra import embedded


def main() -> None:
    for _ in sys.stdin:
        # Looking also reaps a killed one, whose process id would count as taken.
        embedded.postgres_is_running()
        embedded.start_postgres(tethered=True)
        with psycopg.connect(embedded.database_url("superuser"), autocommit=True) as admin:
            # The tests' usual cluster forgets the last commits when it is killed.
            admin.execute("ALTER SYSTEM RESET ALL")
            admin.execute("SELECT pg_reload_conf()")
        pid_file = embedded.state_dir() / "postgres" / "data" / "postmaster.pid"
        pid = int(pid_file.read_text(encoding="utf-8").split()[0])
        told = {"pid": pid, "url": embedded.database_url("app")}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
