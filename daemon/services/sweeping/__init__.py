"""Sessions: planned, run, ranked and asked about; and one backtest alone."""
