"""A trigger that counts a number anew changes what comes back: the restore is undone, says what to do, and works then."""

from pathlib import Path

import pytest

from bot.errors import CannotProve
from bot.texts import say
from tests.fakes.operations import postgresql_bench

SCHEMA = """
CREATE TABLE customers (id bigint PRIMARY KEY, name text);
CREATE TABLE conversations (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, number int);
INSERT INTO customers VALUES (1, 'Ada'), (2, 'Cy');
INSERT INTO conversations VALUES (1, 1, 1), (2, 2, 2), (3, 1, 7);
CREATE FUNCTION count_anew() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.number := (SELECT coalesce(max(number), 0) + 1 FROM conversations); RETURN NEW; END';
CREATE TRIGGER number_them BEFORE INSERT ON conversations FOR EACH ROW EXECUTE FUNCTION count_anew();
"""


def test_it_is_told_before_and_after_and_can_be_switched_off(tmp_path: Path) -> None:
    with postgresql_bench(tmp_path, SCHEMA) as bench:
        before = bench.dump()
        plan, _ = bench.plan("1")
        (told,) = [one for one in plan.warnings if one.key == "told.trigger"]
        for language in ("en", "zh-CN"):
            assert "number_them" in say(told.key, language, **told.params)
        assert "on a restore" in say(told.key, "en", **told.params)
        done = bench.delete("1")
        gone = bench.dump()
        with pytest.raises(CannotProve) as refused:
            bench.restore(done)
        assert refused.value.key == "restore.not-the-same"
        assert "Switch that trigger off" in say(refused.value.key, "en", **refused.value.params)
        assert bench.dump() == gone
        bench.sql("ALTER TABLE conversations DISABLE TRIGGER number_them")
        bench.restore(done)
        assert bench.dump() == before
