"""What is asked of some schemas or tables of a PostgreSQL database: what is in them, what hangs on them from outside.

``known`` is always their numbers by the names they have in the configuration: set aside or just unpacked
they are called otherwise, and what is asked must add up to the same all the while. It is a plain mapping for
schemas, and ``Tables`` for tables.
"""
# ruff: noqa: S608, E501 - constants of this file and numbers; a query is easier to read in few lines

from collections.abc import Mapping, Sequence

from bot.targets import postgresql_part_scope as scope
from bot.targets.postgresql_questions import KNOWN_AS
from bot.targets.postgresql_sql import constant

#: Numbers below this one are the server's own.
_OURS_FROM = 16384
_HOMES = {
    "pg_class": "relnamespace",
    "pg_type": "typnamespace",
    "pg_proc": "pronamespace",
    "pg_operator": "oprnamespace",
    "pg_opclass": "opcnamespace",
    "pg_opfamily": "opfnamespace",
    "pg_collation": "collnamespace",
    "pg_conversion": "connamespace",
    "pg_ts_config": "cfgnamespace",
    "pg_ts_dict": "dictnamespace",
    "pg_ts_parser": "prsnamespace",
    "pg_ts_template": "tmplnamespace",
    "pg_statistic_ext": "stxnamespace",
    "pg_default_acl": "defaclnamespace",
}
_OF_TABLES = {"pg_attrdef": "adrelid", "pg_rewrite": "ev_class", "pg_policy": "polrelid"}
_OF_FAMILIES = {"pg_amop": "amopfamily", "pg_amproc": "amprocfamily"}
#: Not temporary: sessions come and go meanwhile.
_LASTING = "(SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> 't')"
#: By catalogue: what of a row must not change, by which row of which catalogue it is inside, what does not count.
_ROWS: Sequence[tuple[str, str, str, str, str]] = (
    (
        "pg_class",
        """pg_catalog.concat_ws('|', x.oid, relname, relnamespace, relowner, relam, reltablespace, relkind, relnatts, relchecks,
           relrowsecurity, relforcerowsecurity, relreplident, relispartition, relacl, reloptions, relpartbound)""",
        "pg_class",
        "oid",
        "relpersistence <> 't'",
    ),
    (
        "pg_attribute",
        """pg_catalog.concat_ws('|', attrelid, attnum, attname, atttypid, atttypmod, attnotnull, attidentity, attgenerated,
           attisdropped, attcollation, attacl, attoptions, attstorage)""",
        "pg_class",
        "attrelid",
        f"attrelid IN {_LASTING}",
    ),
    (
        "pg_index",
        "(pg_catalog.to_jsonb(x) - 'indcheckxmin')::text",
        "pg_class",
        "indrelid",
        f"indrelid IN {_LASTING}",
    ),
    (
        "pg_constraint",
        "x::text",
        "pg_constraint",
        "oid",
        f"(conrelid = 0 OR conrelid IN {_LASTING})",
    ),
    ("pg_trigger", "x::text", "pg_trigger", "oid", f"tgrelid IN {_LASTING}"),
    ("pg_attrdef", "x::text", "pg_attrdef", "oid", f"adrelid IN {_LASTING}"),
    ("pg_rewrite", "x::text", "pg_rewrite", "oid", f"ev_class IN {_LASTING}"),
    ("pg_inherits", "x::text", "pg_class", "inhrelid", f"inhrelid IN {_LASTING}"),
    (
        "pg_type",
        "pg_catalog.concat_ws('|', x.oid, typname, typnamespace, typowner, typrelid, typelem, typbasetype, typnotnull, typdefault, typacl)",
        "pg_type",
        "oid",
        f"(typrelid = 0 AND typelem = 0 OR typrelid IN {_LASTING})",
    ),
    ("pg_enum", "x::text", "pg_type", "enumtypid", "true"),
    ("pg_sequence", "x::text", "pg_class", "seqrelid", f"seqrelid IN {_LASTING}"),
    (
        "pg_description",
        "x::text",
        "",
        "objoid",
        "classoid <> 'pg_catalog.pg_namespace'::regclass",
    ),
    *(
        (one, "x::text", one, "oid", "true")
        for one in (
            "pg_proc",
            "pg_policy",
            "pg_operator",
            "pg_opclass",
            "pg_opfamily",
            "pg_amop",
            "pg_amproc",
            "pg_collation",
            "pg_conversion",
            "pg_ts_config",
            "pg_ts_dict",
            "pg_statistic_ext",
            "pg_default_acl",
            "pg_cast",
            "pg_extension",
            "pg_event_trigger",
            "pg_publication",
            "pg_publication_rel",
            "pg_foreign_server",
        )
    ),
)
#: Names of types as they are written at home, so that they are the same in a schema of another name.
_TYPE = """(SELECT pg_catalog.concat_ws('.', coalesce(h.nspname, s.nspname), y.typname)
    FROM pg_catalog.pg_type y JOIN pg_catalog.pg_namespace s ON s.oid = y.typnamespace LEFT JOIN called h ON h.oid = s.oid
   WHERE y.oid = {number})"""
