"""Measure the disk that the first `make run` takes.

    python tools/measure_start.py        some minutes, and a gigabyte in the temporary folder

It does what a new user does: it clones the project, as committed, and runs `make run` there. Writes
docs/start.json; `python tools/write_docs.py` then writes the READMEs. How long a run takes is
measured by tools/measure_run.py.
"""

import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "start.json"
ENVIRONMENT = ".venv"


def megabytes(folder, without=()):
    """Return how much disk the files below a folder take.

    Parameters
    ----------
    folder : Path
    without : iterable of str
        Names of folders directly below it that are left out.

    Returns
    -------
    float
        In millions of bytes; a file with several names counts once.
    """
    inodes = {}
    for place, folders, files in os.walk(folder):
        if Path(place) == folder:
            folders[:] = [name for name in folders if name not in without]
        for name in files:
            status = os.lstat(os.path.join(place, name))
            inodes[status.st_dev, status.st_ino] = 512 * status.st_blocks
    return sum(inodes.values()) / 1e6


def measure(project):
    """Run a clone, and return how much of the disk it takes.

    Parameters
    ----------
    project : Path
        The clone.

    Returns
    -------
    dict
        Megabytes of the "clone", the "environment" and the "output".
    """
    clone = megabytes(project)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(["make", "run"], cwd=project, env=environment, check=True)
    return {
        "clone": clone,
        "environment": megabytes(project / ENVIRONMENT),
        "output": megabytes(project, without=(ENVIRONMENT,)) - clone,
    }


def gigabytes(start):
    """Return the disk that everything together takes, in gigabytes, as text."""
    return f"{sum(start['megabytes'].values()) / 1000:.1f}"


def main():
    """Measure, and write the result."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "emoji-vae"
        subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, project], check=True)
        start = {
            "system": platform.platform(),
            "python": platform.python_version(),
            "megabytes": measure(project),
        }
    TABLE.write_text(json.dumps(start, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(start, indent=2))


if __name__ == "__main__":
    main()
