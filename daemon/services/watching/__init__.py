"""What comes in and who is called: samples, their fitness, alerts."""
