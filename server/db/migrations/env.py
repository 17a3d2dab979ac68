"""Run by Alembic, never imported: moves the connection that `migrating.py` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
