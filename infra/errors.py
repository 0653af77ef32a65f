"""The error tree.

PowermonError            what came, what was expected, what to do: one sentence for stderr
├── PartUnavailable      a broker, registry or database does not answer; trying again may help
│   └── RegistryUnavailable
├── ConfigurationError   a setting, file or version is wrong; a person must act
├── ReplayRefused        a replay cannot do this in its present state
│   └── NoSuchReplay
└── TokenRefused         the catalog gives this sensor no token, as when it was revoked
"""


class PowermonError(Exception):
    """A failure with a sentence for the person at the terminal."""


class PartUnavailable(PowermonError):
    """A part the caller needs does not answer now."""


class RegistryUnavailable(PartUnavailable):
    """The schema registry cannot be asked and the cache does not know."""


class ConfigurationError(PowermonError):
    """Something a person must put right."""


class TokenRefused(PowermonError):
    """The catalog gives a sensor no token."""


class ReplayRefused(PowermonError):
    """A replay cannot do what was asked in its present state."""


class NoSuchReplay(ReplayRefused):
    """There is no replay of that name."""
