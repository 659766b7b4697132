"""The sample CRM: a SQLite file with some thousands of rows, the same for the same seed.

Ada Lovelace (``ada@example.com``) is the customer of the story: she has deals, orders with lines and
invoices, notes, tags, and somebody whom she referred. Around her live the names that break careless code.
"""

import random
import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

ADA = 1815
ADA_EMAIL = "ada@example.com"
GRACE = 1906
TABLES = (
    "users",
    "accounts",
    "customers",
    "deals",
    "orders",
    "invoices",
    "order_lines",
    "notes",
    "tags",
    "customer_tags",
)
CUSTOMERS = 560
NASTY_NAMES = (
    "王小明",
    "李娜 (上海)",
    "محمد بن سلمى",
    "Zoë Müller-Lüdenscheidt",
    "Łukasz Żółć",
    "👩🏽‍🚀 Astro 🚀",
    "O'Brien; DROP TABLE customers",
    'The "Quoted" \\ Backslash',
    "Line\nBreak\tTab",
    "<!channel>",
    "<@U0BOB> *bold* `code` & <https://example.com|free money>",
    "=1+1",
    "NULL",
    "a" * 300,
    " leading and trailing ",
    "caf\u00e9 beside cafe\u0301",
)
NASTY_NOTES = (
    None,
    "",
    "call back\r\non Monday",
    "他说:“好的”。",
    'said "yes", then ""no""',
    "<!here> {name} %s ${CRM_DATABASE_URL}",
    "zero\u200bwidth and \u202eright to left",
)
FLOATS = (0.1 + 0.2, 1e308, 5e-324, 123456789.123456789, 1 / 3, 0.0, None, -17.25)
FIRST = ("Ada", "Bo", "Chen", "Dora", "Emil", "Fatima", "Goran", "Hana", "Ivo", "Jun", "Kim", "Lea", "Mo")
LAST = ("Adler", "Berg", "Cruz", "Diaz", "Eriksen", "Fuchs", "Gao", "Haddad", "Ito", "Jensen", "Kaya", "Li")
PRODUCTS = ("Licence", "Support, yearly", "Training day", "Migration", "Stroopwafels 🧇", "Server ½U")
LABELS = (
    "vip",
    "newsletter",
    "do not call",
    "à recontacter",
    "重要",
    "🔥",
    "o'clock",
    "trial",
    "partner",
    "",
)
FORMS = ("GmbH", "Ltd", "有限公司", "S.à r.l.")
STAGES = ("new", "offered", "won", "lost")

Rows = list[tuple[Any, ...]]


def create(path: Path, seed: int = 7) -> dict[str, int]:
    """Create the file with all its rows; gives the number of rows per table.

    Raises:
        FileExistsError: there is something at ``path``.
    """
    if path.exists():
        raise FileExistsError(path)
    schema = resources.files(__package__).joinpath("crm.sql").read_text(encoding="utf-8")
    content = _content(random.Random(seed))  # noqa: S311 - sample data, the same every time
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN")
        for table in TABLES:
            marks = ", ".join("?" * len(content[table][0]))
            connection.executemany(
                f"INSERT INTO {table} VALUES ({marks})",  # noqa: S608 - a name from TABLES
                content[table],
            )
        connection.execute("COMMIT")
    return {table: len(content[table]) for table in TABLES}


