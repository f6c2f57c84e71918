"""Studies, pure: what is searched, where to look next, and what the best of it is worth."""
