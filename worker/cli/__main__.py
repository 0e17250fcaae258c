"""`python -m ruie.worker.cli` is `ruie` where no script is installed (child processes use it)."""

from ruie.worker.cli import main

main()
