"""River 2, pure: which combinations to try, and what the best of them are worth."""
