"""What kind of column each is, by its type, by what is asked of it, and by what it was in training."""

import pyarrow as pa

from fastsgd.sources import encode
from fastsgd.sources.features.options import SPELLINGS, Options
from fastsgd.sources.spelling import can_be, is_text, spelling_of

WORDS = {
    "number": "a number",
    "text": "text",
    "numeral": "a category that numbers name",
    "boolean": "a category, true or false",
    "time": "a category that days or times name",
    "date": "a date or a time",
    "words": "free text",
}
# Categories so spelled can be read as the numbers that a column was in training.
READ_AS_NUMBERS = "numeral", "boolean", "text"


class Kinds:
    """What columns of a table are.

    Parameters
    ----------
    options : Options
    where : str
        What the table is called in errors.
    """

    def __init__(self, options: Options, where: str) -> None:
        self.options, self.where = options, where
        self.as_category = {*options.categorical_features, *options.of_kinds(SPELLINGS)}

    def of(self, field: pa.Field, is_feature: bool) -> str:
        """The kind of a column, which is a feature or else a target or a weight."""
        name, dtype, options = field.name, field.type, self.options
        kind = self._own(dtype, name)
        if kind == "null":
            kind = "category" if name in self.as_category else "number"
        elif kind is None and name in options.labels:
            raise self.no_label(field)
        if is_feature and options.is_trained:
            self._check_trained(field, kind)
            was = options.kinds.get(name, "number")
            return was if was in ("number", "date", "words") else kind
        if kind is None:
            raise ValueError(
                f"{self.where}: column {name!r} is of type {dtype}, which is neither a number, a category, nor a list of "
                f"{'fixed size of numbers' if encode.is_list(dtype) else 'them'}. Leave it out (columns=), or cast it."
            )
        return kind

    def _own(self, dtype: pa.DataType, name: str) -> str | None:
        """What becomes of a column of that type and name."""
        if name in self.options.dates and (pa.types.is_null(dtype) or spelling_of(dtype) in ("text", "time")):
            return "date"
        if name in self.options.text_features and (pa.types.is_null(dtype) or is_text(dtype)):
            return "words"
        return encode.kind_of(dtype, name in self.as_category)

    def _check_trained(self, field: pa.Field, kind: str | None) -> None:
        """That a column is of the kind that it was in training, or can be read as that."""
        was = self.options.kinds.get(field.name, "number")
        if was == "number":
            same = kind == "number" or (kind == "category" and spelling_of(field.type) in READ_AS_NUMBERS)
        elif was in SPELLINGS:
            same = kind == "category" and can_be(was, field.type)
        else:
            same = kind == was
        if not same:
            words = WORDS.get(was, f"a column of {was}s")
            raise ValueError(
                f"{self.where}: column {field.name!r} is of type {field.type}, in training it was {words}. Cast it to that, as "
                "it was then."
            )

    def is_like(self, dtype: pa.DataType, kind: str, spelling: str | None, is_feature: bool, name: str) -> bool:
        """Whether a column of another file can be read as the first file's, of that kind and spelling."""
        own = self._own(dtype, name)
        if spelling is not None:
            return own in (kind, "null") and can_be(spelling, dtype)
        if own in (kind, "null"):
            return True
        return self.options.is_trained and is_feature and kind == "number" and spelling_of(dtype) in READ_AS_NUMBERS

    def no_label(self, field: pa.Field) -> ValueError:
        """The error of a column of that type as a target or a weight."""
        if field.name == self.options.weight:
            return ValueError(
                f"{self.where}: weight={field.name!r} is of type {field.type}, not a number. Name a column of numbers."
            )
        return ValueError(
            f"{self.where}: target={field.name!r} is of type {field.type}. Make it numbers, true and false, or text, or name "
            "another."
        )
