"""Measure what the first `make run` takes: disk, and the time of the installation.

    python tools/measure_start.py        some minutes, and a gigabyte in the temporary folder

It does what a new user does: it clones the project, as committed, and runs `make run` there,
without pip's cache. Writes docs/start.json; `python tools/write_docs.py` then writes the READMEs.
How long the run itself takes is measured by tools/measure_run.py. Nothing else should run at the
same time.
"""

import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "start.json"
ENVIRONMENT = ".venv"
INSTALLED = f"{ENVIRONMENT}/ready"  # the Makefile's name for an environment without the tests


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
    """Install and run a clone.

    Parameters
    ----------
    project : Path
        The clone.

    Returns
    -------
    dict
        "install_seconds", and the "megabytes" of the "clone", the "environment" and the "output".
    """
    clone = megabytes(project)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["PIP_NO_CACHE_DIR"] = "1"
    started = time.perf_counter()
    subprocess.run(["make", INSTALLED], cwd=project, env=environment, check=True)
    seconds = time.perf_counter() - started
    subprocess.run(["make", "run"], cwd=project, env=environment, check=True)
    sizes = {
        "clone": clone,
        "environment": megabytes(project / ENVIRONMENT),
        "output": megabytes(project, without=(ENVIRONMENT,)) - clone,
    }
    return {"install_seconds": seconds, "megabytes": sizes}


def gigabytes(start):
    """Return the disk that everything together takes, in gigabytes, as text."""
    return f"{sum(start['megabytes'].values()) / 1000:.1f}"


def main():
    """Measure, and write the results."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "emoji-vae"
        subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, project], check=True)
        start = {
            "system": platform.platform(),
            "python": platform.python_version(),
            **measure(project),
        }
    TABLE.write_text(json.dumps(start, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(start, indent=2))


if __name__ == "__main__":
    main()
