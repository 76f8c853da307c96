"""From a record of the store to what a model is given: clips, labels, views, fixed copies."""
