"""The lake: every sample, decision, change, delta, job, result and ranking, in SQL.

The only room that knows SQLAlchemy and Alembic. Read `store.py` first: it opens
a database and hands out transactions; every other module works inside one.
"""