_FROM = "FROM pg_catalog.pg_class c JOIN rel n ON n.oid = c.oid"
_SHAPES = (
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, c.relkind, pg_catalog.pg_get_userbyid(c.relowner),
           c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.relpersistence) {_FROM}""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, a.attname, {_TYPE.format(number="a.atttypid")}, a.atttypmod,
           a.attnotnull, a.attidentity, a.attgenerated, a.atthasdef)
          {_FROM} JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I')""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, k.conname, k.contype, k.convalidated)
          {_FROM} JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid
         WHERE k.contype <> 'f' OR k.confrelid IN (SELECT oid FROM rel)""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, t.tgname, t.tgenabled)
          {_FROM} JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, c.relname, p.polname, p.polcmd)
          {_FROM} JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid""",
    f"""SELECT pg_catalog.concat_ws('|', n.nspname, p.proname, (SELECT pg_catalog.string_agg({_TYPE.format(number="u.one")}, ',' ORDER BY u.place)
             FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY u(one, place)),
           pg_catalog.pg_get_userbyid(p.proowner), pg_catalog.md5(p.prosrc), p.prosecdef, p.prokind)
          FROM pg_catalog.pg_proc p JOIN ns n ON n.oid = p.pronamespace""",
    """SELECT pg_catalog.concat_ws('|', n.nspname, t.typname, t.typtype, e.enumlabel)
          FROM pg_catalog.pg_type t JOIN ns n ON n.oid = t.typnamespace
          LEFT JOIN pg_catalog.pg_enum e ON e.enumtypid = t.oid WHERE t.typrelid = 0 AND t.typelem = 0""",
)
NUMBERS = "SELECT nspname::text, oid::bigint FROM pg_catalog.pg_namespace WHERE nspname = ANY($1::name[])"
#: Who may do what with a schema: grantor, grantee (empty: everybody), what, and whether to pass it on.
GRANTS = """
SELECT pg_catalog.pg_get_userbyid(a.grantor)::text, coalesce(r.rolname::text, ''), a.privilege_type, a.is_grantable
  FROM pg_catalog.pg_namespace n,
       pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a
       LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE n.nspname = $1::name AND (a.grantee = 0 OR r.oid IS NOT NULL) ORDER BY 1, 2, 3, 4
"""
ABOUT_SCHEMA = """
SELECT pg_catalog.pg_get_userbyid(nspowner)::text, pg_catalog.obj_description(oid, 'pg_namespace')
  FROM pg_catalog.pg_namespace WHERE nspname = $1::name
"""


def _namespaces(known: Mapping[str, int]) -> str:
    """``ns`` (schemas), ``rel`` (relations) and ``called`` (schemas), each with a name of a schema at home."""
    if isinstance(known, scope.Tables):
        return scope.homes(known)
    rows = ", ".join(f"({number}::oid,{constant(name)}::name)" for name, number in sorted(known.items()))
    return f"""ns(oid, nspname) AS (VALUES {rows}), called AS (SELECT * FROM ns),
