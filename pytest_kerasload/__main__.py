"""``python -m pytest_kerasload COMMAND``: what is done outside a run of pytest."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pytest_kerasload.amendments import repairing
from pytest_kerasload.environments import pruning
from pytest_kerasload.reports import causes_page, inspecting, merging


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_kerasload", description="Beside pytest --keras-models=PATH."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (causes_page, inspecting, merging, pruning, repairing):
        module.add(commands)
    chosen = parser.parse_args(arguments)
    return int(chosen.run(chosen))


if __name__ == "__main__":
    sys.exit(main())
