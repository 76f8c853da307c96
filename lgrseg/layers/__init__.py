"""Building blocks of all models: clip batches, position encodings, blocks, numerics, speed."""
