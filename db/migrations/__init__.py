"""The database's versions, one file each in `versions`; Alembic runs them through env.py."""