def contents(path: Path) -> dict[str, Rows]:
    """Every row of every table, in the order of the keys: for comparing before and after."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return {
            table: connection.execute(
                f"SELECT * FROM {table} ORDER BY 1, 2",  # noqa: S608 - a name from TABLES
            ).fetchall()
            for table in TABLES
        }


def _content(dice: random.Random) -> dict[str, Rows]:
    content: dict[str, Rows] = {table: [] for table in TABLES}
    content["users"] = [
        (number, f"Seller {number}", f"seller{number}@acme.example") for number in range(1, 13)
    ]
    content["tags"] = [(number, label) for number, label in enumerate(LABELS, start=1)]
    _add_accounts(content, dice)
    _add_customers(content, dice)
    for customer in [row[0] for row in content["customers"]]:
        if customer != ADA:
            _add_business(content, dice, customer)
    _add_ada(content, dice)
    return content


def _add_accounts(content: dict[str, Rows], dice: random.Random) -> None:
    for number in range(1, 91):
        parent = dice.randrange(1, number) if number > 10 and dice.random() < 0.4 else None
        owner = dice.choice([None, *range(1, 13)])
        name = f"{dice.choice(LAST)} & {dice.choice(LAST)} {dice.choice(FORMS)}"
        content["accounts"].append((number, name, parent, owner, dice.choice(FLOATS)))
    content["accounts"].append((91, "Analytical Engines Ltd", 1, 3, 1843.0))


def _add_customers(content: dict[str, Rows], dice: random.Random) -> None:
    ordinary = [f"{dice.choice(FIRST)} {dice.choice(LAST)}" for _ in range(CUSTOMERS - len(NASTY_NAMES))]
    for number, name in enumerate([*NASTY_NAMES, *ordinary], start=1):
        referred = dice.randrange(1, number) if number > 1 and dice.random() < 0.2 else None
        email = f"customer{number}@example.net" if dice.random() < 0.95 else None
        phone = dice.choice([None, "", f"+49 30 {dice.randrange(10**6):06d}"])
        avatar = dice.randbytes(dice.randrange(0, 120)) if dice.random() < 0.3 else None
        account, score, remark = dice.randrange(1, 91), dice.choice(FLOATS), dice.choice(NASTY_NOTES)
        row = (number, email, name, phone, account, referred, score, remark, avatar)
        content["customers"].append(row)
    portrait = bytes(range(256))
    remark = "Prefers letters.\n“Poetical science”"
    content["customers"].append(
        (
            ADA,
            ADA_EMAIL,
            "Ada Lovelace",
            "+44 20 1815",
            91,
            1,
            0.1 + 0.2,
            remark,
            portrait,
        )
    )
    content["customers"].append(
        (GRACE, "grace@example.com", "Grace Hopper", "", 91, ADA, 1 / 3, None, b"\x00\xff\x00"),
    )


def _add_business(content: dict[str, Rows], dice: random.Random, customer: int) -> None:
    deals = [_add_deal(content, dice, customer) for _ in range(dice.choice([0, 0, 1, 1, 2]))]
    for _ in range(dice.choice([0, 1, 1, 2])):
        deal = dice.choice([None, *deals])
        order = _add_order(content, dice, customer, deal, lines=dice.randrange(1, 4))
        if dice.random() < 0.3:
            _add_note(content, dice, "order", order)
    for _ in range(dice.choice([0, 1, 1, 2])):
        _add_note(content, dice, "customer", customer)
    for tag in sorted(dice.sample(range(1, 11), dice.choice([0, 0, 1, 2]))):
        content["customer_tags"].append((customer, tag))


def _add_ada(content: dict[str, Rows], dice: random.Random) -> None:
    deals = [_add_deal(content, dice, ADA) for _ in range(2)]
    orders = [
        _add_order(content, dice, ADA, deal, lines)
        for deal, lines in zip([*deals, None], (2, 3, 2), strict=True)
    ]
    for _ in range(3):
        _add_note(content, dice, "customer", ADA)
    _add_note(content, dice, "order", orders[0])
    _add_note(content, dice, "deal", deals[0])
    content["customer_tags"] += [(ADA, 1), (ADA, 5), (ADA, 7)]


def _add_deal(content: dict[str, Rows], dice: random.Random, customer: int) -> int:
    deal = len(content["deals"]) + 1
    owner = dice.choice([None, *range(1, 13)])
    title = f"{dice.choice(PRODUCTS)} for {customer}"
    content["deals"].append((deal, customer, owner, title, dice.choice(FLOATS), dice.choice(STAGES)))
    return deal


def _add_order(
    content: dict[str, Rows], dice: random.Random, customer: int, deal: int | None, lines: int
) -> int:
    order = len(content["orders"]) + 1
    invoice = len(content["invoices"]) + 1 if dice.random() < 0.8 or customer == ADA else None
    placed = f"2025-{dice.randrange(1, 13):02d}-{dice.randrange(1, 29):02d}"
    content["orders"].append((order, customer, deal, invoice, placed, dice.choice(("open", "paid", "sent"))))
    total = 0.0
    for number in range(1, lines + 1):
        quantity, price = dice.randrange(1, 9), dice.randrange(100, 99999) / 100
        total += quantity * price
        content["order_lines"].append((order, number, dice.choice(PRODUCTS), quantity, price))
    if invoice is not None:
        content["invoices"].append((invoice, order, f"R-2025-{invoice:05d}", total))
    return order


def _add_note(content: dict[str, Rows], dice: random.Random, kind: str, subject: int) -> None:
    body = dice.choice([*NASTY_NOTES, "met at the fair", "asked for a quote", "paid late"])
    author = dice.choice([None, *range(1, 13)])
    content["notes"].append((len(content["notes"]) + 1, kind, subject, author, body))
