"""Some tables of a PostgreSQL database, as ``postgresql_part_questions`` asks about them. Pure.

A table takes its indexes, its own sequences, its types and its statistics along wherever it goes. What it
lies in belongs to others, so that nothing that is asked may have the name or number of the schema of now.
"""
# ruff: noqa: S608, E501 - constants of this file and numbers; a query is easier to read in few lines

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from bot.targets.postgresql_sql import constant, quote


class Tables(dict[str, int]):
    """The numbers of tables by ``schema.table`` at home. A plain mapping in its place is one of schemas."""


class Path(NamedTuple):
    """Where a table lies: the schema is what stands before the first dot."""

    schema: str
    table: str

    @classmethod
    def of(cls, path: str) -> "Path":
        """From ``schema.table``; a table alone is one of ``public``."""
        schema, dot, table = path.partition(".")
        return cls(schema, table) if dot else cls("public", path)

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"

    def written(self) -> str:
        """In SQL."""
        return f"{quote(self.schema)}.{quote(self.table)}"


class Statistics(NamedTuple):
    """Statistics that somebody declared on a table, which no dump of single tables has."""

    schema: str
    name: str
    definition: str
    owner: str
    comment: str | None

    def making(self) -> Sequence[str]:
        """The statements that declare them again."""
        written = f"{quote(self.schema)}.{quote(self.name)}"
        said = [f"COMMENT ON STATISTICS {written} IS{constant(self.comment)}"] if self.comment else []
        return [self.definition, *said, f"ALTER STATISTICS {written} OWNER TO {quote(self.owner)}"]


class Needed(NamedTuple):
    """A function or a type outside that tables need, and that a copy elsewhere is given; ``name`` has its kind."""

    name: str
    statement: str
    owner: str
    schema: str

    def making(self, roles: Collection[str]) -> Sequence[str]:
        """The statements that make it in a database of ours. ``roles``: whom we may act for."""
        kind, _, identity = self.name.partition(" ")
        made = [f"CREATE SCHEMA IF NOT EXISTS {quote(self.schema)}", self.statement]
        if self.owner in roles:
            owner = quote(self.owner)
            made.append(f"GRANT CREATE, USAGE ON SCHEMA {quote(self.schema)} TO {owner}")
            made.append(f"ALTER {kind.upper()} {identity} OWNER TO {owner}")
        return made


def homes(known: Mapping[str, int]) -> str:
    """As ``_namespaces`` of the questions: no schema is theirs."""
    rows = ", ".join(
        f"({number}::oid,{constant(Path.of(name).schema)}::name)" for name, number in sorted(known.items())
    )
    return f"""ns AS (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE false), own(oid, nspname) AS (VALUES {rows}),
called AS (SELECT DISTINCT c.relnamespace AS oid, o.nspname FROM own o JOIN pg_catalog.pg_class c ON c.oid = o.oid),
rel AS (SELECT c.oid, o.nspname FROM own o JOIN pg_catalog.pg_class c ON c.oid = o.oid
  UNION SELECT i.indexrelid, o.nspname FROM own o JOIN pg_catalog.pg_index i ON i.indrelid = o.oid
  UNION SELECT s.oid, o.nspname FROM own o JOIN pg_catalog.pg_depend d ON d.refobjid = o.oid
     AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
     JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S')"""


#: What is theirs besides, wherever it lies: catalogue and number.
INSIDE = (
    "SELECT 'pg_catalog.pg_class'::regclass::oid, oid FROM rel",
    """SELECT 'pg_catalog.pg_type'::regclass::oid, y.oid FROM pg_catalog.pg_type y
         LEFT JOIN pg_catalog.pg_type e ON e.oid = y.typelem AND y.typcategory = 'A'
        WHERE coalesce(nullif(y.typrelid, 0), e.typrelid) IN (SELECT oid FROM rel)""",
    """SELECT 'pg_catalog.pg_statistic_ext'::regclass::oid, s.oid FROM pg_catalog.pg_statistic_ext s
         JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid AND c.relnamespace = s.stxnamespace
        WHERE s.stxrelid IN (SELECT oid FROM rel)""",
)
#: By catalogue: what of a row stays as it is when its table goes into another schema.
UNMOVED = {
    "pg_class": """pg_catalog.concat_ws('|', x.oid, relname, relowner, relam, reltablespace, relkind, relnatts, relchecks,
           relrowsecurity, relforcerowsecurity, relreplident, relispartition, relacl, reloptions, relpartbound)""",
    "pg_type": "pg_catalog.concat_ws('|', x.oid, typname, typowner, typrelid, typelem, typacl)",
    "pg_constraint": "(pg_catalog.to_jsonb(x) - 'connamespace')::text",
    "pg_statistic_ext": "(pg_catalog.to_jsonb(x) - 'stxnamespace')::text",
}
_FROM = "FROM pg_catalog.pg_class c JOIN rel n ON n.oid = c.oid"
_RIGHTS = """(SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', a.grantor::regrole, a.grantee::regrole, a.privilege_type, a.is_grantable), ','
             ORDER BY a.grantee::regrole::text, a.privilege_type, a.grantor::regrole::text) FROM pg_catalog.aclexplode({acl}) a)"""
