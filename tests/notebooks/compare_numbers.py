"""A plugin for nbval, loaded with `-p compare_numbers`: numbers may differ a little.

Another machine rounds differently, and a training that does is soon at other digits. So a number in
a text may differ by 1 % from the committed one, or by what the cell's metadata say under
"tolerance" (0.1 is 10 %), and in any case by one in its last printed decimal. The text around the
numbers is compared exactly, except for the spaces that pad a column.

A number in a word, as in "float32" or "1f600.png", is a part of the word. One without decimals, as
a count of pictures, has no last decimal: 7 and 8 differ at every tolerance below a seventh.
"""

import re
from decimal import Decimal

from nbval.plugin import IPyNbCell

TOLERANCE = 0.01
FLOOR = Decimal("1e-5")  # what is smaller is rounding

NUMBER = re.compile(r"(?<!\w)[-+−]?\d+(?:,\d{3})*(?:\.\d*)?(?:e[-+]?\d+)?(?!\w)", re.IGNORECASE)


def numbers_and_words(text):
    """Split a text into its numbers and what is between them, without padding."""
    numbers = [Decimal(found.replace(",", "").replace("−", "-")) for found in NUMBER.findall(text)]
    return numbers, [re.sub(" +", " ", part).strip(" ") for part in NUMBER.split(text)]


def is_close(found, reference, tolerance):
    """Say whether a number may stand where the reference was printed."""
    exponent = reference.as_tuple().exponent
    last_decimal = Decimal(1).scaleb(exponent) if exponent else 0
    allowed = max(Decimal(str(tolerance)) * abs(reference), last_decimal, FLOOR)
    return abs(found - reference) <= allowed


class Output(str):
    """A text that equals another one with the same words and nearly the same numbers."""

    tolerance = TOLERANCE
    __hash__ = str.__hash__

    def __eq__(self, other):
        (mine, words), (others, other_words) = numbers_and_words(self), numbers_and_words(other)
        return words == other_words and all(
            is_close(number, reference, self.tolerance)
            for number, reference in zip(others, mine, strict=True)
        )

    def __ne__(self, other):
        return not self == other


def sanitized(cell, text, sanitize=IPyNbCell.sanitize):
    """Stand in for nbval's `sanitize`, which each text goes through before it is compared."""
    text = sanitize(cell, text)
    if isinstance(text, str):
        text = Output(text)
        text.tolerance = cell.cell.metadata.get("tolerance", TOLERANCE)
    return text


IPyNbCell.sanitize = sanitized
