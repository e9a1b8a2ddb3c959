"""What a diagnosis consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes
    ----------
    name : str
        Of the table of rules, such as "still_falling".
    words : str
        What was found, with its numbers.
    advice : str
        What to do next; empty where there is nothing to do.
    numbers : dict
        The numbers of the words, and what the advice sets: "eta0", "alpha", "max_iter", "tol"; the others as the rule has them.

    References
    ----------
    docs/diagnosis.md has the rule of each name.

    Examples
    --------
    >>> from fastsgd.diagnosis import Finding
    >>> print(Finding("still_falling", "it was stopped too early.", "Set max_iter=100.", {"max_iter": 100}))
    still falling: it was stopped too early. Set max_iter=100.
    """

    name: str
    words: str
    advice: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name.replace('_', ' ')}: {self.words}{' ' if self.advice else ''}{self.advice}"


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` returns. `str()` says all of it in words; in a notebook it is shown as a list.

    Attributes
    ----------
    findings : tuple of Finding
        The first is the main verdict: what to mend first.
    not_seen : str
        What could not be judged, and what it would take; empty where all was.
    about : str
        Which model this is, and which rows it was judged by.

    References
    ----------
    docs/diagnosis.md has the rules, and which finding comes first.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import LinearRegressor, diagnose
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> found = diagnose(LinearRegressor().fit(X, X @ [1.0, 2.0]), X, X @ [1.0, 2.0])
    >>> found.verdict, "overfitting" in found
    ('converged', False)
    """

    findings: tuple[Finding, ...]
    not_seen: str = ""
    about: str = ""

    @property
    def verdict(self) -> str:
        """The name of the first finding."""
        return self.findings[0].name

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all findings, in their order."""
        return tuple(finding.name for finding in self.findings)

    def __getitem__(self, name: str) -> Finding:
        """The finding of that name."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(f"{name!r} is not among the findings: {', '.join(self.names)}.")

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __str__(self) -> str:
        lines = [self.about] if self.about else []
        lines += [f"{number}. {finding}" for number, finding in enumerate(self.findings, 1)]
        return "\n".join(lines + ([self.not_seen] if self.not_seen else []))

    def _repr_html_(self) -> str:
        items = "".join(
            f"<li><b>{escape(finding.name.replace('_', ' '))}</b>: {escape(finding.words)}"
            f"{f' <i>{escape(finding.advice)}</i>' if finding.advice else ''}</li>"
            for finding in self.findings
        )
        small = "".join(f"<p><small>{escape(words)}</small></p>" for words in (self.not_seen,) if words)
        return f"<div><p>{escape(self.about)}</p><ol>{items}</ol>{small}</div>"
