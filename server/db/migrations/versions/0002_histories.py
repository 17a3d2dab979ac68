"""Conversations known by their client's own key, and messages found by all that was said up to them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("external_key", sa.Text))
    op.create_index("conversations_by_key", "conversations", ["owner", "external_key"], unique=True)
    op.add_column("messages", sa.Column("digest", sa.String(64)))
    op.create_index("messages_by_digest", "messages", ["digest"])


def downgrade() -> None:
    op.drop_index("messages_by_digest", "messages")
    op.drop_column("messages", "digest")
    op.drop_index("conversations_by_key", "conversations")
    op.drop_column("conversations", "external_key")
