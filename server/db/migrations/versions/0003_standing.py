"""Messages that know the system message above them, so that a run of a long conversation reads only its end."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_FILL = """
WITH RECURSIVE said(id, role, standing_id) AS (
    SELECT id, role, CAST(NULL AS TEXT) FROM messages WHERE parent_id IS NULL
    UNION ALL
    SELECT message.id, message.role, CASE WHEN said.role = 'system' THEN said.id ELSE said.standing_id END
    FROM messages AS message JOIN said ON message.parent_id = said.id
)
UPDATE messages SET standing_id = said.standing_id FROM said WHERE said.id = messages.id
"""


def upgrade() -> None:
    op.add_column("messages", sa.Column("standing_id", sa.Text))
    op.execute(_FILL)


def downgrade() -> None:
    op.drop_column("messages", "standing_id")
