"""What the command prints beside its results: the progress of a training, and tables."""

import json
import math
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from fastsgd.decide import most_passes

ERR = Console(stderr=True, highlight=False, soft_wrap=True)
WORKED_OUT = "objective", "validation_score"
OUT = Console(highlight=False, soft_wrap=True)
# What kinds of columns are called, as `inspect` calls them; by their names in `reading_`.
KINDS = dict.fromkeys(("text", "numeral", "time"), "category") | dict.fromkeys(("tokens", "vector", "pairs"), "list")
KINDS |= {"number": "number", "words": "text", "date": "date"}
LINE_SECONDS = 10.0
LISTED = 20  # columns of the data that `info` names; all of them are in its JSON


class Bar:
    """A callback that shows rows a second, the time left, and the loss of the rows of this epoch, before their steps.

    Without a terminal it is a line every LINE_SECONDS.

    Parameters
    ----------
    max_iter : int or "auto"
        Epochs at most.
    source : Source
        Of the rows of an epoch; as long as their number is not known, nor is the time left.
    quiet : bool
        Whether nothing is shown.
    losses : bool, default=False
        Whether a validation score is minus a loss, which is then shown.
    clock : callable, default=time.perf_counter
        Seconds.
    """

    def __init__(self, max_iter, source, quiet, losses=False, clock=time.perf_counter):
        self.max_iter, self.source, self.first, self.losses, self.clock = max_iter, source, None, losses, clock
        self.started = self.last_line = clock()
        self.lines = not quiet and not ERR.is_terminal
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]} of {task.fields[most]}"),
            BarColumn(),
            TextColumn("{task.fields[speed]}"),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}"),
            console=ERR,
            disable=quiet or not ERR.is_terminal,
            transient=True,
        )
        self.task = self.bar.add_task("", total=None, epoch=1, most=self.most(), speed="", words="")

    def most(self):
        """Epochs at most, as far as it is known."""
        return most_passes(self.source.n_rows) if self.max_iter == "auto" else self.max_iter

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *_):
        self.bar.stop()

    def between(self, at):
        """After each kernel call."""
        words = f"loss {at.loss:.5g}"
        if at.epoch:
            last = at.history[-1]
            last = as_loss({name: last[name] for name in WORKED_OUT}, self.losses)
            words += "".join(f", {name} {value:.5g}" for name, value in last.items() if not math.isnan(value))
        n_rows = self.source.n_rows  # which `fit` may have found out
        done = at.epoch * (n_rows or 0) + at.rows
        self.first = done if self.first is None else self.first  # where it was resumed
        now = self.clock()
        speed = (done - self.first) / max(now - self.started, 1e-9)
        total = None if n_rows is None else n_rows * self.most()
        if self.lines and now - self.last_line >= LINE_SECONDS:
            self.last_line = now
            share = "" if not total else f" of {total:,} rows ({100 * done / total:.0f}%)"
            so_far = f"epoch {at.epoch + 1} of {self.most()}: {done:,}{share or ' rows'}"
            ERR.print(f"{so_far}, {speed:,.0f} rows/s, {words}", markup=False)
        self.bar.update(
            self.task,
            completed=done,
            total=total,
            epoch=at.epoch + 1,
            most=self.most(),
            speed=f"{speed:,.0f} rows/s",
            words=words,
        )


def table(title, columns, rows, left=()):
    """A table on stdout; columns of these numbers begin at the left."""
    made = Table(title=Text(title), title_justify="left", title_style="bold")  # Text, as a path may look like markup
    for at, name in enumerate(columns):
        made.add_column(name, justify="left" if at in left else "right")
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row))
    OUT.print(made)


def number(value):
    """A number in few digits, "-" for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def auto_rule(est):
    """What learning_rate="auto" made of each class or target; None with another schedule."""
    return est.auto_rule_.tolist() if hasattr(est, "auto_rule_") else None


def of_segments(est):
    """How many segments a model has, and by which column; nothing where it has none."""
    if not hasattr(est, "segments_"):
        return {}
    return {"segments": len(est.segments_), "segment_column": getattr(est, "segment_column_", None)}


def in_bytes(n):
    """A number of bytes in words.

    >>> in_bytes(4803508)
    '4.8 MB'
    """
    if n < 1000:
        return f"{n} bytes"
    power = min(4, (len(str(n)) - 1) // 3)
    return f"{n / 1000**power:.1f} {('KB', 'MB', 'GB', 'TB')[power - 1]}"


def in_short(rules):
    """The different ones of a list of str, with how often each occurs if there are several; None for None."""
    if rules is None or len(rules) == 1:
        return rules and rules[0]
    return "; ".join(f"{rule} ({rules.count(rule)} of {len(rules)})" for rule in dict.fromkeys(rules))


def columns_read(est):
    """The columns of a table that are features of a model, and the kind of each in training; None where it was no table."""
    reading = getattr(est, "reading_", {})
    if "columns" not in reading:
        return None
    kinds = reading.get("kinds")
    if kinds is None:
        return dict.fromkeys(reading["columns"])
    booleans = dict.fromkeys(getattr(est, "_made", {}).get("booleans", ()), "boolean")
    kinds = booleans | kinds
    return {name: KINDS.get(kinds.get(name, "number"), kinds.get(name)) for name in reading["columns"]}


def listed(columns):
    """Those columns in words, the first of many; None for None."""
    if columns is None:
        return None
    words = [name if kind is None else f"{name} ({kind})" for name, kind in list(columns.items())[:LISTED]]
    return ", ".join(words) + (f" and {len(columns) - LISTED} others" if len(columns) > LISTED else "")


def as_text(found):
    """JSON, in which what is no finite number is null."""

    def plain(value):
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        if isinstance(value, list):
            return [plain(one) for one in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(plain(found), allow_nan=False)


def scored_by_loss(est):
    """Whether the validation score of a model is minus the mean loss."""
    scoring = getattr(est, "validation_scoring", "score")
    return scoring == "loss" or (scoring is None and est.max_iter == "auto")


def as_loss(row, losses):
    """A row of `history_`; where a validation score is minus a loss, with that in its place."""
    if not losses:
        return row
    return {
        "validation_loss" if name == "validation_score" else name: -value if name == "validation_score" else value
        for name, value in row.items()
    }


def history(est):
    """`history_` as JSON has it: None for what was not worked out, and losses as such. Empty where there is none."""
    if getattr(est, "history_", None) is None:
        return []
    names, losses = est.history_.dtype.names, scored_by_loss(est)
    rows = (as_loss(dict(zip(names, row, strict=True)), losses) for row in est.history_.tolist())
    return [{name: None if value != value else value for name, value in row.items()} for row in rows]


def of_diagnosis(found):
    """A Diagnosis as a dict."""
    findings = [
        {"name": one.name, "words": one.words, "advice": one.advice, "numbers": dict(one.numbers)}
        for one in found.findings
    ]
    return {"verdict": found.verdict, "findings": findings, "not_seen": found.not_seen}
