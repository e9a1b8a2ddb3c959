"""Time to an objective, beside every solver that is installed: the comparison page, `python -m asv_benchmarks.compare`.

Each solver has a process of its own, and one is asked at a time, on one thread. fastsgd gets the columns as they are, and its
time is that of a whole fit with tol=1e-2 and 1e-3: checks of the input, and the certificate, included. A peer gets standardised
columns (CSR as it is), prepared before the clock starts, and the least number of iterations that comes within 1% and 0.1% of
the least objective of its problem, which in practice nobody tells it. Medians of interleaved repeats. A peer that is not there
within the budget is shown with the time that it had, as a lower bound.

--page docs/comparison.md writes the tables there, and --picture docs/images/comparison.png draws them. --results keeps each
problem in a file as it is done, so that a run that was stopped goes on. --data is for problems of your own: name=module:function,
which returns X and y, or name=file.npz with X and y in it (CSR: data, indices, indptr, shape).
"""

import argparse
import json
import platform
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .page import draw, write
from .problems import PROBLEMS
from .race import PEERS, Result, race

LIBRARIES = "fastsgd", "scikit-learn", "liblinear-multicore", "glum", "skglm", "celer", "torch", "vowpalwabbit", "river"
PLACE = "<!-- tables -->\n", "<!-- end -->"


def installed() -> str:
    """The libraries and their versions, in words."""
    found = [f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} (source tree)" if name == "fastsgd" else f"{name} not installed")
    return ", ".join(found)


def title(name: str) -> str:
    """What a problem is called in the tables."""
    return name.split("=")[0]


def as_json(result: Result) -> dict:
    seconds = {f"{share:g}": result.time(share) for share in result.seconds}
    return {"seconds": seconds, "words": result.words, "spent": result.spent}


def replace_tables(page: Path, text: str) -> None:
    """Put the tables in the place that the page has for them."""
    before, found, rest = page.read_text("utf-8").partition(PLACE[0])
    _, end, after = rest.partition(PLACE[1])
    if not (found and end):
        raise SystemExit(
            f"--page: {page} must have the lines {PLACE[0].strip()} and {PLACE[1]}, between which the tables go."
        )
    page.write_text(f"{before}{found}{text}\n{end}{after}", "utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="", help="only problems whose name holds this")
    parser.add_argument("--peers", default="", help="only peers whose name holds this")
    parser.add_argument("--data", action="append", default=[], metavar="NAME=DATA", help="a problem of your own")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--budget", type=float, default=20.0, help="seconds that a peer has for the search on a problem"
    )
    parser.add_argument("--small", action="store_true", help="a twentieth of the rows: a smoke test, not a measurement")
    parser.add_argument("--results", type=Path, help="a JSON file that keeps what is done, and is gone on with")
    parser.add_argument("--page", type=Path, help="the Markdown page whose tables are to be replaced")
    parser.add_argument("--picture", type=Path, help="the picture to be drawn")
    args = parser.parse_args()
    args.names = [name for name in [*PROBLEMS, *args.data] if args.problems in name]
    args.solvers = [name for name in PEERS if args.peers.lower() in name.lower()]
    if not args.names:
        parser.error(f"--problems: none holds {args.problems!r}; there are {'; '.join(PROBLEMS)}")
    if not args.solvers:
        parser.error(f"--peers: none holds {args.peers!r}; there are {'; '.join(PEERS)}")
    return args


def main() -> None:
    """Race, and write what came out."""
    args = arguments()
    warnings.simplefilter("ignore")
    done = json.loads(args.results.read_text("utf-8")) if args.results and args.results.exists() else {}
    for name in args.names:
        if title(name) not in done:
            found = race(name, args.solvers, 20 if args.small else 1, args.repeats, args.budget)
            done[title(name)] = {solver: as_json(result) for solver, result in found.items()}
            print(f"{title(name)}: done", flush=True)
            if args.results:
                args.results.write_text(json.dumps(done, indent=1) + "\n", "utf-8")
    done = {title(name): done[title(name)] for name in args.names}
    text = write(done, f"{installed()}; one thread, medians of {args.repeats}, a budget of {args.budget:g} s.")
    print(text)
    if args.page:
        replace_tables(args.page, text)
    if args.picture:
        draw(done, args.picture)


if __name__ == "__main__":
    main()
