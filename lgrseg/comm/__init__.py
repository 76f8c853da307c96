"""Several processes, and the threads of one; importing this package loads no torch."""
