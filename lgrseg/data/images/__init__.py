"""Images and clips without labels, of any size: trees of files, and shards made of them."""
