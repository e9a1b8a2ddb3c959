"""What `train` takes for tables with texts, where the flags do not say otherwise."""

from fastsgd.cli.options import NOT_AUTO, STEPS, as_flag

# On texts, whose rows have length 1, the estimators' alpha of 1e-4 is too large for the logistic loss, and one pass over some
# thousand texts too little. On 9,600 texts of 20 classes, of three kinds, the accuracies are .93, .75 and .76 with these, and
# .94, .76 and .71 with "auto": those of TfidfVectorizer and SGDClassifier are .94, .77 and .78 (docs/text.md).
ALPHA = 1e-5


def suit(est, source, params):
    """Set the parameters that suit texts, and say which; None if there are no texts, or all is said.

    Parameters
    ----------
    est : estimator
    source : Source
    params : dict
        Of `parameter_flags`, those given.
    """
    from sklearn.base import is_classifier

    texts = source.reading.get("text_features")
    if not texts:
        return None
    suited = {"alpha": ALPHA}
    steps = {"learning_rate", *STEPS, *NOT_AUTO}
    if is_classifier(est) and set(texts) == set(source.reading["columns"]) and not steps & set(params):
        suited["learning_rate"] = "optimal"
    suited = {name: value for name, value in suited.items() if name not in params}
    if not suited:
        return None
    est.set_params(**suited)
    flags = " ".join(f"{as_flag(name)} {value}" for name, value in suited.items())
    idf = ", and rare words count more (--no-idf: all alike)" if source.reading["idf"] else ""
    hinge = ""
    if is_classifier(est) and "loss" not in params:
        hinge = "; where no probabilities are asked for, --loss hinge --alpha 1e-4 may be right more often"
    return f"texts are trained with {flags}, where these flags do not say otherwise{idf}{hinge}"
