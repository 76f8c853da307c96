"""BOX-SAM2: SAM 2 with box prompts, tracked through a clip in both directions."""
