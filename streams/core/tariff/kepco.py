"""The Korean tariff: seasons, day types and load bands by hour, base fee by demand. Shape: streams/tariffs/kepco.json."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from streams.core.tariff.bill import NoPrice
from streams.core.tariff.document import Document, decimal

HOURS = 24


@dataclass(frozen=True, slots=True)
class Rate:
    """What a kWh costs in one hour, in won.

    Attributes:
        since: first day of the version of the class.
        band: light, mid, peak; all where there is none.
        discount: share of the price that is given back.
    """

    since: str
    season: str
    band: str
    price: Decimal
    discount: Decimal
    climate: Decimal
    fuel: Decimal


@dataclass(frozen=True, slots=True)
class Contract:
    """One class, voltage and option of a document.

    Raises:
        NoPrice: the document has no such class, voltage or option at all.
    """

    document: Document
    klass: str
    voltage: str
    option: str

    def __post_init__(self) -> None:
        versions = self.document["classes"].get(self.klass, {"versions": ()})["versions"]
        if not any(self.option in version["rates"].get(self.voltage, ()) for version in versions):
            asked = f"{self.klass}/{self.voltage}/{self.option}"
            known = ", ".join("/".join(one) for one in contracts(self.document))
            raise NoPrice(f"the tariff has no {asked}; expected one of {known}")

    @property
    def zone(self) -> str:
        return str(self.document["timezone"])

    @property
    def currency(self) -> str:
        return str(self.document["currency"])

    @property
    def high_voltage(self) -> bool:
        return self.voltage != "low"

    @property
    def on_contract(self) -> bool:
        """Whether the base fee is by contract power, for want of a demand meter."""
        return bool(self.document["classes"][self.klass]["base_on"] == "contract_kw")

    def season(self, day: date) -> str:
        return next(str(name) for name, months in self.document["seasons"].items() if day.month in months)

    def day_type(self, day: date) -> str:
        if day.weekday() == 6 or self._holiday(day):
            return "sunday_holiday"
        return "saturday" if day.weekday() == 5 else "weekday"

    def holidays_known(self, day: date) -> bool:
        """Whether the document lists the holidays of the day's year."""
        return str(day.year) in self.document["holidays"]

    def since(self, day: date) -> str:
        """First day of the version valid on a day."""
        return str(self._version(day)["from"])

    def base(self, day: date) -> Decimal:
        """Won per kW and month, as of a day."""
        return decimal(self._option(day)["base_krw_per_kw"])

    def bands(self, day: date) -> tuple[str, ...]:
        """The band of each hour of a day."""
        name = self._version(day)["band_set"]
        if name is None:
            return ("all",) * HOURS
        letters = self.document["band_sets"][name]["hours"][self.day_type(day)][self.season(day)]
        return tuple(str(self.document["bands"][letter]) for letter in letters)

    def demand_hours(self, day: date) -> tuple[bool, ...]:
        """Of each hour of a day, whether its quarters count for the demand."""
        left_out = {self.document["bands"][letter] for letter in self.document["demand"]["excluded_bands"]}
        return tuple(band not in left_out for band in self.bands(day))

    def rates(self, day: date) -> tuple[Rate, ...]:
        """What each hour of a day costs.

        Raises:
            NoPrice: the tariff begins later, or has a gap there.
        """
        version, season = self._version(day), self.season(day)
        prices = self._option(day)["energy_krw_per_kwh"][season]
        climate = _by_day(self.document["per_kwh"]["climate_environment"], day, "krw")
        fuel = _by_day(self.document["per_kwh"]["fuel_adjustment"], day, "krw")
        return tuple(
            Rate(str(version["from"]), season, band, decimal(prices[band]), self._discount(version, day, hour), climate, fuel)
            for hour, band in enumerate(self.bands(day))
        )

    def fund_rate(self, day: date) -> Decimal:
        return _by_day(self.document["taxes"]["industry_fund"], day, "rate")

    def vat_rate(self) -> Decimal:
        return decimal(self.document["taxes"]["vat"])

    def power_factor_rule(self) -> Document:
        """The version that the document names as its default."""
        rule = self.document["power_factor"]
        found: Document = next(one for one in rule["versions"] if one["id"] == rule["default"])
        return found

    def _discount(self, version: Document, day: date, hour: int) -> Decimal:
        for one in version.get("discounts", ()):
            first, end = one["hours"]
            fits = self.season(day) in one["seasons"] and self.day_type(day) in one["days"] and first <= hour < end
            if fits and day.isoformat() <= one["until"]:
                return decimal(one["rate"])
        return Decimal(0)

    def _holiday(self, day: date) -> bool:
        counts = self.document["day_rules"]["temporary_holidays_count"]
        listed = self.document["holidays"].get(str(day.year), ())
        return any(one["date"] == day.isoformat() and (counts or not one.get("temporary")) for one in listed)

    def _version(self, day: date) -> Document:
        text = day.isoformat()
        for version in self.document["classes"][self.klass]["versions"]:
            if version["from"] <= text and (version["to"] is None or text <= version["to"]):
                found: Document = version
                return found
        begins = min(str(version["from"]) for version in self.document["classes"][self.klass]["versions"])
        raise NoPrice(
            f"the tariff has no price of {self.klass} on {text}; its first is of {begins}; `powermon tariffs put` adds one"
        )

    def _option(self, day: date) -> Document:
        found = self._version(day)["rates"].get(self.voltage, {}).get(self.option)
        if found is None:
            raise NoPrice(f"the tariff has no {self.klass}/{self.voltage}/{self.option} on {day.isoformat()}")
        return dict(found)


def contracts(document: Document) -> list[tuple[str, str, str]]:
    """Every class, voltage and option of any version."""
    return sorted(
        {
            (str(klass), str(voltage), str(option))
            for klass, one in document["classes"].items()
            for version in one["versions"]
            for voltage, options in version["rates"].items()
            for option in options
        }
    )


def _by_day(entries: list[Any], day: date, name: str) -> Decimal:
    """The newest entry that is in force on a day; 0 before the first."""
    found = [one for one in entries if one["from"] <= day.isoformat()]
    return decimal(max(found, key=lambda one: str(one["from"]))[name]) if found else Decimal(0)
