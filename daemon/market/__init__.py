"""The market: quotes of two venues, and what trading their difference would have brought."""