rel AS (SELECT c.oid, s.nspname FROM pg_catalog.pg_class c JOIN ns s ON s.oid = c.relnamespace)"""


def _inside(known: Mapping[str, int]) -> str:
    """``WITH``: ``ns``, ``rel`` (their relations), ``inside`` (every object of theirs: catalogue and number)."""

    def of(catalogue: str, number: str, rest: str) -> str:
        return f"SELECT 'pg_catalog.{catalogue}'::regclass::oid, {number} FROM pg_catalog.{rest}"

    base = [
        "SELECT 'pg_catalog.pg_namespace'::regclass::oid, oid FROM ns",
        *(of(one, "x.oid", f"{one} x WHERE {home} IN (SELECT oid FROM ns)") for one, home in _HOMES.items()),
        *(
            of(one, "x.oid", f"{one} x WHERE {table} IN (SELECT oid FROM rel)")
            for one, table in _OF_TABLES.items()
        ),
        *(
            of(
                one,
                "x.oid",
                f"{one} x JOIN pg_catalog.pg_opfamily f ON f.oid = {family} WHERE f.opfnamespace IN (SELECT oid FROM ns)",
            )
            for one, family in _OF_FAMILIES.items()
        ),
        of(
            "pg_class",
            "x.reltoastrelid",
            "pg_class x WHERE x.oid IN (SELECT oid FROM rel) AND reltoastrelid <> 0",
        ),
        of(
            "pg_class",
            "i.indexrelid",
            "pg_class x JOIN pg_catalog.pg_index i ON i.indrelid = x.reltoastrelid WHERE x.oid IN (SELECT oid FROM rel)",
        ),
        of("pg_constraint", "oid", "pg_constraint WHERE oid IN (SELECT oid FROM con)"),
        # Those that watch the outside end of a foreign key are at a table outside.
        of(
            "pg_trigger",
            "x.oid",
            "pg_trigger x WHERE tgrelid IN (SELECT oid FROM rel) OR tgconstraint IN (SELECT oid FROM con)",
        ),
    ]
    base += scope.INSIDE if isinstance(known, scope.Tables) else ()
    return f"""WITH {_namespaces(known)},
con AS (SELECT k.oid FROM pg_catalog.pg_constraint k WHERE conrelid IN (SELECT oid FROM rel)
   OR contypid IN (SELECT y.oid FROM pg_catalog.pg_type y WHERE y.typnamespace IN (SELECT oid FROM ns))),
inside(classid, objid) AS MATERIALIZED ({" UNION ALL ".join(base)})
"""


def catalogue(known: Mapping[str, int], *, outside: bool = False) -> Sequence[str]:
    """The catalogue of what is in these schemas, or of everything else, with all its numbers."""
    found = []
    for name, text, owner, key, counts in _ROWS:
        whose = f"'pg_catalog.{owner}'::regclass::oid" if owner else "x.classoid"
        negated = "NOT " if outside else ""
        what = scope.UNMOVED.get(name, text) if isinstance(known, scope.Tables) and not outside else text
        found.append(
            f"{_inside(known)} SELECT {what} FROM pg_catalog.{name} x WHERE {counts}"
            f" AND {negated}(({whose}, x.{key}) IN (SELECT classid, objid FROM inside))"
        )
    return found


def shapes(known: Mapping[str, int]) -> Sequence[str]:
    """Names and shapes of what is in these schemas, as a restore brings them back under other numbers.

    Foreign keys to tables outside are not among them: a restore adds them last.
    """
    more = scope.TABLE_SHAPES if isinstance(known, scope.Tables) else ()
    return [f"WITH {_namespaces(known)} {one}" for one in (*_SHAPES, *more)]


def relations(known: Mapping[str, int], kinds: str) -> str:
    """Relations of these kinds: their names at home, and how they are written now."""
    return f"""WITH {_namespaces(known)}
SELECT {KNOWN_AS}, pg_catalog.quote_ident(s.nspname) || '.' || pg_catalog.quote_ident(c.relname)
  {_FROM} JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
 WHERE c.relkind IN ({", ".join(f"'{kind}'" for kind in kinds)}) ORDER BY 1"""


def size(known: Mapping[str, int]) -> str:
    """Bytes of their tables with everything that belongs to them."""
    return f"""WITH {_namespaces(known)}
SELECT coalesce(sum(pg_catalog.pg_total_relation_size(c.oid)), 0)::bigint {_FROM} WHERE c.relkind IN ('r', 'm', 'S')"""


def roles(known: Mapping[str, int]) -> str:
    """Whom what is in them needs."""
    return f"""{_inside(known)}
SELECT DISTINCT r.rolname::text FROM pg_catalog.pg_shdepend d
  JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_authid'::regclass
  JOIN inside i ON i.classid = d.classid AND i.objid = d.objid
 WHERE d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) ORDER BY 1"""


def hanging(known: Mapping[str, int]) -> str:
    """What outside hangs on what is in them, as ``view public.won``; a view is known by its rule."""
    return f"""{_inside(known)}
