"""Training: epochs, a single pass over a stream, and what to do when a run diverges."""
