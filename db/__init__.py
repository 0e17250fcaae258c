"""SQL, the truth of the system: tables, migrations, the work items' life, results and queries.

Import the module that is needed (`ruie.db.engine`, `ruie.db.queue`, `ruie.db.results`, ...): this
package itself loads nothing. SQLite and PostgreSQL give the same answers; tests/contract says so.
"""
