"""AR-SEG: a mask is a grid of discrete tokens, which a decoder-only model predicts."""
