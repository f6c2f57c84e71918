"""How `daemon ctl` finds its answers, and how what it asks for gets done."""
