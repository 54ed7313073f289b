"""The service as it is, but for the size of the parts of simulations: `python -m tests.acceptance.small_parts api`."""

import sys

from analysis import scenario

scenario.PART = dict.fromkeys(scenario.PART, 15)  # type: ignore[misc]

if __name__ == "__main__":
    from app.cli import main

    sys.exit(main())
