"""What several models share: batches of clips, positions, blocks, numerics, complexity, speed."""
