"""The history of the tables: one module per revision under `versions`, run by Alembic."""
