"""Running a session: batches out and back, results into books, one process a share."""
