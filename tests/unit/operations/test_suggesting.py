"""What is suggested for a schema nobody described: it loads, and with it everything that hangs off goes and comes back."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cli import stanza
from bot.config.load import load
from bot.config.record_types import SoftReference
from bot.config.types import Target
from bot.errors import CannotProve, NotAllowed
from bot.operations.suggesting import Suggestion, suggest
from tests.fakes.operations import Bench, make_bench, mysql_bench, postgresql_bench

SCHEMA = """
CREATE TABLE accounts_user (id INTEGER PRIMARY KEY, username VARCHAR(40) UNIQUE, password_hash VARCHAR(80), "First Name" VARCHAR(20));
CREATE TABLE crm_customer (id INTEGER PRIMARY KEY, email VARCHAR(40) UNIQUE, name VARCHAR(40), owner_id INTEGER, created_by INTEGER);
CREATE TABLE crm_deal (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, title VARCHAR(40), legacy_customer_id INTEGER);
CREATE TABLE crm_note (id INTEGER PRIMARY KEY, "ObjectType" VARCHAR(20), "ObjectId" INTEGER, body VARCHAR(40));
CREATE TABLE crm_file (id INTEGER PRIMARY KEY, resource VARCHAR(40));
CREATE TABLE crm_event (id INTEGER PRIMARY KEY, payload JSON);
CREATE TABLE user_session (id INTEGER PRIMARY KEY, user_id INTEGER);
CREATE TABLE audit_log (id INTEGER PRIMARY KEY, user_id INTEGER, what VARCHAR(40));
INSERT INTO accounts_user VALUES (1, 'ann', 'x', 'Ann'), (2, 'bob', 'x', 'Bob');
INSERT INTO crm_customer VALUES (10, 'ada@x', 'Ada', 1, 1), (11, 'cy@x', 'Cy', 2, 1), (12, 'dee@x', 'Dee', 2, 2);
INSERT INTO crm_deal VALUES (100, 10, 'a', 7001), (101, 10, 'b', 7002), (102, 11, 'c', 7003);
INSERT INTO crm_note VALUES (1, 'crm::Customer', 10, 'x'), (2, 'crm::Customer', 11, 'y'), (3, 'crm::Deal', 100, 'z'), (4, 'x', 10, 'w');
INSERT INTO crm_file VALUES (1, 'crm.customer,10'), (2, 'crm.deal,102'), (3, 'see /tmp/12'), (4, NULL);
INSERT INTO crm_event VALUES (1, '{"customer": {"id": 10}}'), (2, '{"customer": {"id": 12}}'), (3, NULL), (4, '[]');
INSERT INTO user_session VALUES (1, 1), (2, 2);
INSERT INTO audit_log VALUES (1, 1, 'ada@x told us');
"""
AROUND = """\
workspace: T0ACME
channel: C0DELETIONS
roles: {dba: {users: [U0BOB]}}
STANZA
    database: {url: "URL"}
