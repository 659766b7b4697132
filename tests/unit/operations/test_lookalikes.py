"""Which columns look like references, by name and type alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.operations.lookalikes import lookalikes
from bot.operations.names import TableNames, singular, stem, stems, words
from bot.targets.base import Catalogue, Edge, Table, TableColumn


def table(name: str, *columns: str, key: tuple[str, ...] = ("id",)) -> Table:
    """Columns are written ``name`` (a whole number) or ``name type``."""
    parts = [column.partition(" ") for column in columns]
    made = tuple(TableColumn(one, kind or "integer", "x", True, False, False) for one, _, kind in parts)
    return Table(name, made, key, "", ())


def found(*tables: Table, edges: tuple[Edge, ...] = (), known: tuple[str, ...] = ()) -> dict[str, str]:
    catalogue = Catalogue({one.name: one for one in tables}, edges)
    return {one.place: one.meant for one in lookalikes(catalogue, known)}


CUSTOMERS = table("customers", "id", "email text")
USERS = table("users", "id", "name text", "password text")

LIKE: dict[str, tuple[tuple[Table, ...], str, str]] = {
    "snake case": ((CUSTOMERS, table("deals", "id", "customer_id")), "deals.customer_id", "customers.id"),
    "camel case": ((CUSTOMERS, table("deals", "id", "customerId")), "deals.customerId", "customers.id"),
    "capitals": ((CUSTOMERS, table("Deals", "id", "CUSTOMERID")), "Deals.CUSTOMERID", "customers.id"),
    "the other way round": ((CUSTOMERS, table("deals", "id", "id_customer")), "deals.id_customer", "customers.id"),
    "run together": ((CUSTOMERS, table("deals", "id", "customerid")), "deals.customerid", "customers.id"),
    "with a word in front": ((CUSTOMERS, table("deals", "id", "old_customer_id")), "deals.old_customer_id", "customers.id"),
    "a table of one": ((table("customer", "id"), table("deals", "id", "customer_id")), "deals.customer_id", "customer.id"),
    "a plural in -ies": ((table("companies", "id"), table("deals", "id", "company_id")), "deals.company_id", "companies.id"),
    "people": ((table("people", "id"), table("deals", "id", "person_id")), "deals.person_id", "people.id"),
    "a table in another schema": ((table("Sales.Customer", "id"), table("deals", "id", "customer_id")), "deals.customer_id", "Sales.Customer.id"),
    "a table with a module in front": ((table("persons_contact", "id"), table("mail_list", "id", "contact_id")), "mail_list.contact_id", "persons_contact.id"),
    "a number called like a table": ((table("queues", "id"), table("tickets", "id", "queue")), "tickets.queue", "queues.id"),
    "a table named twice": ((table("party_party", "id"), table("sale_sale", "id", "party")), "sale_sale.party", "party_party.id"),
    "a key with a name of its own": ((table("hstgrp", "groupid", key=("groupid",)), table("rights", "id", "groupid")), "rights.groupid", "hstgrp.groupid"),
    "such a key with more around it": ((table("hstgrp", "groupid", key=("groupid",)), table("rights", "id", "parent_groupid")), "rights.parent_groupid", "hstgrp.groupid"),
    "who did it": ((USERS, table("deals", "id", "created_by")), "deals.created_by", "users.id"),
    "who did it, run together": ((USERS, table("deals", "id", "lastupdatedby")), "deals.lastupdatedby", "users.id"),
    "an owner": ((USERS, table("deals", "id", "owner")), "deals.owner", "users.id"),
    "an owner with its id": ((USERS, table("deals", "id", "owner_id")), "deals.owner_id", "users.id"),
    "a parent": ((table("folders", "id", "parent_id"),), "folders.parent_id", "folders.id"),
    "a pair of type and id": ((CUSTOMERS, table("notes", "id", "ObjectType text", "ObjectId")), "notes.ObjectId", "(ObjectType)"),
    "a pair run together": ((CUSTOMERS, table("notes", "id", "objecttype text", "objectid")), "notes.objectid", "(objecttype)"),
    "a key of letters": ((table("customers", "id uuid"), table("deals", "id uuid", "customer_id uuid")), "deals.customer_id", "customers.id"),
    "a model before a module": ((CUSTOMERS, table("data", "id", "module text", "res_id", "model text")), "data.res_id", "(model)"),
    "anything, and a model": ((CUSTOMERS, table("message", "id", "res_id", "model text")), "message.res_id", "(model)"),
    "a short key": ((table("crmentity", "crmid", key=("crmid",)), table("tracker", "id", "crmid")), "tracker.crmid", "crmentity.crmid"),
    "such a key in two words": ((table("person_details", "contactid", key=("contactid",)), table("deal", "id", "contact_id")), "deal.contact_id", "person_details.contactid"),
    "anything, and a module": ((CUSTOMERS, table("rel", "id", "bean_id", "bean_module text")), "rel.bean_id", "(bean_module)"),
    "an item, and a module's name": ((CUSTOMERS, table("tracker", "id", "item_id", "module_name text")), "tracker.item_id", "(module_name)"),
    "anything, and a number for its kind": ((CUSTOMERS, table("tagged", "id", "object_id", "content_type_id")), "tagged.object_id", "(content_type_id)"),
    "the same in other words": ((CUSTOMERS, table("remark", "id", "target_id", "target_ct_id")), "remark.target_id", "(target_ct_id)"),
    "a pair of a kind and a reference": ((USERS, table("notes", "id", "owner_kind text", "owner_ref")), "notes.owner_ref", "(owner_kind)"),
    "a pair of anything": ((USERS, table("notes", "id", "target_kind text", "target_ref text")), "notes.target_ref", "(target_kind)"),
    "an audit of a table": ((CUSTOMERS, table("customers_audit", "id", "parent_id")), "customers_audit.parent_id", "customers.id"),
    "more columns of a table": ((CUSTOMERS, table("customers_cstm", "id_c", key=("id_c",))), "customers_cstm.id_c", "customers.id"),
    "to whom somebody reports": ((table("contacts", "id", "reports_to_id"),), "contacts.reports_to_id", "contacts.id"),
    "who did it, by a text declared like the accounts' key": (
        (table("users", "id char(36)"), table("deals", "id", "created_by char(36)")), "deals.created_by", "users.id",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("tables", "place", "meant"), LIKE.values(), ids=LIKE)
def test_what_looks_like_a_reference(tables: tuple[Table, ...], place: str, meant: str) -> None:
    assert found(*tables) == {place: meant}


def numbered(one: Table) -> Table:
    """The database numbers the first column."""
    first, *rest = one.columns
    return replace(one, columns=(replace(first, numbered=True), *rest))


UNLIKE: dict[str, tuple[Table, ...]] = {
    "numbers that the database gives, though another table is called so": (
        table("orders_meta", "id"),
        numbered(table("post_meta", "meta_id", key=("meta_id",))),
    ),
    "the row's own key, which is no pair with a type": (
        table("comments", "comment_ID", "comment_type text", key=("comment_ID",)),
    ),
    "who did it, by a text that may be a name": (
        table("users", "id char(36)"),
        table("deals", "id", "created_by varchar(80)"),
    ),
    "the row's own key": (CUSTOMERS, table("deals", "deal_id", key=("deal_id",))),
    "its own id beside another key": (table("Users", "id", "Name text", key=("Name",)),),
    "an identifier of something that is no table": (
        CUSTOMERS,
        table("deals", "id", "message_id text", "legacy_id"),
    ),
    "a type that cannot be equal": (CUSTOMERS, table("deals", "id", "customer_id uuid")),
    "a moment": (USERS, table("deals", "id", "created_at timestamp", "created_by_name text")),
    "a text called like a table": (table("statuses", "id"), table("deals", "id", "status text")),
    "a word that ends like an identifier": (CUSTOMERS, table("deals", "id", "paid", "valid", "grid")),
    "a parent whose rows nothing identifies": (
        table("customers", "id", key=()),
        table("deals", "id", "customer_id"),
    ),
    "two tables that could be meant": (
        table("a_role", "id"),
        table("b_role", "id"),
        table("c_x", "id", "role_id"),
    ),
    "who did it, where nobody has an account": (CUSTOMERS, table("deals", "id", "created_by")),
}


@pytest.mark.parametrize("tables", UNLIKE.values(), ids=UNLIKE)
def test_what_does_not(tables: tuple[Table, ...]) -> None:
    assert found(*tables) == {}


def test_a_declared_key_tells_what_its_name_means_elsewhere() -> None:
    tables = (table("realm", "id"), table("user_entity", "id"), table("event", "id", "user_id", "other_id"))
    holder = table("credential", "id", "user_id")
    assert found(*tables, holder) == {}
    edge = Edge("credential", ("user_id",), "user_entity", ("id",), "cascade")
    assert found(*tables, holder, edges=(edge,)) == {"event.user_id": "user_entity.id"}
    two = (edge, Edge("seat", ("user_id",), "realm", ("id",), "cascade"))
    assert found(*tables, holder, table("seat", "id", "user_id"), edges=two) == {}


def test_what_is_known_is_not_said_again() -> None:
    deals = table("deals", "id", "customer_id", "owner_id")
    edge = Edge("deals", ("customer_id",), "customers", ("id",), "cascade")
    assert found(CUSTOMERS, USERS, deals, edges=(edge,)) == {"deals.owner_id": "users.id"}
    assert found(CUSTOMERS, USERS, deals, edges=(edge,), known=("deals.owner_id",)) == {}


_ANY = st.text(max_size=12) | st.from_regex(r"[a-zA-Z]{0,6}_?[iI][dD]_?[a-zA-Z]{0,6}", fullmatch=True)


@given(st.lists(_ANY, min_size=1, max_size=4, unique=True), st.lists(_ANY, max_size=5, unique=True))
def test_no_name_is_too_odd(tables: list[str], columns: list[str]) -> None:
    """Whatever they are called: no crash, and only columns that there are."""
    made = [
        table(name, *(one.replace(" ", "") for one in columns), key=tuple(columns[:1])) for name in tables
    ]
    places = {f"{one.name}.{column.name}" for one in made for column in one.columns}
    assert set(found(*made)) <= places
    for name in (*tables, *columns):
        assert all(part == part.lower() for part in words(name))
        assert stem(name) in [*stems(name)]
        TableNames(tables).meant(words(name) or ("x",), name)
        singular(name)