SELECT DISTINCT o.type || ' ' || o.identity
  FROM pg_catalog.pg_depend d
  JOIN inside r ON r.classid = d.refclassid AND r.objid = d.refobjid
  LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid,
       LATERAL pg_catalog.pg_identify_object(
           CASE WHEN w.oid IS NULL THEN d.classid ELSE 'pg_catalog.pg_class'::regclass END, coalesce(w.ev_class, d.objid), 0) o
 WHERE NOT (d.classid, d.objid) IN (SELECT classid, objid FROM inside) ORDER BY 1"""


def members(known: Mapping[str, int]) -> str:
    """Extensions that have something in them."""
    return f"""{_inside(known)}
SELECT DISTINCT e.extname::text FROM pg_catalog.pg_depend d
  JOIN inside i ON i.classid = d.classid AND i.objid = d.objid
  JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_extension'::regclass
 WHERE d.deptype = 'e' ORDER BY 1"""


def _needs(known: Mapping[str, int]) -> str:
    """``needs``: what they need of the outside, foreign keys apart, and of which extension it is, if of any."""
    further = scope.FURTHER if isinstance(known, scope.Tables) else ""
    return f"""{_inside(known).replace("WITH", "WITH RECURSIVE", 1)},
needs AS (
    SELECT DISTINCT d.refclassid, CASE WHEN y.typelem <> 0 AND y.typcategory = 'A' THEN y.typelem ELSE d.refobjid END AS refobjid
      FROM pg_catalog.pg_depend d JOIN inside i ON i.classid = d.classid AND i.objid = d.objid
      LEFT JOIN pg_catalog.pg_type y ON d.refclassid = 'pg_catalog.pg_type'::regclass AND y.oid = d.refobjid
      LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
      LEFT JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid
     WHERE d.refobjid >= {_OURS_FROM} AND d.deptype <> 'e' AND k.contype IS DISTINCT FROM 'f' AND t.tgisinternal IS NOT TRUE
       AND NOT (d.refclassid, d.refobjid) IN (SELECT classid, objid FROM inside)
       AND NOT (d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid IN (SELECT oid FROM called)) {further}),
outer_needs AS (
    SELECT s.*, coalesce(e.refobjid, CASE WHEN s.refclassid = 'pg_catalog.pg_extension'::regclass THEN s.refobjid END) AS extension
      FROM needs s LEFT JOIN pg_catalog.pg_depend e ON e.classid = s.refclassid AND e.objid = s.refobjid
       AND e.deptype = 'e' AND e.refclassid = 'pg_catalog.pg_extension'::regclass)"""


def extensions(known: Mapping[str, int]) -> str:
    """Extensions that they need: name, schema, version."""
    return f"""{_needs(known)}
SELECT DISTINCT e.extname::text, s.nspname::text, e.extversion FROM outer_needs o
  JOIN pg_catalog.pg_extension e ON e.oid = o.extension JOIN pg_catalog.pg_namespace s ON s.oid = e.extnamespace ORDER BY 1"""


def lacking(known: Mapping[str, int]) -> str:
    """What they need of the outside that no restore could bring: anything but extensions and foreign keys.

    A comment at such a foreign key is among it: the key is not there yet when the dump wants to comment it.
    Functions and simple types that tables need are not: see ``needed``.
    """
    besides = f" AND NOT {scope.MAKEABLE}" if isinstance(known, scope.Tables) else ""
    return f"""{_needs(known)}
SELECT o.type || ' ' || o.identity FROM outer_needs s,
       LATERAL pg_catalog.pg_identify_object(s.refclassid, s.refobjid, 0) o
 WHERE s.extension IS NULL{besides}
UNION SELECT o.type || ' ' || o.identity FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_description c ON c.classoid = 'pg_catalog.pg_constraint'::regclass AND c.objoid = k.oid,
       LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_constraint'::regclass, k.oid, 0) o
 WHERE k.contype = 'f' AND k.conrelid IN (SELECT oid FROM rel) AND NOT k.confrelid IN (SELECT oid FROM rel) ORDER BY 1"""


def needed(known: Mapping[str, int]) -> str:
    """What tables need of the outside that a copy elsewhere can be given: name, statement, owner, schema."""
    return f"""{_needs(known)}
