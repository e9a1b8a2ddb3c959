"""Names of columns that a user gave: as they are, by patterns, or by kinds."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from itertools import product
from typing import Any

KINDS = "number", "category", "boolean", "date", "text"  # What users call columns.
OF_CATEGORIES = (
    "category",
    "tokens",
    "text",
    "numeral",
    "boolean",
    "time",
)  # Kinds in `reading_` that are of categories.
BY_KIND = "kind:"  # So begins a rule that means all columns of a kind.
MAX_PAIRS = 10_000  # This many products may follow from a rule; of numbers they are 40 KB a row.
MAX_OFFERED = 3  # An error offers this many of the names nearest to one that is not there.
MAX_LISTED = 10  # An error lists this many names at most.


def is_rule(name: str, names: Collection[str] = ()) -> bool:
    """Whether it may mean other columns than the one that is called so, which is none of the names."""
    return name not in names and ("*" in name or "?" in name or name.startswith(BY_KIND))


def matching(argument: str, rule: str, names: Iterable[str], kinds: Mapping[str, str]) -> list[str]:
    """The names that a rule means, in their order.

    It means the one that is called so; or else those that a pattern fits, in which `*` is any characters and `?` one; or, as
    "kind:number", those of a kind.

    Parameters
    ----------
    argument : str
        What the rule is given for, in errors.
    rule : str
    names : iterable of str
    kinds : dict of str to str
        What each of the names is, of KINDS.

    Raises
    ------
    ValueError
        It means none of them.

    Examples
    --------
    >>> kinds = {"age": "number", "C1": "category", "C2": "category"}
    >>> matching("columns", "C*", kinds, kinds), matching("columns", "kind:number", kinds, kinds)
    (['C1', 'C2'], ['age'])
    """
    names = list(dict.fromkeys(names))
    if rule in names:
        return [rule]
    if rule.startswith(BY_KIND) and rule.removeprefix(BY_KIND) not in KINDS:
        raise ValueError(f"{argument}: {rule!r} must be one of {', '.join(BY_KIND + kind for kind in KINDS)}.")
    found = [name for name in names if fits(rule, name, kinds)]
    if found:
        return found
    if rule.startswith(BY_KIND):
        there = ", ".join(sorted({kinds[name] for name in names if kinds.get(name)})) or "none"
        raise ValueError(f"{argument}: {rule!r} means no column; the kinds of the columns are {there}.")
    lacks = f"{rule!r} fits no column" if is_rule(rule) else f"there is no column {rule!r}"
    raise ValueError(f"{argument}: {lacks}; there are {offer(rule, names)}")


def fits(rule: str, name: str, kinds: Mapping[str, str]) -> bool:
    """Whether a rule, which is no name itself, means the column of that name."""
    if rule.startswith(BY_KIND):
        return kinds.get(name) == rule.removeprefix(BY_KIND)
    return re.fullmatch(re.escape(rule).replace(r"\*", ".*").replace(r"\?", "."), name, re.DOTALL) is not None


def word_of(kind: str | None) -> str:
    """What users call a column of a kind, as `reading_` has it; "" of those that have no word."""
    return {"number": "number", "date": "date", "words": "text"}.get(kind, "category" if kind in OF_CATEGORIES else "")


def by_column(
    argument: str, rules: Mapping[str, Any], names: Iterable[str], kinds: Mapping[str, str]
) -> dict[str, Any]:
    """What a dict of names and rules says of each column; a name counts more than a rule, and an earlier rule than a later one.

    >>> by_column("bins", {"*": 5, "age": 10}, ["age", "size"], {})
    {'age': 10, 'size': 5}
    """
    names, found = list(names), {}
    for rule in sorted(rules, key=lambda rule: is_rule(rule, names)):
        for name in matching(argument, rule, names, kinds):
            found.setdefault(name, rules[rule])
    return found


def pairs_of(
    rules: Iterable[tuple[str, str]], names: Collection[str], crossed: Collection[str], kinds: Mapping[str, str]
) -> list[tuple[str, str]]:
    """The pairs of columns that `interactions` means: those of names; and of rules each pair of different columns once.

    Parameters
    ----------
    rules : iterable of (str, str)
    names : collection of str
        The columns that are features.
    crossed : collection of str
        Those that a rule may mean.
    kinds : dict of str to str
        What each of them is, of KINDS.

    Examples
    --------
    >>> pairs_of([("b", "a"), ("*", "*")], "abc", "abc", {})
    [('b', 'a'), ('a', 'c'), ('b', 'c')]
    """
    rules = [tuple(pair) for pair in rules]
    ruled = [pair for pair in rules if any(is_rule(name, names) for name in pair)]
    pairs = [pair for pair in rules if pair not in ruled]
    known = {frozenset(pair) for pair in pairs}
    for pair in ruled:
        sides = [matching("interactions", one, crossed, kinds) if is_rule(one, names) else [one] for one in pair]
        if sides[0] == sides[1] and len(sides[0]) == 1:
            raise ValueError(f"interactions: {pair!r} is the column {sides[0][0]!r} alone.")
        for two in product(*sides):
            if len(set(two)) == 2 and frozenset(two) not in known:
                known.add(frozenset(two))
                pairs.append(two)
        if len(pairs) > MAX_PAIRS:
            raise ValueError(f"interactions: {pair!r} are more than {MAX_PAIRS:,} pairs. Name fewer columns.")
    return pairs


def offer(wanted: str, names: Iterable[str]) -> str:
    """The names that there are, in words: of many the nearest to the wanted one, or the first."""
    names = list(dict.fromkeys(names))
    by_small = {name.lower(): name for name in reversed(names)}
    near = [by_small[name] for name in difflib.get_close_matches(wanted.lower(), by_small, MAX_OFFERED)]
    listed = ", ".join(map(repr, names[:MAX_LISTED])) or "none"
    if len(names) > MAX_LISTED:
        listed = f"{len(names)} columns" if near else f"{listed} and {len(names) - MAX_LISTED} others"
    return f"{listed}. Is it {' or '.join(map(repr, near))}?" if near else f"{listed}."
