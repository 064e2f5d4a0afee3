"""`python -m api.cli` is `bihuan`, also where the command itself is not installed."""

from api.cli import main

main(prog_name="bihuan")
