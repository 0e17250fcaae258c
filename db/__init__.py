"""The database: tables, migrations, the queue of work items, results and queries.

Import the module that is needed (`ruie.db.engine`, `ruie.db.queue`, `ruie.db.results`, ...): this
package itself loads nothing. SQLite and PostgreSQL return the same results, which tests/contract
checks.
"""
