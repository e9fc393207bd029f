"""What may go wrong before a request is there; requests' errors live in the core."""


class HeadraceError(Exception):
    """An operator or a model's author may be told of this; any other exception is a bug of ours."""


class ConfigInvalid(HeadraceError):
    """A configuration file holds what does not belong there. The text names each place."""


class EnvironmentInvalid(HeadraceError):
    """A variable of the environment has a value that it cannot have."""


class RepositoryInvalid(HeadraceError):
    """A folder of models is not laid out as one. The text says what was expected."""


class SourceInvalid(HeadraceError):
    """A version cannot be had from its registry. The text says what is not there, or away."""


class SourceAway(SourceInvalid):
    """Where a version's files are gives no answer now. What it said last may be on disk."""


class RequirementsInvalid(HeadraceError):
    """The packages that a version asks for cannot be installed. The text says why."""


class ModelInvalid(HeadraceError):
    """A model's class or program does not say what it needs to say."""


class ModelBroken(HeadraceError):
    """A model's own code raised, or returned what it did not declare."""


class DeviceLost(HeadraceError):
    """A device does nothing any more for this process, which has to be replaced."""


class CallFailed(HeadraceError):
    """A call that a model made of another one has no answer; ``code`` is the core's word for it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code, self.text = code, text

    def __str__(self) -> str:
        return self.text


class CalledEarly(CallFailed):
    """A model calls another one before it serves itself: who that is may not be there yet."""

    def __init__(self, model: str) -> None:
        super().__init__(
            "unavailable",
            f"model {model!r} cannot be called now: a model calls others for its callers, once a "
            "server runs it and it is ready",
        )


class NotLive(HeadraceError):
    """A configuration has changed in what a version takes only when it is loaded."""


class Unwanted(HeadraceError):
    """What an operator asks for cannot be done now, or would change nothing; nothing was."""


class Unchanged(Unwanted):
    """It is so already."""


class Quarantined(Unwanted):
    """A version that was rolled back is to get no traffic. The text says how it may again."""

    def __init__(self, text: str, model: str, version: int) -> None:
        super().__init__(text, model, version)
        self.text, self.model, self.version = text, model, version

    def __str__(self) -> str:
        return self.text


class Deposed(HeadraceError):
    """Another controller has taken over: what this one decides does not count any more."""


class StateInvalid(HeadraceError):
    """The folder that a server keeps its things in cannot be used."""


class PortTaken(HeadraceError):
    """An address to listen on is in use; the text names its owner where it can be found."""


class Unreachable(HeadraceError):
    """No server answers at the address that was given."""


class Refused(HeadraceError):
    """The server answered, and said no."""

    def __init__(self, status: int, text: str, server: str = "") -> None:
        # All arguments reach args: that is what pickling carries between processes.
        super().__init__(status, text, server)
        #: What the answer calls its server.
        self.status, self.text, self.server = status, text, server

    def __str__(self) -> str:
        return f"{self.text} (HTTP {self.status})"
