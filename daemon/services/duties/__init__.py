"""What is due beside the loop: chores, scheduled commands, the calendar."""
