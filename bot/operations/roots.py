"""Kinds of records that people will want to delete: much points at them, and a person can name them.

Pure. For user accounts also what becomes of what others work with: it goes to somebody else, or forbids the
deletion.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.config.record_types import Policy
from bot.operations.closure import default_policy
from bot.operations.lookalikes import joins
from bot.operations.names import singular, stems, words
from bot.operations.policies import can_be_emptied, own_columns
from bot.targets.base import Catalogue, Edge, Table

#: By so many columns, beside the key, may people name a record.
NAMED_BY = 2
_MOST = 8
_HUMAN = (
    "email", "emailaddress", "mail", "mailaddress", "username", "login", "loginname", "alias", "name",
    "number", "code", "customernumber", "accountnumber", "invoicenumber", "ordernumber", "reference", "sku",
    "slug", "host", "phone", "externalid", "vatnumber", "title", "subject",
)  # fmt: skip
_NAMES = (
    "name", "fullname", "realname", "displayname", "title", "companyname", "username", "login", "label",
    "subject", "email", "emailaddress", "number", "code", "host",
)  # fmt: skip
_SUBJECTS = frozenset({
    "customer", "client", "contact", "company", "organization", "organisation", "party", "person", "patient",
    "student", "member", "subscriber", "guest", "lead", "user", "account", "employee", "supplier", "vendor",
    "ticket", "host", "device", "project", "order", "invoice", "contract", "opportunity", "case",
})  # fmt: skip
_LISTS = frozenset({
    "type", "status", "state", "country", "currency", "language", "category", "role", "group", "permission",
    "setting", "config", "template", "unit", "class", "kind", "priority", "stage", "migration", "model",
    "field", "module", "action", "menu", "view", "sequence", "icon", "tag", "image", "script", "locale",
    "timezone",
})  # fmt: skip
_ACCOUNTS = frozenset({"user", "useraccount", "login", "cremeuser"})
_SECRETS = frozenset({
    "password", "passwd", "passwordhash", "hashedpassword", "encryptedpassword", "pwhash", "passhash",
})  # fmt: skip
_OWN = frozenset({
    "session", "token", "preference", "setting", "profile", "identity", "membership", "member", "favorite",
    "favourite", "bookmark", "notification", "subscription", "password", "credential", "device", "role",
    "permission", "group", "login", "avatar", "cache", "search", "filter", "authtoken", "attribute", "config",
    "dashboard", "widget", "meta", "usermeta",
})  # fmt: skip
#: Logins, means of payment and what is wanted for oneself, by the end of a table's name: handed over, a login
#: would let the one who left in as somebody else.
_PERSONAL = (
    "emailaddress", "useraddress", "customeraddress", "shippingaddress", "billingaddress", "addressbook",
    "socialaccount", "socialauth", "externalaccount", "externallogin", "externalid", "linkedaccount",
    "apikey", "sshkey", "gpgkey", "publickey", "signingkey", "passkey", "securitykey", "recoverycode",
    "backupcode", "authenticator", "credential", "otp", "webauthn", "grant", "consent", "bankcard",
    "creditcard", "paymentcard", "paymentmethod", "wishlist", "cart", "basket", "presence", "pusher",
)  # fmt: skip
#: Below its parent a row is a part of it; beside what it was merged with it is one of its own.
_TREE = frozenset({"parent", "root", "ancestor"})
#: One of many that belong to the row: the last post of a thread, the default address of a customer.
_PICKED = frozenset({
    "last", "latest", "newest", "first", "default", "primary", "main", "current", "preferred", "featured",
    "favorite", "favourite", "best", "accepted", "solution", "chosen", "selected", "cover", "pinned",
})  # fmt: skip
_DOERS = frozenset({
    "user", "sender", "author", "owner", "creator", "editor", "assignee", "agent", "actor", "by", "member",
    "uploader", "reviewer", "approver", "poster", "account", "tagger",
})  # fmt: skip
_RECORDS = frozenset({"audit", "log", "auditlog", "history", "journal", "ledger", "trail", "event"})


@dataclass(frozen=True)
class Root:
    """A kind of record as it could stand in the configuration; ``pointing`` links lead to its table."""

    name: str
    table: str
    find_by: tuple[str, ...]
    label: str
    pointing: int
    links: Mapping[str, Policy] = field(default_factory=dict)
    account: bool = False


def human_columns(table: Table) -> tuple[str, ...]:
    """Columns by which a person may name a row, the best first; whether they tell rows apart is not known."""
    glued = {"".join(words(column.name)): column.name for column in table.stored}
    own = "".join(words(table.name)[-1:])
    wanted = [name for short in _HUMAN for name in (short, singular(own) + short)]
    return tuple(dict.fromkeys(glued[name] for name in wanted if name in glued))


def candidates(catalogue: Catalogue, edges: Iterable[Edge]) -> tuple[str, ...]:
    """The tables that may be kinds of records, the likeliest first; at most a few more than are suggested."""
    known = tuple(edges)
    pointing = _pointing(known)
    found = [
        table
        for table in catalogue.tables.values()
        if len(table.key) == 1
        and pointing[table.name] > 1
        and (human_columns(table) or _is_somebody(table) or _is_whole(catalogue, known, table.name))
        and not _is_list(table)
        and not _is_part(table, known)
    ]
    ordered = sorted(found, key=lambda one: (not _is_subject(one), -pointing[one.name], one.name))
    return tuple(table.name for table in ordered[: 3 * _MOST])


def roots(
    catalogue: Catalogue,
    edges: Sequence[Edge],
    humans: Mapping[str, Sequence[str]],
    numbered: Collection[str] = (),
) -> tuple[Root, ...]:
    """``edges`` are all links; ``humans``: by table, the columns that were seen to tell rows apart.

    ``numbered``: tables where such a column holds numbers, which could be taken for keys.
    """
    pointing = _pointing(edges)
    known = [
        name
        for name in candidates(catalogue, edges)
        # Tickets are known by their number: that their subjects come twice is no reason against them.
        if humans.get(name) or _is_subject(catalogue.tables[name]) or _is_whole(catalogue, edges, name)
    ]
    chosen = known[:_MOST]
    taken: dict[str, str] = {}
    for table in chosen:
        parts = words(table.rpartition(".")[2])
        short, whole = singular(parts[-1]), "-".join(parts)
        taken[table] = short if short not in taken.values() else whole
    return tuple(
        Root(
            name=taken[table],
            table=table,
            find_by=_find_by(catalogue.tables[table], humans[table], key=table not in numbered),
            label=_label(catalogue.tables[table], humans[table]),
            pointing=pointing[table],
            links=_links(catalogue, edges, table, chosen)
            if _is_account(catalogue.tables[table])
            else _what_stays(catalogue, edges, table, chosen),
            account=_is_account(catalogue.tables[table]),
        )
        for table in chosen
    )


def _pointing(edges: Iterable[Edge]) -> Counter[str]:
    links = {(edge.child, edge.child_columns, edge.parent) for edge in edges}
    return Counter(parent for _, _, parent in links)


def _find_by(table: Table, humans: Sequence[str], *, key: bool) -> tuple[str, ...]:
    keys = table.key if len(table.key) == 1 and (key or not humans) else ()
    return tuple(dict.fromkeys([*keys, *humans[:NAMED_BY]]))


def _is_part(table: Table, edges: Iterable[Edge]) -> bool:
    """Its key is a link: a row is a part of the row that it points at, and cannot stand for the whole."""
    return any(edge.child == table.name and edge.child_columns == table.key for edge in edges)


def _is_whole(catalogue: Catalogue, edges: Iterable[Edge], name: str) -> bool:
    """Rows of other tables are parts of its rows, and nothing else may be used to name them."""
    return any(
        edge.parent == name and edge.child_columns == catalogue.tables[edge.child].key
        for edge in edges
        if edge.action != "soft"
    )


def _label(table: Table, humans: Sequence[str]) -> str:
    glued = {"".join(words(column.name)): column.name for column in table.stored}
    first, last = glued.get("firstname", glued.get("givenname")), glued.get("lastname", glued.get("surname"))
    if first and last:
        return f"{{{first}}} {{{last}}}"
    column = next((glued[name] for name in _NAMES if name in glued), [*humans, *table.key][0])
    return f"{{{column}}}"


def _links(
    catalogue: Catalogue, edges: Sequence[Edge], root: str, chosen: Sequence[str]
) -> dict[str, Policy]:
    found: dict[str, Policy] = {}
    labels = Counter(edge.label for edge in edges)
    for edge in edges:
        if edge.parent == root and default_policy(edge) == "follow":
            policy = _policy(catalogue, edge, chosen, alone=labels[edge.label] == 1)
            if policy != "follow":
                found[edge.label] = policy
    return dict(sorted(found.items()))


def _what_stays(
    catalogue: Catalogue, edges: Sequence[Edge], root: str, chosen: Collection[str]
) -> dict[str, Policy]:
    """What can do without the record, near or far, is not deleted with it."""
    found: dict[str, Policy] = {}
    reached, waiting = {root}, [root]
    while waiting:
        parent = waiting.pop()
        for edge in edges:
            if edge.parent != parent or default_policy(edge) != "follow":
                continue
            if _can_do_without(catalogue, edges, edge, chosen):
                found[edge.label] = "nullify"
            elif edge.child not in reached:
                reached.add(edge.child)
                waiting.append(edge.child)
    return dict(sorted(found.items()))


def _can_do_without(catalogue: Catalogue, edges: Sequence[Edge], edge: Edge, chosen: Collection[str]) -> bool:
    """Lines of orders stay when a product goes, tickets when an article or a ticket merged with them goes.

    What belongs to a person, a company or a case goes with it even so: a shop knows orders of nobody.
    """
    child, parent = catalogue.tables[edge.child], catalogue.tables[edge.parent]
    plain = edge.action != "cascade" and not (edge.where or edge.prefix or edge.path)
    if not plain or not can_be_emptied(child, edge) or sum(one.label == edge.label for one in edges) > 1:
        return False
    if edge.child == edge.parent:
        return not _TREE & set(words(edge.child_columns[0]))
    if _is_pick(edges, edge):
        return True
    # Without declared keys nearly every column may be empty, and that tells nothing.
    of_its_own = edge.action != "soft" and edge.child in chosen and not _is_subject(parent)
    return of_its_own or _is_part_of_other(catalogue, edges, edge)


def _is_pick(edges: Sequence[Edge], edge: Edge) -> bool:
    """``threads.last_post_id``, where posts belong to a thread: the thread is more than its last post."""
    picked = bool(_PICKED & {*words(edge.child_columns[0])})
    return picked and any(one.child == edge.parent and one.parent == edge.child for one in edges)


def _is_part_of_other(catalogue: Catalogue, edges: Sequence[Edge], edge: Edge) -> bool:
    """Called like a part of another table, to which a row of it always belongs."""
    child = catalogue.tables[edge.child]
    wholes = {
        one.parent
        for one in edges
        if one.child == edge.child and all(_is_filled(child, name) for name in one.child_columns)
    }
    wholes = {one for one in (*wholes, edge.parent) if one != edge.child}
    named = {table for table in wholes if _names_part(table, edge.child)}
    return bool(named) and edge.parent not in named


def _is_filled(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and column.not_null


def _names_part(whole: str, part: str) -> bool:
    """``orders`` and ``order_lines``; ``wishlists_wishlist`` and ``wishlists_line``."""
    parts = [singular(word) for word in words(part.rpartition(".")[2])]
    last = words(whole.rpartition(".")[2])[-1:]
    return bool(last) and singular(last[0]) in parts[:-1]


def _policy(catalogue: Catalogue, edge: Edge, chosen: Sequence[str], *, alone: bool) -> Policy:
    """What belongs to the account goes with it; what tells of deeds stays; the rest goes to somebody else."""
    child = catalogue.tables[edge.child]
    about = edge.where and not _is_doer(edge.child_columns[0])
    if (
        about
        or _is_own(child, edge)
        or edge.child in joins(catalogue)
        or (edge.action == "cascade" and edge.child not in chosen)
    ):
        return "follow"
    if edge.child == edge.parent and not edge.path and can_be_emptied(child, edge):
        # Whoever takes over may have been made by the one who goes, and cannot point at itself.
        return "nullify"
    if _RECORDS & {singular(word) for word in words(child.name)}:
        return "block"
    if any(set(key) <= set(edge.child_columns) for key in child.unique):
        # One at most for each account: whoever takes over may have one already. A record of its own is more
        # than a part of the account.
        return "block" if edge.child in chosen else "follow"
    plain = alone and not edge.prefix and not edge.path and edge.sound
    if plain and own_columns(catalogue, edge):
        return "reassign"
    return "block"


def _is_own(child: Table, edge: Edge) -> bool:
    """A setting, a session, a membership: nobody else works with it."""
    parts, parent = words(child.name.rpartition(".")[2]), words(edge.parent.rpartition(".")[2])
    said = {singular(word) for word in parts}
    extends = len(parts) > len(parent) and [*map(singular, parts[: len(parent)])] == [*map(singular, parent)]
    doer = words(edge.child_columns[0])[-1:] == ("by",)
    extends |= len(parts) > len(parent) and [*map(singular, parts[-len(parent) :])] == [
        *map(singular, parent)
    ]
    extends |= _extends_in_one_word(parts, parent, edge.child_columns[0])
    personal = "".join([*parts[:-1], singular(parts[-1])]).endswith(_PERSONAL) if parts else False
    return not doer and (
        bool(_OWN & said) or extends or personal or bool(set(edge.child_columns) & set(child.key))
    )


def _extends_in_one_word(parts: Sequence[str], parent: Sequence[str], column: str) -> bool:
    """``analytics_userrecord.user_id`` for ``auth_user``."""
    if not parts or not parent:
        return False
    own = singular(parent[-1])
    longer = parts[-1].startswith(own) and singular(parts[-1]) != own
    return longer and any(found == (own,) for found, _ in stems(column))


def _is_doer(column: str) -> bool:
    """``sender_id`` beside ``sender_type``: the row is somebody's work, and not about them."""
    return any(parts and parts[-1] in _DOERS for parts, _ in stems(column))


def _is_subject(table: Table) -> bool:
    parts = words(table.name.rpartition(".")[2])
    return bool(parts) and (singular(parts[-1]) in _SUBJECTS or _is_account(table))


def _is_account(table: Table) -> bool:
    parts = words(table.name.rpartition(".")[2])
    secret = any("".join(words(column.name)) in _SECRETS for column in table.stored)
    return bool(parts) and (singular(parts[-1]) in _ACCOUNTS or (secret and not _named_as_list(parts)))


def _is_somebody(table: Table) -> bool:
    """People have a first and a last name, which need not tell them apart: then their key does."""
    glued = {"".join(words(column.name)) for column in table.stored}
    return _is_subject(table) and {"firstname", "lastname"} <= glued


def _is_list(table: Table) -> bool:
    parts = words(table.name.rpartition(".")[2])
    return bool(parts) and _named_as_list(parts) and not _is_account(table)


def _named_as_list(parts: Sequence[str]) -> bool:
    return any(singular(parts[-1]).endswith(word) for word in _LISTS)
