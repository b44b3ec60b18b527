"""What a person can mend: one clear sentence each. The command prints it and ends with exit code 2."""


class UnusableFileError(ValueError):
    """A file, or a folder of a data set, cannot be used at all; the message says which and why."""
