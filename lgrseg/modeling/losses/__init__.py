"""Hungarian matching, and the losses of matched queries."""