SELECT DISTINCT ON (p.oid IS NOT NULL, s.refobjid) o.type || ' ' || o.identity, {scope.MAKING},
       pg_catalog.pg_get_userbyid(coalesce(p.proowner, y.typowner))::text, o.schema
  FROM outer_needs s
  LEFT JOIN pg_catalog.pg_proc p ON s.refclassid = 'pg_catalog.pg_proc'::regclass AND p.oid = s.refobjid
  LEFT JOIN pg_catalog.pg_type y ON s.refclassid = 'pg_catalog.pg_type'::regclass AND y.oid = s.refobjid,
       LATERAL pg_catalog.pg_identify_object(s.refclassid, s.refobjid, 0) o
 WHERE s.extension IS NULL AND {scope.MAKEABLE} ORDER BY p.oid IS NOT NULL, s.refobjid"""


def links(known: Mapping[str, int]) -> str:
    """Foreign keys to tables outside: number, schema at home, table, name, definition, the table's owner."""
    return f"""WITH {_namespaces(known)}
SELECT k.oid::bigint, n.nspname::text, c.relname::text, k.conname::text, pg_catalog.pg_get_constraintdef(k.oid),
       pg_catalog.pg_get_userbyid(c.relowner)::text
  {_FROM} JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid
 WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT k.confrelid IN (SELECT oid FROM rel) ORDER BY 2, 3, 4"""


def holders(known: Mapping[str, int]) -> str:
    """Sessions that hold a lock on something in them: number and role."""
    return f"""WITH {_namespaces(known)}
SELECT DISTINCT a.pid, coalesce(a.usename::text, '-') FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
   AND l.relation IN (SELECT oid FROM rel) AND l.granted AND a.pid <> pg_catalog.pg_backend_pid()
   AND coalesce(a.backend_type, 'client backend') IN ('client backend', 'walsender') ORDER BY 1"""


def prepared(known: Mapping[str, int]) -> str:
    """Prepared transactions that hold a lock on something in them."""
    return f"""WITH {_namespaces(known)}
SELECT DISTINCT p.gid FROM pg_catalog.pg_prepared_xacts p
  JOIN pg_catalog.pg_locks l ON l.virtualtransaction = '-1/' || p.transaction
 WHERE p.database = pg_catalog.current_database() AND l.relation IN (SELECT oid FROM rel) ORDER BY 1"""


def mentions(known: Mapping[str, int], name: str) -> str:
    """Functions outside whose text has the name of a table, or that of a schema before a dot: no dependency says so."""
    plain = "".join("\\" + one if not (one.isalnum() or one == "_") else one for one in name)
    end = "([^[:alnum:]_$]|$)" if isinstance(known, scope.Tables) else "[[:space:]]*\\."
    pattern = '(^|[^[:alnum:]_$])"?' + plain + '"?' + end
    return f"""{_inside(known)}
SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc p
 WHERE p.oid >= {_OURS_FROM} AND p.prosrc ~*{constant(pattern)}
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
   AND NOT ('pg_catalog.pg_proc'::regclass::oid, p.oid) IN (SELECT classid, objid FROM inside) ORDER BY 1"""


def rights(known: Mapping[str, int]) -> str:
    """Owners of the schemas and of what lies in them whom our role may not act for."""
    return f"""WITH {_namespaces(known)}
SELECT DISTINCT pg_catalog.pg_get_userbyid(o.owner)::text FROM (
    SELECT s.nspowner FROM pg_catalog.pg_namespace s JOIN ns ON ns.oid = s.oid
    UNION SELECT c.relowner {_FROM}) o(owner)
 WHERE NOT pg_catalog.pg_has_role(o.owner, 'USAGE') ORDER BY 1"""


def references(known: Mapping[str, int]) -> str:
    """Tables outside that their foreign keys point to, and that our role may not point to again."""
    return f"""WITH {_namespaces(known)}
SELECT DISTINCT pg_catalog.quote_ident(s.nspname) || '.' || pg_catalog.quote_ident(o.relname)
  {_FROM} JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid
  JOIN pg_catalog.pg_class o ON o.oid = k.confrelid JOIN pg_catalog.pg_namespace s ON s.oid = o.relnamespace
 WHERE k.contype = 'f' AND NOT o.oid IN (SELECT oid FROM rel)
   AND NOT pg_catalog.has_table_privilege(o.oid, 'REFERENCES') ORDER BY 1"""


def books(known: Mapping[str, int]) -> str:
    """Whether tables of our own are in them."""
    if isinstance(known, scope.Tables):
        return scope.books(known)
    return f"""WITH {_namespaces(known)}
SELECT count(DISTINCT c.relname) = 4 {_FROM}
 WHERE c.relkind = 'r' AND c.relname IN {scope.BOOKS}"""