rules: [{name: all, when: {operation: restore}, request: [dba], approve: [1 of dba]}]
"""


@contextmanager
def _sqlite(folder: Path) -> Iterator[Bench]:
    yield make_bench(folder, SCHEMA)


def _postgresql(folder: Path) -> AbstractContextManager[Bench]:
    return postgresql_bench(folder, SCHEMA)


ENGINES: dict[str, Callable[[Path], AbstractContextManager[Bench]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}


@pytest.fixture(params=ENGINES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with ENGINES[request.param](tmp_path) as made:
        yield made


def written(bench: Bench, folder: Path) -> tuple[Suggestion, str, Target]:
    """The suggestion, the piece of YAML, and what our own loader makes of it."""
    bare = bench.spec.model_copy(update={"records": {}})
    found = suggest(bench.target, bare)
    text = stanza.as_yaml("crm", found)
    file = folder / "countersign.yml"
    file.write_text(AROUND.replace("STANZA\n", text).replace("URL", bench.spec.address), encoding="utf-8")
    return found, text, load(file, None).targets["crm"]


def test_the_stanza_loads_and_says_what_there_is(bench: Bench, tmp_path: Path) -> None:
    _, text, spec = written(bench, tmp_path)
    links = {(one.from_, one.to, one.where, one.prefix, one.path) for one in spec.soft_references}
    assert links == {
        ("crm_customer.owner_id", "accounts_user.id", None, None, None),
        ("crm_customer.created_by", "accounts_user.id", None, None, None),
        ("crm_deal.customer_id", "crm_customer.id", None, None, None),
        ("crm_note.ObjectId", "crm_customer.id", "\"ObjectType\" = 'crm::Customer'", None, None),
        ("crm_note.ObjectId", "crm_deal.id", "\"ObjectType\" = 'crm::Deal'", None, None),
        ("crm_file.resource", "crm_customer.id", None, "crm.customer,", None),
        ("crm_file.resource", "crm_deal.id", None, "crm.deal,", None),
        ("crm_event.payload", "crm_customer.id", None, None, "customer.id"),
        ("user_session.user_id", "accounts_user.id", None, None, None),
        ("audit_log.user_id", "accounts_user.id", None, None, None),
    }
    assert "#   - crm_deal.legacy_customer_id  # crm_customer.id: 0 of 3 values are there" in text
    customer, user = spec.records["customer"], spec.records["user"]
    assert (customer.table, customer.find_by, customer.label) == (
        "crm_customer",
        ("id", "email", "name"),
        "{name}",
    )
    assert (user.table, user.find_by, user.label) == ("accounts_user", ("id", "username"), "{username}")
    assert dict(customer.links) == {}
    assert dict(user.links) == {
        "audit_log.user_id -> accounts_user.id": "block",
        "crm_customer.created_by -> accounts_user.id": "reassign",
        "crm_customer.owner_id -> accounts_user.id": "reassign",
    }


def test_with_it_everything_that_hangs_off_a_customer_goes_and_comes_back(
    bench: Bench, tmp_path: Path
) -> None:
    _, _, spec = written(bench, tmp_path)
    before = bench.dump()
    told = Bench(bench.path, spec, bench.target, bench.vault, bench.storage)
    done = told.delete("ada@x")
    assert done.rows == {"crm_customer": 1, "crm_deal": 2, "crm_note": 2, "crm_file": 1, "crm_event": 1}
    assert bench.dump() != before
    told.restore(done)
    assert bench.dump() == before


def test_a_user_account_goes_when_somebody_takes_over(bench: Bench, tmp_path: Path) -> None:
    _, _, spec = written(bench, tmp_path)
    before = bench.dump()
    told = Bench(bench.path, spec, bench.target, bench.vault, bench.storage)
    done = told.delete("bob", record="user", heir="ann")
    assert (done.rows, sum(done.reassigned.values())) == ({"accounts_user": 1, "user_session": 1}, 3)
    told.restore(done)
    assert bench.dump() == before


def test_no_value_of_a_row_stands_in_a_suggestion(bench: Bench, tmp_path: Path) -> None:
    """Only the words that name a kind of row, and the names inside JSON, come out of rows."""
    found, text, _ = written(bench, tmp_path)
    data = repr(stanza.as_data("crm", found))
    for value in ("ada@x", "Ada", "Ann", "bob", "7001", "told us", "/tmp/"):
        assert value not in text
        assert value not in data


def test_once_it_is_said_nothing_is_left_to_say(bench: Bench, tmp_path: Path) -> None:
    _, _, spec = written(bench, tmp_path)
    ignored = spec.model_copy(update={"ignored_references": ("crm_deal.legacy_customer_id",)})
    again = suggest(bench.target, ignored)
    assert (again.links, again.doubtful) == ((), ())


def test_a_kind_of_which_there_are_few_is_seen_behind_many_of_another(tmp_path: Path) -> None:
    """Request Tracker keeps hundreds of transactions of its own before the first of a ticket."""
    many = ",".join(f"({number}, 'crm::Deal', {100 + number % 3 + number * 10})" for number in range(1, 3000))
    bench = make_bench(
        tmp_path,
        "CREATE TABLE deals (id INTEGER PRIMARY KEY); CREATE TABLE customers (id INTEGER UNIQUE, name TEXT PRIMARY KEY NOT NULL);"
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, subject_type TEXT, subject_id INTEGER);"
        f"INSERT INTO notes VALUES {many}; INSERT INTO notes VALUES (3000, 'crm::Customer', 5);"
        "INSERT INTO customers VALUES (5, 'x'); INSERT INTO deals SELECT subject_id FROM notes GROUP BY 1;",
    )
    found = suggest(bench.target, bench.spec.model_copy(update={"records": {}}))
    parents = sorted((one.edge.parent, *one.edge.parent_columns) for one in found.links)
    assert parents == [("customers", "id"), ("deals", "id")]


def test_a_look_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    before, seen = bench.dump(), bench.path.stat() if bench.path.exists() else None
    written(bench, tmp_path)
    assert bench.dump() == before
    assert seen is None or bench.path.stat().st_mtime_ns == seen.st_mtime_ns


DJANGO = """
CREATE TABLE django_content_type (id INTEGER PRIMARY KEY, app_label VARCHAR(20) NOT NULL, model VARCHAR(20) NOT NULL);
CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username VARCHAR(40), password VARCHAR(20));
CREATE TABLE user_meta (meta_id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES auth_user, meta_value TEXT);
CREATE TABLE clinic_patient (id INTEGER PRIMARY KEY, first_name VARCHAR(20), last_name VARCHAR(20), doctor_id INTEGER REFERENCES auth_user);
CREATE TABLE clinic_visit (id INTEGER PRIMARY KEY, patient_id INTEGER NOT NULL REFERENCES clinic_patient);
CREATE TABLE taggit_item (id INTEGER PRIMARY KEY, object_id INTEGER, content_type_id INTEGER NOT NULL REFERENCES django_content_type);
CREATE TABLE old_version (id INTEGER PRIMARY KEY, object_id VARCHAR(99), content_type_id INTEGER REFERENCES django_content_type);
CREATE TABLE bill (id INTEGER PRIMARY KEY, patient_id INTEGER, patient_type VARCHAR(9));
INSERT INTO django_content_type VALUES (7, 'auth', 'user'), (8, 'clinic', 'patient'), (9, 'clinic', 'visit'), (10, 'gone', 'thing');
INSERT INTO auth_user VALUES (1, 'ann', 'x'), (2, 'bob', 'x');
INSERT INTO user_meta VALUES (1, 1, 'a'), (2, 2, 'b');
INSERT INTO clinic_patient VALUES (1, 'Ada', 'L', 1), (2, 'Ada', 'L', 2);
INSERT INTO clinic_visit VALUES (1, 1), (2, 2);
INSERT INTO taggit_item VALUES (1, 1, 8), (2, 2, 8), (3, 1, 7), (4, 1, 10), (5, 1, 9);
INSERT INTO old_version VALUES (1, '1', 8), (2, '2', 9), (3, '1', NULL), (4, '1x', 10);
INSERT INTO bill VALUES (1, 1, 'private'), (2, 2, 'public');
"""


def _django(folder: Path, engine: str) -> AbstractContextManager[Bench]:
    if engine == "postgresql":
        return postgresql_bench(folder, DJANGO)
    return nullcontext(make_bench(folder, DJANGO))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_kind_that_is_a_number_is_looked_up_where_it_leads(tmp_path: Path, engine: str) -> None:
    """What only a table of kinds tells is found, and people go by their key where nothing tells them apart."""
    with _django(tmp_path, engine) as made:
        found, text, spec = written(made, tmp_path)
        links = {(one.from_, one.to, one.where) for one in spec.soft_references}
        kind = '"content_type_id" = {}'
        assert links == {
            ("taggit_item.object_id", "auth_user.id", kind.format(7)),
            ("taggit_item.object_id", "clinic_patient.id", kind.format(8)),
            ("taggit_item.object_id", "clinic_visit.id", kind.format(9)),
            ("old_version.object_id", "clinic_patient.id", kind.format(8)),
            ("old_version.object_id", "clinic_visit.id", kind.format(9)),
            ("bill.patient_id", "clinic_patient.id", None),
        }, text
        assert found.doubtful == ()
        patient, user = spec.records["patient"], spec.records["user"]
        assert (patient.find_by, patient.label) == (("id",), "{first_name} {last_name}")
        assert "user_meta.user_id -> auth_user.id" not in user.links
        told, before = replace(made, spec=spec), made.dump()
        done = told.delete("1", record="patient")
        wanted = {"clinic_patient": 1, "clinic_visit": 1, "taggit_item": 2, "old_version": 1, "bill": 1}
        assert done.rows == wanted
        told.restore(done)
        assert made.dump() == before


COMPLAINTS = """
CREATE TABLE ticket (id INTEGER PRIMARY KEY, subject VARCHAR(40));
CREATE TABLE reply (id INTEGER PRIMARY KEY, ticket_id INTEGER NOT NULL REFERENCES ticket, body VARCHAR(20));
CREATE TABLE follower (id INTEGER PRIMARY KEY, ticket_id INTEGER NOT NULL REFERENCES ticket);
INSERT INTO ticket VALUES (1, 'no invoice'), (2, 'no invoice'), (3, 'printer');
INSERT INTO reply VALUES (1, 1, 'a'), (2, 2, 'b');
INSERT INTO follower VALUES (1, 1), (2, 2);
"""


def test_a_ticket_whose_subject_comes_twice_is_named_by_its_number(tmp_path: Path) -> None:
    made = make_bench(tmp_path, COMPLAINTS)
    _, _, spec = written(made, tmp_path)
    ticket = spec.records["ticket"]
    assert (ticket.find_by, ticket.label) == (("id",), "{subject}")
    done = replace(made, spec=spec).delete("1", record="ticket")
    assert done.rows == {"ticket": 1, "reply": 1, "follower": 1}


RAILS = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(40), encrypted_password VARCHAR(20));
CREATE TABLE teams (id INTEGER PRIMARY KEY, name VARCHAR(20));
CREATE TABLE team_users (id INTEGER PRIMARY KEY, team_id INTEGER, user_id INTEGER);
CREATE TABLE messages (id INTEGER PRIMARY KEY, sender_type VARCHAR(20), sender_id INTEGER, body VARCHAR(20));
CREATE TABLE audits (id INTEGER PRIMARY KEY, user_type VARCHAR(20), user_id INTEGER);
CREATE TABLE access_tokens (id INTEGER PRIMARY KEY, owner_type VARCHAR(20), owner_id INTEGER);
CREATE TABLE taggings (id INTEGER PRIMARY KEY, taggable_type VARCHAR(20), taggable_id INTEGER);
INSERT INTO users VALUES (1, 'ann@x', 'x'), (2, 'bob@x', 'x');
INSERT INTO teams VALUES (1, 'one');
INSERT INTO team_users VALUES (1, 1, 1), (2, 1, 2);
INSERT INTO messages VALUES (1, 'User', 1, 'a'), (2, 'User', 2, 'b'), (3, 'Team', 1, 'c');
INSERT INTO audits VALUES (1, 'User', 1);
INSERT INTO access_tokens VALUES (1, 'User', 1), (2, 'User', 2);
INSERT INTO taggings VALUES (1, 'User', 1), (2, 'User', 2);
"""


