"""Quotes in files: CSV, packed or not, and Parquet."""

from daemon.adapters.quotes.files.bank import Loaded, QuoteFiles

__all__ = ["Loaded", "QuoteFiles"]
