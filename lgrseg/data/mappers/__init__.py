"""Mappers from a record of the store to model inputs: clips, labels, views, fixed copies."""
