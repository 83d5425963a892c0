"""Which weights should learn: contributions, and the best choice within a budget."""
