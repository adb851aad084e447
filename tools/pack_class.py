"""Pack a class set: the whole project but for the solutions of the exercises.

    python tools/pack_class.py        writes dist/emoji-vae-class.zip

What is packed is what git has committed, so that a teacher's own trials are not handed out.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "dist" / "emoji-vae-class.zip"
WITHOUT = ":(exclude)notebooks/solutions"


def pack(target=TARGET):
    """Write the archive.

    Parameters
    ----------
    target : Path

    Returns
    -------
    Path
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["git", "archive", "--format=zip", "--prefix=emoji-vae/", f"--output={target}"]
    subprocess.run([*command, "HEAD", ".", WITHOUT], cwd=ROOT, check=True)
    return target


if __name__ == "__main__":
    try:
        print(pack())
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"The class set needs git, and a clone of the project: {error}")
