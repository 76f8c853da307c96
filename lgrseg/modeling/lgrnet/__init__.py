"""LGRNet: encoder, temporal modules, Mask2Former's decoder, box head; public release."""