def test_what_an_account_did_is_not_deleted_with_it_because_a_type_stands_beside(tmp_path: Path) -> None:
    made = make_bench(tmp_path, RAILS)
    _, _, spec = written(made, tmp_path)
    assert dict(spec.records["user"].links) == {
        "messages.sender_id -> users.id": "reassign",
        "audits.user_id -> users.id": "block",
    }
    told, before = replace(made, spec=spec), made.dump()
    done = told.delete("bob@x", record="user", heir="ann@x")
    assert done.rows == {"users": 1, "team_users": 1, "access_tokens": 1, "taggings": 1}
    assert done.reassigned == {"messages.sender_id -> users.id": 1}
    told.restore(done)
    assert made.dump() == before


SHOP = """
CREATE TABLE shop_customer (id INTEGER PRIMARY KEY, customer_no VARCHAR(20) NOT NULL UNIQUE, name VARCHAR(20));
CREATE TABLE orders (id INTEGER PRIMARY KEY, number VARCHAR(20) UNIQUE, customer_no VARCHAR(20) NOT NULL);
CREATE TABLE shop_product (id INTEGER PRIMARY KEY, sku VARCHAR(20) UNIQUE, title VARCHAR(20));
CREATE TABLE stock_record (id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL REFERENCES shop_product, sku VARCHAR(20) UNIQUE);
CREATE TABLE order_line (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders, product_id INTEGER REFERENCES shop_product,
    stock_id INTEGER REFERENCES stock_record, product_sku VARCHAR(20));
CREATE TABLE product_review (id INTEGER PRIMARY KEY, product_id INTEGER REFERENCES shop_product, body VARCHAR(20));
CREATE TABLE choice (id INTEGER PRIMARY KEY, "order" INTEGER NOT NULL, title VARCHAR(20));
CREATE TABLE conditional_offer (id INTEGER PRIMARY KEY, name VARCHAR(20));
CREATE TABLE voucher (id INTEGER PRIMARY KEY, code VARCHAR(20));
CREATE TABLE voucher_offers (id INTEGER PRIMARY KEY, voucher_id INTEGER NOT NULL REFERENCES voucher, offer_id INTEGER NOT NULL REFERENCES conditional_offer);
CREATE TABLE discount (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders, offer_id INTEGER);
CREATE TABLE remark (id INTEGER PRIMARY KEY, customer_no VARCHAR(20) NOT NULL);
CREATE TABLE visit (at VARCHAR(20), customer_no VARCHAR(20));
INSERT INTO shop_customer VALUES (1, 'C-1', 'Ada'), (2, 'C-2', 'Bea');
INSERT INTO orders VALUES (1, 'O1', 'C-1'), (2, 'O2', 'C-2');
INSERT INTO shop_product VALUES (1, 'S1', 'Cup'), (2, 'S2', 'Pot');
INSERT INTO stock_record VALUES (1, 1, 'X1'), (2, 2, 'X2');
INSERT INTO order_line VALUES (1, 1, 1, 1, 'S1'), (2, 2, 1, 1, 'S1'), (3, 2, 2, 2, 'S2');
INSERT INTO product_review VALUES (1, 1, 'good');
INSERT INTO choice VALUES (1, 1, 'Red'), (2, 2, 'Blue');
INSERT INTO conditional_offer VALUES (1, 'Ten'), (2, 'Two');
INSERT INTO voucher VALUES (1, 'V');
INSERT INTO voucher_offers VALUES (1, 1, 1), (2, 1, 2);
INSERT INTO remark VALUES (1, 'C-1'), (2, 'C-2');
INSERT INTO visit VALUES ('now', 'C-1'), ('then', 'C-2');
"""