_OF_RELATION = _RIGHTS.format(
    acl="coalesce(c.relacl, pg_catalog.acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", c.relowner))"
)
#: What a dump of single tables must bring back besides, because it is chosen piece by piece.
TABLE_SHAPES = (
    f"SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, {_OF_RELATION}) {_FROM} WHERE c.relkind IN ('r', 'p', 'S')",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, a.attname, {_RIGHTS.format(acl="a.attacl")},
           pg_catalog.col_description(c.oid, a.attnum))
          {_FROM} JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE a.attnum > 0 AND NOT a.attisdropped""",
    f"SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, pg_catalog.obj_description(c.oid, 'pg_class')) {_FROM}",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, i.indisunique, i.indisprimary, i.indisreplident, m.amname,
           pg_catalog.pg_get_expr(i.indpred, i.indrelid), (SELECT pg_catalog.string_agg(pg_catalog.pg_get_indexdef(c.oid, k, true), ',' ORDER BY k)
             FROM pg_catalog.generate_series(1, i.indnatts) k))
          {_FROM} JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid JOIN pg_catalog.pg_am m ON m.oid = c.relam""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, t.tgname, t.tgtype, t.tgfoid::regprocedure, pg_catalog.encode(t.tgargs, 'hex'))
          {_FROM} JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, p.polname, p.polpermissive, p.polroles::regrole[],
           pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
          {_FROM} JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, k.conname, k.condeferrable, k.condeferred, k.confdeltype, k.confupdtype,
           pg_catalog.pg_get_expr(k.conbin, k.conrelid), pg_catalog.obj_description(k.oid, 'pg_constraint'))
          {_FROM} JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid WHERE k.contype <> 'f' OR k.confrelid IN (SELECT oid FROM rel)""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, s.stxname, s.stxkind, s.stxowner::regrole, pg_catalog.obj_description(s.oid, 'pg_statistic_ext'))
          {_FROM} JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid = c.oid""",
)
#: What functions and types that are needed need in turn.
FURTHER = """
    UNION SELECT d.refclassid, CASE WHEN y.typelem <> 0 AND y.typcategory = 'A' THEN y.typelem ELSE d.refobjid END
      FROM needs n JOIN pg_catalog.pg_depend d ON d.classid = n.refclassid AND d.objid = n.refobjid
      LEFT JOIN pg_catalog.pg_type y ON d.refclassid = 'pg_catalog.pg_type'::regclass AND y.oid = d.refobjid
     WHERE n.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_type'::regclass)
       AND d.refobjid >= 16384 AND d.deptype <> 'e' AND d.refclassid <> 'pg_catalog.pg_namespace'::regclass
       AND NOT (d.refclassid, d.refobjid) IN (SELECT classid, objid FROM inside)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = n.refclassid AND e.objid = n.refobjid AND e.deptype = 'e')"""
#: Whether what is needed (``s``) can be made elsewhere from what the catalogue says of it.
MAKEABLE = """(
    s.refclassid = 'pg_catalog.pg_proc'::regclass AND EXISTS (SELECT FROM pg_catalog.pg_proc m WHERE m.oid = s.refobjid AND m.prokind IN ('f', 'p'))
 OR s.refclassid = 'pg_catalog.pg_type'::regclass AND EXISTS (SELECT FROM pg_catalog.pg_type m WHERE m.oid = s.refobjid
    AND (m.typtype = 'e' OR m.typtype = 'd' AND m.typcollation = (SELECT b.typcollation FROM pg_catalog.pg_type b WHERE b.oid = m.typbasetype))))"""
