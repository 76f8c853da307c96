"""Communication between processes, and thread settings; importing it does not import torch."""