@contextmanager
def _shop(folder: Path, engine: str, script: str = SHOP) -> Iterator[Bench]:
    served = {"postgresql": postgresql_bench, "mariadb": mysql_bench}
    with (
        served[engine](folder, script) if engine in served else nullcontext(make_bench(folder, script)) as one
    ):
        yield one


@pytest.mark.parametrize("engine", ENGINES)
def test_lines_of_orders_do_not_go_with_a_product(tmp_path: Path, engine: str) -> None:
    """What is a part of something else stays and forgets; what is about the product goes."""
    with _shop(tmp_path, engine) as made:
        _, text, spec = written(made, tmp_path)
        assert spec.records["product"].links == {
            "order_line.product_id -> shop_product.id": "nullify",
            "order_line.stock_id -> stock_record.id": "nullify",
        }, text
        told, before = replace(made, spec=spec), made.dump()
        done = told.delete("Cup", record="product")
        assert done.rows == {"shop_product": 1, "stock_record": 1, "product_review": 1}
        assert sum(done.nullified.values()) == 4
        told.restore(done)
        assert made.dump() == before


@pytest.mark.parametrize("engine", ENGINES)
def test_a_place_in_a_line_is_no_order_and_a_table_that_ties_others_is_no_offer(
    tmp_path: Path, engine: str
) -> None:
    with _shop(tmp_path, engine) as made:
        _, text, spec = written(made, tmp_path)
        links = {(one.from_, one.to) for one in spec.soft_references}
        assert links == {
            ("orders.customer_no", "shop_customer.customer_no"),
            ("remark.customer_no", "shop_customer.customer_no"),
            ("discount.offer_id", "conditional_offer.id"),
        }
        assert "#   - choice.order  # orders.id: its values could as well be places in a line" in text


