"""What limits a trained AR-SEG, and whether it uses the image."""
