"""What Dockerfile and compose.yaml say, as lists that can be carried out without an engine."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

SRV = "/srv"


@dataclass
class Stage:
    """The instructions of one `FROM`."""

    steps: list[tuple[str, str]] = field(default_factory=list)

    def of(self, instruction: str) -> list[str]:
        """What stands behind each of these instructions."""
        return [words for name, words in self.steps if name == instruction]


def stages(dockerfile: Path) -> list[Stage]:
    """The stages of an image, in order."""
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", dockerfile.read_text()))
    found: list[Stage] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, words = line.partition(" ")
        if name == "FROM":
            found.append(Stage())
        else:
            found[-1].steps.append((name, words.strip()))
    return found


def variables(stage: Stage) -> dict[str, str]:
    """What `ENV` sets."""
    return dict(pair.split("=", 1) for words in stage.of("ENV") for pair in shlex.split(words))


def build(root: Path, stage: Stage, folder: Path, environment: dict[str, str]) -> None:
    """Carry out `COPY` and `RUN` with `folder` for /srv."""
    shown = {name: value.replace(SRV, str(folder)) for name, value in variables(stage).items()}
    for name, words in stage.steps:
        if name == "COPY":
            *sources, target = words.split()
            for source in sources:
                _copy(root / source, folder / target)
        elif name == "RUN":
            command = ["bash", "-ec", words.replace(SRV, str(folder))]
            subprocess.run(command, cwd=folder, env=environment | shown, check=True)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target / source.name if target.is_dir() else target)


def public_python(folder: Path) -> tuple[Path, dict[str, str]]:
    """An interpreter that any user may run, and what it needs: this one, or a copy of it where its home is closed."""
    home = Path(sys.base_prefix)
    executable = Path(sys.executable).resolve().relative_to(home)
    if all(above.stat().st_mode & 0o001 for above in home.parents):
        return home / executable, {}
    shutil.copytree(home, folder, symlinks=True, ignore=shutil.ignore_patterns("test", "tests", "__pycache__", "share"))
    copy = folder / executable
    return copy, {"LD_LIBRARY_PATH": str(folder / "lib"), "UV_PYTHON": str(copy)}


def nobody(uid: int) -> dict[str, object]:
    """How a process is started as the image's user, where that may be done."""
    return {"user": uid, "group": uid, "extra_groups": []} if os.geteuid() == 0 else {}
