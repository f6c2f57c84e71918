"""Quotes in files: CSV, packed or not, and Parquet."""

from daemon.adapters.quotes.files.bank import QuoteFiles

__all__ = ["QuoteFiles"]
