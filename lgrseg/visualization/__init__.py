"""Overlays, videos, example pictures, feature maps."""