@pytest.mark.parametrize("engine", ENGINES)
def test_a_link_whose_rows_have_no_key_is_told_and_not_declared(tmp_path: Path, engine: str) -> None:
    """Declared, it would refuse every deletion; the refusal says which link to take out."""
    with _shop(tmp_path, engine) as made:
        found, text, spec = written(made, tmp_path)
        assert "#   - {from: visit.customer_no, to: shop_customer.customer_no}" in text
        assert [one.edge.child for one in found.unkeyed] == ["visit"]
        assert stanza.as_data("crm", found)["unkeyed"]
        told = replace(made, spec=spec)
        gone = {"shop_customer": 1, "orders": 1, "order_line": 1, "remark": 1}
        assert told.delete("C-1", record="customer").rows == gone
        visit = SoftReference.model_validate({"from": "visit.customer_no", "to": "shop_customer.customer_no"})
        all_of_it = spec.model_copy(update={"soft_references": (*spec.soft_references, visit)})
        with pytest.raises(CannotProve) as refused:
            replace(made, spec=all_of_it).order("C-2", record="customer")
        assert refused.value.key == "operations.no-key-declared"
        assert refused.value.params["link"] == "visit.customer_no -> shop_customer.customer_no"


LOGINS = """
CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username VARCHAR(20), password VARCHAR(20));
CREATE TABLE account_emailaddress (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES auth_user);
CREATE TABLE socialaccount_socialaccount (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES auth_user);
CREATE TABLE api_keys (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES auth_user);
CREATE TABLE payment_bankcard (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES auth_user);
CREATE TABLE analytics_userrecord (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES auth_user);
CREATE TABLE basket_basket (id INTEGER PRIMARY KEY, owner_id INTEGER REFERENCES auth_user);
CREATE TABLE agile_userstory (id INTEGER PRIMARY KEY, owner_id INTEGER NOT NULL REFERENCES auth_user);
CREATE TABLE emails (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES auth_user);
INSERT INTO auth_user VALUES (1, 'ann', 'x'), (2, 'bob', 'x');
"""


