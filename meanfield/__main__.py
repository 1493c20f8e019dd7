"""`python -m meanfield` is the command line."""

from meanfield.app.cli import main

raise SystemExit(main())
