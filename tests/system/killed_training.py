"""Train in processes that kill themselves at one of their operations on files.

    python tests/system/killed_training.py CONFIG

Each line of the input is a kind of operation, a number and an output folder, with tabs in between.
A new process trains into that folder and kills itself at the operation of that number; a write is
then half done. The answer is "killed", or "ended" if the training had fewer operations. The process
that answers stays, so that Python starts only once.
"""

import os
import signal
import sys

from file_operations import counted_operations

from vae_nb.data.config import load_config
from vae_nb.run.trained_run import train_and_save


def kill_this_process():
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()  # in case the signal arrives late


def train_until(config, kind, number, output):
    """Train in a new process; return how it ended."""
    process = os.fork()
    if process == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            with counted_operations(output, number, kill_this_process, True, kinds=(kind,)):
                train_and_save(config, output, progress=False)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    return {0: "ended", -signal.SIGKILL: "killed"}.get(code, f"failed with {code}")


def main(config_path):
    config = load_config(config_path)
    for line in sys.stdin:
        kind, number, output = line.rstrip("\n").split("\t")
        print(train_until(config, kind, int(number), output), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
