"""Pretraining of encoders on frames without labels."""
