"""BOX-SAM2: SAM 2 prompted with boxes, followed through a clip in both directions."""
