"""The states of a request; they are drawn in db/provider_requests.py."""

from __future__ import annotations

from sqlalchemy import ColumnElement, literal_column

from ruie.db.models import REQUEST_STATES

# As literals, as those of items (db/item_states.py).
_STATES: dict[str, ColumnElement[str]] = {
    state: literal_column(f"'{state}'") for state in REQUEST_STATES
}
WAITING, SENT, ANSWERED, LATE = (_STATES[state] for state in REQUEST_STATES)
