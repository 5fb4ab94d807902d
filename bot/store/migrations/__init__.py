"""Migrations of the tables, step by step; alembic walks them."""
