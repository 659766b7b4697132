"""The servers that tests run on: a database of one's own, and a server that can be killed."""

import psycopg

from tests.fakes.servers import own_postgresql, postgresql_database


def test_a_database_is_new_and_gone_afterwards() -> None:
    with postgresql_database() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE there (id int)")
        name = url.rpartition("/")[2]
    with postgresql_database() as other, psycopg.connect(other) as connection:
        assert not connection.execute("SELECT FROM pg_tables WHERE tablename = 'there'").fetchall()
        assert not connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchall()


def test_a_server_of_ones_own_is_killed_and_comes_back_with_what_was_committed() -> None:
    server = own_postgresql().start()
    try:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE there (id int)")
        server.kill()
        server.start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT count(*) FROM there").fetchone() == (0,)
        server.stop()
    finally:
        server.remove()
