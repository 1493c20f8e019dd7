"""`python -m meanfield` is the command line."""

from meanfield.app.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
