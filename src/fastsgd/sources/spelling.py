"""How categories are spelled: one way for each value, whatever the format it was read from. It imports pyarrow, and so is
imported in functions alone."""

import re
from decimal import Context

import pyarrow as pa
import pyarrow.compute as pc

SPELLING = b"spelling"  # This metadata of a field of strings says that they are to be spelled as another kind.
LARGEST_POWER = 25  # Numbers of a larger power of ten are spelled with an exponent.
EXACT = Context(prec=60, traps=[])  # What has more digits is no number that a column holds.
CLOCK = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d+))?(?:(Z|\+00:?00)|([+-]\d\d:?\d\d))?")


def is_text(dtype):
    t = pa.types
    if t.is_dictionary(dtype):
        return is_text(dtype.value_type)
    return t.is_string(dtype) or t.is_large_string(dtype) or t.is_string_view(dtype)


def spelling_of(dtype):
    """The kind of category that values of that Arrow type are: "text", "boolean", "numeral", "time"; else None, of nulls."""
    t = pa.types
    if t.is_dictionary(dtype):
        return spelling_of(dtype.value_type)
    if is_text(dtype):
        return "text"
    if t.is_boolean(dtype):
        return "boolean"
    if t.is_integer(dtype) or t.is_floating(dtype) or t.is_decimal(dtype):
        return "numeral"
    return "time" if t.is_date(dtype) or t.is_timestamp(dtype) else None


def can_be(spelling, dtype):
    """Whether values of that Arrow type can be spelled as that kind. Numbers can't be text, as "007" may have been."""
    own = spelling_of(dtype)
    return own in (spelling, "text", None) or {own, spelling} == {"boolean", "numeral"}


def spelled(values, spelling=None):
    """An array of values as strings, of 32-bit or 64-bit offsets: by default as the kind that its type is.

    A number is spelled by its value (7, 7.0 and "007" as "7"), a boolean "true" or "false", a time in ISO 8601, without the
    hours where they are zero. What is none of the kind stays as it is.

    Examples
    --------
    >>> spelled(pa.array([7.0, 1.5, None])).to_pylist(), spelled(pa.array(["007", "x"]), "numeral").to_pylist()
    (['7', '1.5', None], ['7', 'x'])
    >>> spelled(pa.array(["True", "FALSE"]), "boolean").to_pylist()
    ['true', 'false']
    """
    text = values if pa.types.is_string(values.type) else values.cast(pa.large_string())
    own = spelling_of(values.type)
    spelling = spelling or own
    if spelling in ("text", None) or (own == spelling and (own == "boolean" or pa.types.is_integer(values.type))):
        return text
    usual, respelled = KINDS[spelling]
    odd = pc.fill_null(pc.invert(pc.match_substring_regex(text, usual)), False)
    if not pc.any(odd).as_py():
        return text
    new = [respelled(cell) for cell in text.filter(odd).to_pylist()]
    return pc.replace_with_mask(text, odd, pa.array(new, text.type))


def _numeral(cell):
    if cell.lower() in ("true", "false"):
        return "1" if cell.lower() == "true" else "0"
    if len(cell) > EXACT.prec or "_" in cell:
        return cell
    number = EXACT.normalize(EXACT.create_decimal(cell.strip()))  # NaN of what is none
    if number.is_nan():
        return None if cell.lower() == "nan" else cell
    if not number.is_finite():
        return cell
    return "0" if not number else f"{number:f}" if abs(number.adjusted()) <= LARGEST_POWER else str(number)


def _boolean(cell):
    word = (_numeral(cell) or cell).lower()
    return {"1": "true", "0": "false"}.get(word, cell)


def _time(cell):
    found = CLOCK.fullmatch(cell)
    if found is None:
        return cell
    day, minutes, seconds, fraction, utc, zone = found.groups()
    fraction = (fraction or "").rstrip("0")
    clock = f"{minutes}{seconds or ':00'}{fraction and '.' + fraction}"
    if clock == "00:00:00" and not zone:
        return day
    return f"{day} {clock}{'Z' if utc else zone or ''}"


KINDS = {  # Of each kind: a pattern of what is spelled right, and the function that spells all else.
    "numeral": (r"^(0|-?[1-9][0-9]{0,17})$", _numeral),
    "boolean": (r"^(true|false)$", _boolean),
    "time": (r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", _time),
}
