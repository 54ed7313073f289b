"""The client by itself: on a machine that has `httpx` and nothing else of the service."""

import json
import subprocess
import sys

OTHERS = ("fastapi", "sqlmodel", "sqlalchemy", "pydantic", "structlog", "starlette", "numpy", "pandas", "xarray")


def test_it_needs_httpx_alone() -> None:
    program = (
        "import sys, json\n"
        "import app.client\n"
        "ours = sorted(n for n in sys.modules if n.split('.')[0] in ('app', 'analysis'))\n"
        f"print(json.dumps([ours, [n for n in {OTHERS!r} if n in sys.modules]]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    ours, others = json.loads(done.stdout)
    assert others == []
    assert [name for name in ours if name != "app" and not name.startswith("app.client")] == []
