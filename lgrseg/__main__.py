"""`python -m lgrseg` is the console command `lgrseg`."""

import sys

from lgrseg.command import main

if __name__ == "__main__":
    sys.exit(main())
