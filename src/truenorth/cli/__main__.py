"""`python -m truenorth.cli` is `truenorth`."""

import sys

from truenorth.cli.main import main

sys.exit(main())
