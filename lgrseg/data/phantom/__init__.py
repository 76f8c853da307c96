"""The simulated heart, and the machine that scans it."""
