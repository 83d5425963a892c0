"""``python -m kilograd``, where the command itself is not on the path."""

import sys

from kilograd.cli import main

if __name__ == "__main__":
    sys.exit(main())
