"""Whether the uncertainty of a model shows where, and on which frames, it is wrong."""
