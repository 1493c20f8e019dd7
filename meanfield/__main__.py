"""`python -m meanfield` is the command line."""

from meanfield.cli import main

raise SystemExit(main())
