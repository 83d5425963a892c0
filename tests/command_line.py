"""The command line in a process of its own."""

import json
import subprocess
import sys


def kilograd(*arguments):
    return [sys.executable, "-c", "from kilograd.cli import main; main()", *map(str, arguments)]


def command(*arguments):
    """Exit code, the JSON on standard output, and what is on standard error."""
    done = subprocess.run(kilograd(*arguments), check=False, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def refused(*arguments):
    """What a refusal says."""
    code, result, errors = command(*arguments)
    assert (code, result) == (2, None)
    return errors
