"""Simulated heart and ultrasound machine."""
