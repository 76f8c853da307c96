"""Translation of images from one style to another, learned without pairs."""
