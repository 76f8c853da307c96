"""From masks to lengths, volumes, beats and ejection fraction, and what makes them doubtful."""