def test_nobody_takes_over_the_logins_and_cards_of_who_leaves(tmp_path: Path) -> None:
    """Handed over, a login lets the one who left in as the one who took over."""
    _, _, spec = written(make_bench(tmp_path, LOGINS), tmp_path)
    assert dict(spec.records["user"].links) == {
        "agile_userstory.owner_id -> auth_user.id": "reassign",
        "emails.user_id -> auth_user.id": "reassign",
    }


WRITTEN = """
CREATE TABLE customer (id INTEGER PRIMARY KEY, name VARCHAR(20));
CREATE TABLE task (id INTEGER PRIMARY KEY, data {0});
CREATE TABLE task_queue (id INTEGER PRIMARY KEY, arguments TEXT);
INSERT INTO customer VALUES (1, 'Ada'), (2, 'Bea');
INSERT INTO task VALUES (1, '{{"customer_id": 1}}'), (2, '{{"customer_id": 2, "note": "see 1"}}'), (3, NULL);
INSERT INTO task_queue VALUES (1, '{{"kwargs": {{"customer": {{"id": "2"}}}}}}'), (2, 'no JSON'), (3, '[1]')
"""


@pytest.mark.parametrize("engine", ["sqlite", "mariadb"])
def test_json_is_seen_in_the_texts_that_hold_it(tmp_path: Path, engine: str) -> None:
    """MariaDB's JSON is a text, and on SQLite nearly everybody's is."""
    made = nullcontext(make_bench(tmp_path, WRITTEN.format("TEXT"))) if engine == "sqlite" else None
    with made or mysql_bench(tmp_path, WRITTEN.format("JSON").strip()) as bench:
        _, _, spec = written(bench, tmp_path)
        assert {(one.from_, one.path) for one in spec.soft_references} == {
            ("task.data", "customer_id"),
            ("task_queue.arguments", "kwargs.customer.id"),
        }
        before = bench.dump()
        told = replace(bench, spec=spec)
        done = told.delete("Bea")
        assert done.rows == {"customer": 1, "task": 1, "task_queue": 1}
        told.restore(done)
        assert bench.dump() == before


