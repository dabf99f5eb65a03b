"""The errors of a request, each with its HTTP status. A message is one line with the cure."""


class Refused(Exception):
    """A request that cannot be answered. It is sent as {"error": message}."""

    def __init__(self, status: int, message: str):
        """Take the HTTP status and the message."""
        super().__init__(message)
        self.status = status
        self.message = " ".join(message.split())


def bad(message: str) -> Refused:
    """Return the error of a request that is wrong."""
    return Refused(400, message)


def too_large(message: str) -> Refused:
    """Return the error of a request that exceeds a limit."""
    return Refused(413, message)


def busy(message: str) -> Refused:
    """Return the error of a request that can be repeated a second later."""
    return Refused(503, message)


def quoted(value: object) -> str:
    """Return a part of a request for an error, short and on one line."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
