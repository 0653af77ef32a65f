"""What the rules find of what was planted."""

from dataclasses import dataclass, field


@dataclass
class Score:
    """Of one rule: planted events, those found, intervals told, those of them that were planted, error of the start in s."""

    planted: int = 0
    found: int = 0
    told: int = 0
    right: int = 0
    starts_s: list[float] = field(default_factory=list)

    def with_(self, other: "Score") -> "Score":
        """Both together."""
        counts = (getattr(self, name) + getattr(other, name) for name in ("planted", "found", "told", "right"))
        return Score(*counts, self.starts_s + other.starts_s)
