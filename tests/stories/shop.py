"""A small CRM for kill tests, on SQLite or PostgreSQL, and everything about it that the product is not asked.

The tables bear the names of the sandbox's configuration. Victims are customers that may be deleted; each has
two deals, two orders with invoices that name each other, lines, notes that only a soft reference ties to it,
tags, and a friend who was referred by it.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

FIRST_FRIEND = 5000
FIRST_OTHER = 9000
OTHERS = 20

Key = tuple[Any, ...]
Row = dict[str, Any]
Rows = dict[str, dict[Key, Row]]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "users": ("id", "name"),
    "customers": ("id", "email", "name", "referred_by", "score", "remark", "avatar"),
    "deals": ("id", "customer_id", "owner_id", "title", "amount"),
    "orders": ("id", "customer_id", "deal_id", "invoice_id", "placed_on"),
    "invoices": ("id", "order_id", "number", "total"),
    "order_lines": ("order_id", "line_no", "product", "quantity"),
    "notes": ("id", "subject_type", "subject_id", "body"),
    "tags": ("id", "label"),
    "customer_tags": ("customer_id", "tag_id"),
}
KEYS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(COLUMNS, ("id",)),
    "order_lines": ("order_id", "line_no"),
    "customer_tags": ("customer_id", "tag_id"),
}
_SCHEMA = """
CREATE TABLE users (id {id} PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE customers (
  id {id} PRIMARY KEY, email TEXT UNIQUE, name TEXT NOT NULL,
  referred_by {id} REFERENCES customers (id) ON DELETE SET NULL, score {real}, remark TEXT, avatar {blob});
CREATE INDEX customers_referred_by ON customers (referred_by);
CREATE TABLE deals (
  id {id} PRIMARY KEY, customer_id {id} NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  owner_id {id} REFERENCES users (id) ON DELETE SET NULL, title TEXT NOT NULL, amount {real});
CREATE INDEX deals_customer ON deals (customer_id);
CREATE INDEX deals_owner ON deals (owner_id);
CREATE TABLE orders (
  id {id} PRIMARY KEY, customer_id {id} NOT NULL REFERENCES customers (id),
  deal_id {id} REFERENCES deals (id) ON DELETE SET NULL, invoice_id {id} {invoice}, placed_on TEXT NOT NULL);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_deal ON orders (deal_id);
CREATE INDEX orders_invoice ON orders (invoice_id);
CREATE TABLE invoices (
  id {id} PRIMARY KEY, order_id {id} NOT NULL REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED,
  number TEXT NOT NULL UNIQUE, total {real} NOT NULL);
CREATE INDEX invoices_order ON invoices (order_id);
{alter}
CREATE TABLE order_lines (
  order_id {id} NOT NULL REFERENCES orders (id) ON DELETE CASCADE, line_no {id} NOT NULL,
  product TEXT NOT NULL, quantity {id} NOT NULL, PRIMARY KEY (order_id, line_no));
CREATE TABLE notes (id {id} PRIMARY KEY, subject_type TEXT NOT NULL, subject_id {id} NOT NULL, body TEXT);
CREATE INDEX notes_subject ON notes (subject_type, subject_id);
CREATE TABLE tags (id {id} PRIMARY KEY, label TEXT NOT NULL UNIQUE);
CREATE TABLE customer_tags (
  customer_id {id} NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  tag_id {id} NOT NULL REFERENCES tags (id), PRIMARY KEY (customer_id, tag_id));
CREATE INDEX customer_tags_tag ON customer_tags (tag_id);
"""
_SQLITE = {
    "id": "INTEGER",
    "real": "REAL",
    "blob": "BLOB",
    "invoice": "REFERENCES invoices (id) DEFERRABLE INITIALLY DEFERRED",
    "alter": "",
}
_POSTGRESQL = {
    "id": "BIGINT",
    "real": "DOUBLE PRECISION",
    "blob": "BYTEA",
    "invoice": "",
    "alter": "ALTER TABLE orders ADD FOREIGN KEY (invoice_id) REFERENCES invoices (id) DEFERRABLE INITIALLY DEFERRED;",
}


class Shop:
    """The database behind a URL, as its own programs see it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite:///")

    @contextmanager
    def connect(self) -> Iterator[Any]:
        """A plain connection of the driver; transactions are begun and ended by hand."""
        if self.is_sqlite:
            path = Path(self.url.removeprefix("sqlite:///"))
            with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
        else:
            with closing(psycopg.connect(self.url, autocommit=True)) as connection:
                yield connection

    def sql(self, query: str) -> str:
        """``?`` is how a value is marked here."""
        return query if self.is_sqlite else query.replace("?", "%s")

    def create(self, victims: int) -> None:
        """Tables and rows."""
        schema = _SCHEMA.format_map(_SQLITE if self.is_sqlite else _POSTGRESQL)
        with self.connect() as connection:
            for statement in schema.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute("BEGIN")
            for table, rows in first_rows(victims).items():
                for row in rows.values():
                    insert(self, connection, table, row)
            connection.execute("COMMIT")

    def contents(self) -> Rows:
        """Every row of every table."""
        found: Rows = {}
        with self.connect() as connection:
            connection.execute("BEGIN" if self.is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ")
            for table, columns in COLUMNS.items():
                rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
                found[table] = {}
                for row in rows:
                    made = {name: _plain(value) for name, value in zip(columns, row, strict=True)}
                    found[table][key_of(table, made)] = made
            connection.execute("COMMIT")
        return found


def insert(shop: Shop, connection: Any, table: str, row: Row) -> None:
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    connection.execute(shop.sql(f"INSERT INTO {table} ({names}) VALUES ({marks})"), list(row.values()))


def key_of(table: str, row: Mapping[str, Any]) -> Key:
    return tuple(row[name] for name in KEYS[table])


def first_rows(victims: int) -> Rows:
    """What a new shop holds."""
    rows: Rows = {table: {} for table in COLUMNS}

    def add(table: str, *values: Any) -> None:
        row = dict(zip(COLUMNS[table], values, strict=True))
        rows[table][key_of(table, row)] = row

    for number in (1, 2, 3):
        add("users", number, f"Seller {number}")
        add("tags", number, ("vip", "重要", "o'clock")[number - 1])
    for customer in range(1, victims + 1):
        for made in household(customer):
            add(*made)
        friend = FIRST_FRIEND + customer
        add("customers", friend, f"friend{friend}@x", "A friend", customer, 1.5, None, b"")
    for customer in range(FIRST_OTHER, FIRST_OTHER + OTHERS):
        for made in household(customer):
            add(*made)
    return rows


def household(customer: int) -> list[tuple[Any, ...]]:
    """A customer and everything that hangs off it: (table, values…), parents first where they can be."""
    remark = 'said "yes",\r\nthen "no"; ' + "é" * (customer % 7) if customer % 3 else None
    avatar = bytes(range(customer % 200)) if customer % 2 else None
    made: list[tuple[Any, ...]] = [
        ("customers", customer, f"c{customer}@x", f"Customer {customer}", None, customer / 7, remark, avatar)
    ]
    for n in (0, 1):
        one = customer * 10 + n
        made += [
            ("deals", one, customer, 1 + n, f"<!channel> deal {one}", one / 3),
            ("orders", one, customer, one if n else None, one, "2026-01-01"),
            ("invoices", one, one, f"R-{one}", 0.1 + one),
            ("order_lines", one, 1, "Licence", 1),
            ("order_lines", one, 2, "NULL", 2),
            ("notes", one * 10, "order", one, "王小明"),
            ("notes", one * 10 + 1, "deal", one, ""),
            ("customer_tags", customer, 1 + n),
        ]
    made.append(("notes", customer * 100 + 50, "customer", customer, None))
    return made


def closure(rows: Rows, customer: int) -> tuple[dict[str, list[Key]], list[Key]]:
    """What must go with a customer, and the customers whose link to it is emptied: found by hand."""

    def where(table: str, column: str, wanted: set[Any]) -> list[Key]:
        return [key for key, row in rows[table].items() if row[column] in wanted]

    deals = where("deals", "customer_id", {customer})
    orders = where("orders", "customer_id", {customer})
    numbers = {key[0] for key in orders}
    subjects = {
        ("customer", customer),
        *(("order", number) for number in numbers),
        *(("deal", key[0]) for key in deals),
    }
    gone = {
        "customers": [(customer,)] if (customer,) in rows["customers"] else [],
        "deals": deals,
        "orders": orders,
        "invoices": where("invoices", "order_id", numbers),
        "order_lines": where("order_lines", "order_id", numbers),
        "notes": [
            key for key, row in rows["notes"].items() if (row["subject_type"], row["subject_id"]) in subjects
        ],
        "customer_tags": where("customer_tags", "customer_id", {customer}),
    }
    return gone, where("customers", "referred_by", {customer})


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
