"""The command line: arguments → `Library` → a table, or JSON."""

import os
import sys

from segue.errors import BadArgument, SegueError
from segue.surroundings import forget_current_folder


def main() -> None:
    """Run the program and exit: 0 all well, 1 something failed, 2 wrong usage, 130 Ctrl-C."""
    # Threads that wait for work sleep; otherwise they spin, and on a busy machine every small
    # product takes many times as long. OpenMP reads this when NumPy or torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    forget_current_folder()
    from segue.cli.commands import app

    try:
        app(prog_name="segue")
    except SegueError as error:
        _report(error)
        sys.exit(2 if isinstance(error, BadArgument) else 1)
    except KeyboardInterrupt:
        again = "with --resume " if "train" in sys.argv[1:2] else ""
        sys.stderr.write(
            f"\nstopped; what was finished is stored, run the same again {again}to go on\n"
        )
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output left, as `head` does; leave in silence.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _report(error: SegueError) -> None:
    if "--json" in sys.argv:
        from segue.cli.output import print_json

        print_json("error", {"error": type(error).__name__, "message": str(error)})
    else:
        from segue.cli.output import safe

        text = "\n".join(safe(line) for line in str(error).splitlines())
        sys.stderr.write(f"segue: {text}\n")
