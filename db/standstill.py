"""A database changes its version only while its fleet stands still.

Processes of one version would go on with the tables of another. So what is at work is named, and
waited for; and whoever was frozen meanwhile has lost its leases and its lead when it goes on.

All here is asked of the tables of any version, older ones too.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, inspect, select, update

from ruie.db.item_states import LEASED
from ruie.db.models import leadership, processes, work_items
from ruie.db.processes import SILENT_S
from ruie.db.types import utcnow


def begin(conn: Connection) -> list[str]:
    """Take the fleet's place in this transaction, until its end. Returns what is at work, and then
    nothing is taken."""
    if busy := at_work(conn):
        return busy
    if conn.dialect.name == "postgresql":  # on SQLite the transaction is the only writer
        conn.exec_driver_sql("LOCK TABLE leadership, work_items IN ACCESS EXCLUSIVE MODE")
        if busy := at_work(conn):
            return busy
    conn.execute(update(leadership).values(holder=None, token=leadership.c.token + 1))
    # Their leases have run out, and the next coordinator takes them back as it does all others.
    conn.execute(
        update(work_items)
        .where(work_items.c.state == LEASED)
        .values(fence=work_items.c.fence + 1, lease_owner=None)
    )
    return []


def at_work(conn: Connection) -> list[str]:
    """The processes that work on the database, each with what it does."""
    leads = select(leadership.c.holder).where(leadership.c.expires >= utcnow())
    found = [f"coordinator {name} leads" for name in conn.scalars(leads) if name]
    leases = (
        select(work_items.c.lease_owner, func.count())
        .where(work_items.c.state == LEASED, work_items.c.lease_expires > utcnow())
        .group_by(work_items.c.lease_owner)
        .order_by(work_items.c.lease_owner)
    )
    found += [f"worker {name} has leased {count} items" for name, count in conn.execute(leases)]
    if inspect(conn).has_table(processes.name):  # since revision 0021
        alive = (
            select(processes.c.kind, processes.c.name)
            .where(processes.c.seen_at >= utcnow(-SILENT_S))
            .order_by(processes.c.kind, processes.c.name)
        )
        named = " ".join(found)
        found += [f"{kind} {who} is alive" for kind, who in conn.execute(alive) if who not in named]
    return found
