"""How alembic reaches our tables: on the connection that bot.store.schema hands over."""

from alembic import context
from sqlalchemy import text

from bot.store.tables import metadata

connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":
    # Replicas that start at once would otherwise create the same tables.
    connection.execute(text("SELECT pg_advisory_xact_lock(730199)"))
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    include_object=lambda _object, name, kind, *_: kind != "table" or name in metadata.tables,
)
with context.begin_transaction():
    context.run_migrations()
