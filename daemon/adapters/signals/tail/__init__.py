"""Files that grow: one follower below, a format of lines each above it."""
