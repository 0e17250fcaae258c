"""`python -m worker.cli` is `ruie`, also where no script is installed (child processes use it)."""

from worker.cli import main

main()
