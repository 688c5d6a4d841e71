"""Commands of this program."""

import json
import subprocess

from networks import ROOT
from sides import SideError

PROGRAM = ROOT / "target" / "release" / "alexnet"


def run(program, *arguments):
    """Returns the object that the command prints."""
    done = subprocess.run([program, *arguments, "--json"], capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout)
    raise SideError(message(done))


def message(done):
    """The first line of what a failed command says, in an object or on standard error."""
    try:
        return json.loads(done.stdout)["error"]["message"].splitlines()[0]
    except (ValueError, KeyError):
        return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0]
