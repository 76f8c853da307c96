"""Overlays, films, example pictures, feature maps."""
