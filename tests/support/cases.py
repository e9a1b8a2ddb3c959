"""Fewer cases than all combinations, of the same power."""

import itertools
import random


def covering(strength, *factors, allowed=lambda *case: True):
    """Cases in which every `strength` of the factors meet in every combination that is allowed.

    Nearly every fault shows where two or three settings meet; 2,304 combinations of six settings are covered by about 250
    cases. The choice is greedy, and the same in every run. As in `pytest.mark.parametrize`, a factor is a list of values,
    or a dict of which the keys are meant.
    """
    factors = [list(factor) for factor in factors]
    cases = [
        case
        for case in itertools.product(*(range(len(factor)) for factor in factors))
        if allowed(*(factor[i] for factor, i in zip(factors, case, strict=True)))
    ]
    random.Random(0).shuffle(cases)
    meetings = list(itertools.combinations(range(len(factors)), strength))
    new = {case: {(places, tuple(case[k] for k in places)) for places in meetings} for case in cases}
    missing, chosen = set().union(*new.values()), []
    for least in range(len(meetings), 0, -1):
        for case in cases:
            if len(new[case] & missing) >= least:
                chosen.append(case)
                missing -= new[case]
    return [tuple(factor[i] for factor, i in zip(factors, case, strict=True)) for case in sorted(chosen)]
