"""Where a network runs and learns: this process, emulators, boards. One file each."""
