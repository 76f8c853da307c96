"""Files that are written whole or not at all, published weights by name, averaged weights."""
