"""Write tables in Markdown, for the tools that measure."""

from vae_nb.sweeps.comparison import t_interval


def interval(values, style, mark=False):
    """Write the mean of some values and its 95 % t interval.

    Parameters
    ----------
    values : iterable of float
    style : str
        The format of both; a "+" in it shows the sign of the mean.
    mark : bool
        Whether to write it in bold if the interval excludes 0.

    Returns
    -------
    str
    """
    mean, half_width = t_interval(list(values))
    text = f"{mean:{style}} ± {half_width:{style.removeprefix('+')}}"
    return f"**{text}**" if mark and abs(mean) > half_width else text


def head(headings):
    """Write the first two lines of a table: text in the first column, numbers in the others."""
    return line(headings) + line(["---", *["--:"] * (len(headings) - 1)])


def line(cells):
    """Write a line of a table."""
    return f"| {' | '.join(cells)} |\n"
