"""When dead letters are a flood: the messages are not bad one by one, something about all of them is."""

from dataclasses import dataclass

WINDOW = 10_000
"""Messages that count for as much as all before them."""


@dataclass(frozen=True, slots=True)
class Flood:
    """How many of about the last WINDOW messages could not be used.

    Measured in messages, never by a clock. Both numbers are halved when the window is full, so that they travel in
    a commit and a restart does not begin anew.

    Attributes:
        seen: messages.
        dead: those of them that could not be used.
    """

    seen: int = 0
    dead: int = 0

    def after(self, seen: int, dead: int) -> "Flood":
        """The counts when more messages have come."""
        full = self.seen >= WINDOW
        return Flood((self.seen >> full) + seen, (self.dead >> full) + dead)

    def over(self, most: int) -> bool:
        """Whether to stop: more than `most` could not be used, and more than half of all (most = 0: never)."""
        return 0 < most < self.dead and 2 * self.dead > self.seen

    def told(self, place: str, reason: str, most: int) -> str:
        """A flood as a sentence for the operator.

        Args:
            place: whose messages they are.
            reason: why the last of them could not be used.
            most: the limit that was passed.
        """
        return (
            f"{self.dead} of the last {self.seen} messages of {place} cannot be used; the last: {reason}. They are not passed "
            "over. Usually a program writes another format, or a schema is not registered: put that right and start again. "
            f"If they may all become dead letters, raise POWERMON_DEAD_LETTERS_MAX (now {most}; 0: no limit)"
        )


NO_FLOOD = Flood()