DESK = """
CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username VARCHAR(20), password VARCHAR(20));
CREATE TABLE desk_customer (id INTEGER PRIMARY KEY, name VARCHAR(20), referred_by_id INTEGER REFERENCES desk_customer, parent_id INTEGER REFERENCES desk_customer);
CREATE TABLE desk_article (id INTEGER PRIMARY KEY, title VARCHAR(20));
CREATE TABLE desk_article_voted_by (id INTEGER PRIMARY KEY, article_id INTEGER NOT NULL REFERENCES desk_article, user_id INTEGER NOT NULL REFERENCES auth_user, UNIQUE (article_id, user_id));
CREATE TABLE desk_ticket (id INTEGER PRIMARY KEY, title VARCHAR(20), article_id INTEGER REFERENCES desk_article, customer_id INTEGER REFERENCES desk_customer);
CREATE TABLE follow_up (id INTEGER PRIMARY KEY, ticket_id INTEGER NOT NULL REFERENCES desk_ticket, user_id INTEGER REFERENCES auth_user, body VARCHAR(9));
CREATE TABLE file (id INTEGER PRIMARY KEY, ticket_id INTEGER NOT NULL REFERENCES desk_ticket);
CREATE TABLE call (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES desk_customer);
INSERT INTO auth_user VALUES (1, 'ann', 'x'), (2, 'bob', 'x');
INSERT INTO desk_customer VALUES (1, 'Ada', NULL, NULL), (2, 'Bea', 1, NULL), (3, 'Ada & Co', NULL, 1);
INSERT INTO desk_article VALUES (1, 'How'), (2, 'Why');
INSERT INTO desk_article_voted_by VALUES (1, 1, 1), (2, 1, 2), (3, 2, 2);
INSERT INTO desk_ticket VALUES (1, 'Help', 1, 1), (2, 'Fire', 1, NULL);
INSERT INTO follow_up VALUES (1, 1, 2, 'a'), (2, 2, 1, 'b');
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_record_of_its_own_goes_with_a_person_and_not_with_a_thing(tmp_path: Path, engine: str) -> None:
    with _shop(tmp_path, engine, DESK) as made:
        _, text, spec = written(made, tmp_path)
        assert spec.records["article"].links == {"desk_ticket.article_id -> desk_article.id": "nullify"}, text
        told, before = replace(made, spec=spec), made.dump()
        done = told.delete("How", record="article")
        assert (done.rows, sum(done.nullified.values())) == (
            {"desk_article": 1, "desk_article_voted_by": 2},
            2,
        )
        told.restore(done)
        assert made.dump() == before
        # Whom Ada brought stays, her branch does not.
        assert told.delete("Ada").rows == {"desk_customer": 2, "desk_ticket": 1, "follow_up": 1}


@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_takes_over_votes_and_memberships(tmp_path: Path, engine: str) -> None:
    """A row that only ties an account to something is the account's; the one who takes over may have the same."""
    with _shop(tmp_path, engine, DESK) as made:
        _, _, spec = written(made, tmp_path)
        assert spec.records["user"].links == {"follow_up.user_id -> auth_user.id": "reassign"}
        done = replace(made, spec=spec).delete("bob", record="user", heir="ann")
        assert done.rows == {"auth_user": 1, "desk_article_voted_by": 2}


