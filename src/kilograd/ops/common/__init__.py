"""What operator families share: parameters, sliding windows, updates."""
