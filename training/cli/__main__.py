"""`python -m training.cli`: the `docgraph` command where it is not installed as one."""

from training.cli import main

main()
