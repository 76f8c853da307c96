"""The engine: trainer, hooks, checkpoints, optimisers, processes."""
