"""The one exception of the data layer."""


class DataError(ValueError):
    """Data that a user gave cannot be used as it is.

    The message is one line for that user: what was wrong, what was expected, what to do.
    """
