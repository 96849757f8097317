"""`python -m keyferry` is `keyferry`."""

from keyferry.cli import main

main()
