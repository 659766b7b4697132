"""Which types hold the same and more: a table of sentences, for each kind of database."""

import pytest

from bot.operations.widening import widens

WIDER = {
    "postgresql": [
        ("smallint", "integer"),
        ("smallint", "bigint"),
        ("integer", "bigint"),
        ("integer", "numeric"),
        ("bigint", "numeric(19,0)"),
        ("numeric(8,2)", "numeric(10,2)"),
        ("numeric(8,2)", "numeric"),
        ("character varying(10)", "character varying(11)"),
        ("character varying(10)", "character varying"),
        ("character varying(10)", "text"),
        ("character varying", "text"),
        ("text", "character varying"),
        ("timestamp(3) without time zone", "timestamp without time zone"),
        ("timestamp(0) with time zone", "timestamp(3) with time zone"),
        ("time(2) without time zone", "time without time zone"),
        ("bit(3)", "bit varying(3)"),
        ("bit(3)", "bit varying"),
        ("bit varying(3)", "bit varying(8)"),
        ("integer[]", "bigint[]"),
        ("character varying(3)[]", "text[]"),
        ("mood", "mood"),
    ],
    "mariadb": [
        ("tinyint(1)", "tinyint(4)"),
        ("tinyint(4)", "smallint(6)"),
        ("int(11)", "int"),
        ("int(11)", "bigint(20)"),
        ("int(10) unsigned", "bigint(20) unsigned"),
        ("int(10) unsigned", "bigint(20)"),
        ("bigint(20) unsigned", "decimal(20,0)"),
        ("decimal(8,2)", "decimal(10,2)"),
        ("decimal(8,2) unsigned", "decimal(8,2)"),
        ("float", "double"),
        ("bit(3)", "bit(8)"),
        ("char(3)", "char(4)"),
        ("char(3)", "varchar(3)"),
        ("varchar(10)", "varchar(11)"),
        ("varchar(10)", "tinytext"),
        ("varchar(300)", "text"),
        ("varchar(40000)", "text"),
        ("tinytext", "text"),
        ("mediumtext", "longtext"),
        ("binary(3)", "varbinary(3)"),
        ("varbinary(3)", "varbinary(9)"),
        ("varbinary(255)", "tinyblob"),
        ("blob", "longblob"),
        ("enum('a','it''s')", "enum('a','it''s','c')"),
        ("set('a','b')", "set('a','b','c')"),
    ],
    "sqlite": [
        ("INT", "BIGINT"),
        ("varchar(10)", "TEXT"),
        ("DECIMAL(8,2)", "NUMERIC"),
        ("DOUBLE", "REAL"),
        ("", "BLOB"),
    ],
}
BOTH_WAYS = ({"character varying", "text"}, {"tinyint(1)", "tinyint(4)"}, {"int(11)", "int"})
OTHER = {
    "postgresql": [
        ("integer", "smallint"),
        ("integer", "text"),
        ("integer", "numeric(10,2)"),
        ("integer", "numeric(9,0)"),
        ("integer", "double precision"),
        ("numeric(8,2)", "numeric(10,3)"),
        ("numeric(8,2)", "numeric(9,1)"),
        ("numeric(8,2)", "numeric(7,2)"),
        ("numeric", "numeric(10,2)"),
        ("real", "double precision"),
        ("character varying(10)", "character varying(9)"),
        ("character varying", "character varying(9)"),
        ("text", "character varying(9)"),
        ("character(3)", "character(4)"),
        ("character(3)", "text"),
        ("text", "citext"),
        ("json", "jsonb"),
        ("date", "timestamp without time zone"),
        ("timestamp without time zone", "timestamp(3) without time zone"),
        ("timestamp without time zone", "timestamp with time zone"),
        ("timestamp with time zone", "time with time zone"),
        ("bit(3)", "bit(4)"),
        ("bit varying(3)", "bit(3)"),
        ("integer[]", "bigint"),
        ("integer", "integer[]"),
        ("uuid", "text"),
        ("mood", "text"),
        ('"Odd Type(3)"', '"Odd Type(4)"'),
    ],
    "mariadb": [
        ("bigint(20)", "int(11)"),
        ("int(11)", "int(10) unsigned"),
        ("int(10) unsigned", "int(11)"),
        ("int(5) unsigned zerofill", "bigint(5) unsigned zerofill"),
        ("int(11)", "double"),
        ("int(11)", "varchar(20)"),
        ("bigint(20) unsigned", "decimal(19,0)"),
        ("decimal(8,2)", "decimal(8,3)"),
        ("decimal(8,2)", "decimal(8,2) unsigned"),
        ("float(8,2)", "double"),
        ("double", "float"),
        ("varchar(10)", "char(10)"),
        ("varchar(64)", "tinytext"),
        ("text", "varchar(20000)"),
        ("text", "tinytext"),
        ("binary(3)", "binary(4)"),
        ("blob", "text"),
        ("enum('a','b')", "enum('b','a')"),
        ("enum('a','b')", "enum('a')"),
        ("enum('a')", "set('a')"),
        ("enum('a')", "varchar(9)"),
        ("datetime", "datetime(3)"),
        ("timestamp", "datetime"),
        ("year(4)", "int(11)"),
        ("uuid", "char(36)"),
    ],
    "sqlite": [
        ("INTEGER", "TEXT"),
        ("TEXT", "BLOB"),
        ("REAL", "INTEGER"),
        ("NUMERIC", "INTEGER"),
        ("", "TEXT"),
    ],
    "oracle": [("int", "bigint")],
}


@pytest.mark.parametrize(
    ("kind", "was", "now"), [(kind, *pair) for kind, pairs in WIDER.items() for pair in pairs]
)
def test_it_holds_the_same_and_the_way_back_only_when_both_do(kind: str, was: str, now: str) -> None:
    assert widens(kind, was, now)
    assert widens(kind, now, was) == (kind == "sqlite" or was == now or {was, now} in BOTH_WAYS)


@pytest.mark.parametrize(
    ("kind", "was", "now"), [(kind, *pair) for kind, pairs in OTHER.items() for pair in pairs]
)
def test_it_does_not_surely_hold_the_same(kind: str, was: str, now: str) -> None:
    assert not widens(kind, was, now)