MAKING = """CASE WHEN p.oid IS NOT NULL THEN pg_catalog.pg_get_functiondef(p.oid)
    WHEN y.typtype = 'e' THEN 'CREATE TYPE ' || o.identity || ' AS ENUM (' || coalesce((SELECT pg_catalog.string_agg(
        pg_catalog.quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = y.oid), '') || ')'
    ELSE 'CREATE DOMAIN ' || o.identity || ' AS ' || pg_catalog.format_type(y.typbasetype, y.typtypmod)
        || coalesce(' DEFAULT ' || y.typdefault, '') || CASE WHEN y.typnotnull THEN ' NOT NULL' ELSE '' END
        || coalesce((SELECT pg_catalog.string_agg(' CONSTRAINT ' || pg_catalog.quote_ident(k.conname) || ' ' || pg_catalog.pg_get_constraintdef(k.oid), ''
             ORDER BY k.conname) FROM pg_catalog.pg_constraint k WHERE k.contypid = y.oid AND k.contype = 'c'), '') END"""
#: All functions and types that are not the server's, by the name that ``needed`` has.
THERE = """
SELECT o.type || ' ' || o.identity FROM pg_catalog.pg_proc p, LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_proc'::regclass, p.oid, 0) o
 WHERE p.oid >= 16384
UNION ALL SELECT o.type || ' ' || o.identity FROM pg_catalog.pg_type y, LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_type'::regclass, y.oid, 0) o
 WHERE y.oid >= 16384
"""
#: Tables of our own.
BOOKS = "('audit_log', 'permits', 'outbox', 'alembic_version')"
#: Relations by name, whatever they are.
NUMBERS = """
SELECT s.nspname || '.' || c.relname, c.oid::bigint
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
 WHERE pg_catalog.strpos(s.nspname, '.') = 0 AND s.nspname || '.' || c.relname = ANY($1::text[])
"""
KINDS = """
SELECT s.nspname || '.' || c.relname, c.relkind::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace WHERE c.oid = ANY($1::oid[])
"""
#: Who has rights on a schema as soon as our role makes it, besides our role.
GIVEN = """
SELECT DISTINCT coalesce(r.rolname::text, '')
  FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE d.defaclobjtype = 'n' AND d.defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) ORDER BY 1
"""


def statistics(known: Mapping[str, int]) -> str:
    """Declared statistics: schema at home, name, definition, owner, comment."""
    return f"""WITH {homes(known)}
SELECT n.nspname::text, s.stxname::text, pg_catalog.pg_get_statisticsobjdef(s.oid), pg_catalog.pg_get_userbyid(s.stxowner)::text,
       pg_catalog.obj_description(s.oid, 'pg_statistic_ext')
  {_FROM} JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid = c.oid AND s.stxnamespace = c.relnamespace ORDER BY 1, 2"""


def owners(known: Mapping[str, int]) -> str:
    """Who owns them, with the schema at home."""
    return f"""WITH {homes(known)}
SELECT DISTINCT pg_catalog.pg_get_userbyid(c.relowner)::text, o.nspname::text FROM own o JOIN pg_catalog.pg_class c ON c.oid = o.oid ORDER BY 1, 2"""


def may_not_make(known: Mapping[str, int]) -> str:
    """Who lacks the right to make something in a schema at home: our role, and owners, who must own a copy there."""
    return f"""WITH {homes(known)}
SELECT DISTINCT w.name, pg_catalog.quote_ident(o.nspname) FROM own o JOIN pg_catalog.pg_class c ON c.oid = o.oid,
       LATERAL (VALUES (current_user::text), (pg_catalog.pg_get_userbyid(c.relowner)::text)) w(name)
 WHERE NOT (pg_catalog.has_schema_privilege(w.name, o.nspname::text, 'CREATE') AND pg_catalog.has_schema_privilege(w.name, o.nspname::text, 'USAGE'))
 ORDER BY 1, 2"""


def books(known: Mapping[str, int]) -> str:
    """Whether one of them is a table of our own: the others lie beside it, among them or not."""
    return f"""WITH {homes(known)}
SELECT coalesce(bool_or(4 = (SELECT count(*) FROM pg_catalog.pg_class o
         WHERE o.relnamespace = c.relnamespace AND o.relkind = 'r' AND o.relname IN {BOOKS})), false) {_FROM}
 WHERE c.relname IN {BOOKS}"""
