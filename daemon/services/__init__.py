"""What runs: the work of the daemon, put together from the rooms below and told what to use."""
