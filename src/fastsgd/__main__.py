"""``python -m fastsgd`` is the command `fastsgd`."""

import sys

from fastsgd.cli import main

if __name__ == "__main__":
    sys.exit(main())