ONE_EACH = """
CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username VARCHAR(20), password VARCHAR(20));
CREATE TABLE shop_customer (id INTEGER PRIMARY KEY, email VARCHAR(20) UNIQUE, user_id INTEGER UNIQUE REFERENCES auth_user (id));
CREATE TABLE sales (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES shop_customer (id));
CREATE TABLE calls (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES shop_customer (id));
CREATE TABLE seats (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL UNIQUE REFERENCES auth_user (id), desk VARCHAR(9));
CREATE TABLE trips (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES auth_user (id));
INSERT INTO auth_user VALUES (1, 'ann', 'x'), (2, 'bob', 'x'), (3, 'cy', 'x');
INSERT INTO shop_customer VALUES (1, 'bob@x', 2), (2, 'dee@x', NULL);
INSERT INTO sales VALUES (1, 1);
INSERT INTO seats VALUES (1, 1, 'A1'), (2, 2, 'A2'), (3, 3, 'A3');
INSERT INTO trips VALUES (1, 1), (2, 3);
"""


@pytest.mark.parametrize("engine", [*ENGINES, "mariadb"])
def test_of_what_an_account_has_at_most_one_nobody_takes_over_a_second(tmp_path: Path, engine: str) -> None:
    """The heir has one already: it would be refused whoever is named."""
    with _shop(tmp_path, engine, ONE_EACH) as made:
        _, text, spec = written(made, tmp_path)
        assert spec.records["user"].links == {
            "shop_customer.user_id -> auth_user.id": "block",
            "trips.user_id -> auth_user.id": "reassign",
        }, text
        told, before = replace(made, spec=spec), made.dump()
        done = told.delete("cy", record="user", heir="ann")
        assert done.rows == {"auth_user": 1, "seats": 1}
        told.restore(done)
        assert made.dump() == before
        with pytest.raises(NotAllowed) as refused:
            told.order("bob", record="user", heir="ann")
        assert "shop_customer.user_id -> auth_user.id" in str(refused.value.params["links"])


FORUM = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(40), encrypted_password VARCHAR(20));
CREATE TABLE members (id INTEGER PRIMARY KEY, email VARCHAR(40) UNIQUE, default_address_id INTEGER);
CREATE TABLE addresses (id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL, city VARCHAR(9));
CREATE TABLE threads (id INTEGER PRIMARY KEY, title VARCHAR(9), member_id INTEGER, last_post_id INTEGER, accepted_post_id INTEGER);
CREATE TABLE posts (id INTEGER PRIMARY KEY, thread_id INTEGER NOT NULL, member_id INTEGER NOT NULL, body VARCHAR(9));
CREATE TABLE notes (id INTEGER PRIMARY KEY, owner_kind VARCHAR(9), owner_ref INTEGER, body VARCHAR(9));
CREATE TABLE marks (id INTEGER PRIMARY KEY, owner_type VARCHAR(9), owner_id INTEGER, body VARCHAR(9));
INSERT INTO users VALUES (1, 'ann@x', 'x'), (2, 'bob@x', 'x');
INSERT INTO members VALUES (1, 'eve@x', 1), (2, 'fay@x', 2);
INSERT INTO addresses VALUES (1, 1, 'a'), (2, 2, 'b');
INSERT INTO threads VALUES (1, 'eve asks', 1, 2, 2), (2, 'fay asks', 2, 3, NULL);
INSERT INTO posts VALUES (1, 1, 1, 'a'), (2, 1, 2, 'b'), (3, 2, 2, 'c');
INSERT INTO notes VALUES (1, 'member', 1, 'a'), (2, 'thread', 1, 'b'), (3, 'thread', 2, 'c');
INSERT INTO marks VALUES (1, 'G', 1, 'a'), (2, 'U', 2, 'b');
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_thread_stays_when_its_last_post_goes_and_notes_of_another_kind_stay(
    tmp_path: Path, engine: str
) -> None:
    with _shop(tmp_path, engine, FORUM) as made:
        _, text, spec = written(made, tmp_path)
        # A kind that nobody knows makes no account of an owner.
        assert "users.id" not in text
        told, before = replace(made, spec=spec), made.dump()
        done = told.delete("2", record="member")
        assert done.rows == {"members": 1, "addresses": 1, "threads": 1, "posts": 2, "notes": 1}, text
        assert sum(done.nullified.values()) == 2
        told.restore(done)
        assert made.dump() == before
