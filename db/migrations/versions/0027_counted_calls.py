"""The calls of each day, counted by the leading coordinator; indexes of items that ended lately,
and of those that were given up by their documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import StorableText, Usd

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
        "reasoning_tokens")  # fmt: skip  # a list of columns
LOST = "error_class = 'worker_lost'"
ENDED = "state = 'done' OR state = 'quarantined'"

# What the totals have counted is in it from the beginning, also what was pruned since.
_COUNTED = (
    " x.id <= (SELECT t.value FROM metric_totals t WHERE t.name = 'folded_to' AND t.job_id = ''"
    " AND t.model = '' AND t.kind = '{}')"
)
_DAY = {
    "postgresql": "TO_CHAR(x.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "sqlite": "SUBSTR(x.created_at, 1, 10)",
}
_SUMS = ", ".join(f"SUM(x.{name}) AS {name}" for name in (*TOKENS, "cost_usd"))


def _sums(table: str, day: str, counts: str, where: str) -> str:
    return (
        f"SELECT x.job_id AS job_id, {day} AS day, x.model AS model, {counts}, {_SUMS}"
        f" FROM {table} x WHERE{where} GROUP BY x.job_id, {day}, x.model"
    )


def _fill(dialect: str) -> str:
    day = _DAY[dialect]
    parts = (
        _sums("extractions", day, "COUNT(*) AS calls, 0 AS failed_calls",
              f"{_COUNTED.format('extractions')} AND x.source = 'model'"
              " AND x.reused_from IS NULL"),
        _sums("attempts", day, "0, COUNT(*)", f"{_COUNTED.format('attempts')} AND NOT x.{LOST}"),
        _sums("pruned_attempts", "x.day", "0, SUM(x.calls)", f" NOT x.{LOST}"),
    )  # fmt: skip  # a part a line, more or less
    columns = ", ".join(("calls", "failed_calls", *TOKENS, "cost_usd"))
    sums = ", ".join(f"SUM({name})" for name in columns.split(", "))
    return (
        f"INSERT INTO counted_calls (job_id, day, model, {columns})"
        f" SELECT job_id, day, model, {sums} FROM ({' UNION ALL '.join(parts)}) spent"
        " GROUP BY job_id, day, model"
    )


def _number_attempts(*, once: bool) -> None:
    """On SQLite, whether each id is given to one row alone, above those that are counted."""
    if op.get_bind().dialect.name != "sqlite":
        return
    with op.batch_alter_table(
        "attempts", recreate="always", table_kwargs={"sqlite_autoincrement": once}
    ):
        pass
    if once:
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'attempts'")
        op.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT 'attempts',"
            " MAX(COALESCE((SELECT MAX(id) FROM attempts), 0), COALESCE((SELECT value"
            " FROM metric_totals WHERE name = 'folded_to' AND kind = 'attempts'), 0))"
        )


# fmt: off
# (one column a line, one constraint a line)


def upgrade() -> None:
    op.create_table("counted_calls",
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("model", StorableText(), nullable=False),
        sa.Column("calls", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed_calls", sa.BigInteger(), server_default="0", nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in TOKENS),
        sa.Column("cost_usd", Usd),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"],
            name=op.f("fk_counted_calls_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "day", "model", name=op.f("pk_counted_calls")),
    )
    _number_attempts(once=True)
    op.create_index("ix_attempts_lost", "attempts", ["job_id"],
        sqlite_where=sa.text(LOST), postgresql_where=sa.text(LOST))
    op.create_index("ix_work_items_ended", "work_items", ["job_id", "updated_at"],
        sqlite_where=sa.text(ENDED), postgresql_where=sa.text(ENDED))
    op.create_index("ix_quarantine_document_id", "quarantine", ["document_id"])
    op.execute(_fill(op.get_bind().dialect.name))


def downgrade() -> None:
    op.drop_index("ix_quarantine_document_id", "quarantine")
    op.drop_index("ix_work_items_ended", "work_items")
    op.drop_index("ix_attempts_lost", "attempts")
    _number_attempts(once=False)
    op.drop_table("counted_calls")
