"""Every label of both modes, in the order in which a meter sends them (54E 6.1.2 and 6.2.2).

A new label is one line here.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """The TIC's two modes."""

    STANDARD = "standard"
    HISTORIC = "historic"


class Kind(StrEnum):
    """What a label's data is."""

    INT = "int"
    TEXT = "text"
    BITFIELD = "bitfield"
    HORODATE = "horodate"
    """No data; the time is in the horodate field."""


class Phases(StrEnum):
    """Which meters send a label."""

    ALL = "all"
    SINGLE = "single-phase"
    THREE = "three-phase"


INT, TEXT, BITFIELD, HORODATE = Kind
SINGLE, THREE = Phases.SINGLE, Phases.THREE

DIGITS = "[0-9]*"
HEX = "[0-9A-F]*"
OCTET = "[01][0-9][0-9]|2[0-4][0-9]|25[0-5]"
CALENDAR = "(?:(?:[0-9]{4}[0-9A-F]{4}|NONUTILE)(?: (?!$)|$)){11}"
PRINTABLE = "[ -~]*"
NOTHING = ""
_USUAL = {INT: DIGITS, TEXT: PRINTABLE, BITFIELD: HEX, HORODATE: NOTHING}


@dataclass(frozen=True, slots=True)
class Label:
    """One label.

    Attributes:
        name: as the meter sends it.
        kind: of its data.
        chars: length of its data.
        unit: of its value; empty for none.
        meaning: in words.
        stamped: whether a horodate stands before its data.
        phases: which meters send it.
        producer: whether only a meter in producer mode sends it.
        form: pattern of its data where the kind alone allows too much; empty for the kind's own.
    """

    name: str
    kind: Kind
    chars: int
    unit: str
    meaning: str
    stamped: bool = False
    phases: Phases = Phases.ALL
    producer: bool = False
    form: str = ""

    @property
    def pattern(self) -> re.Pattern[str]:
        """What its data must look like besides its length."""
        return re.compile(self.form or _USUAL[self.kind])


_STANDARD = (
    Label("ADSC", TEXT, 12, "", "Serial number of the meter: maker 2, year 2, device type 2, serial 6", form=DIGITS),
    Label("VTIC", TEXT, 2, "", "Version of the TIC specification", form=DIGITS),
    Label("DATE", HORODATE, 0, "", "Current date and time of the meter", stamped=True),
    Label("NGTF", TEXT, 16, "", "Name of the supplier tariff calendar"),
    Label("LTARF", TEXT, 16, "", "Name of the supplier tariff in force"),
    Label("EAST", INT, 9, "Wh", "Active energy drawn, total"),
    Label("EASF01", INT, 9, "Wh", "Active energy drawn, supplier index 01"),
    Label("EASF02", INT, 9, "Wh", "Active energy drawn, supplier index 02"),
    Label("EASF03", INT, 9, "Wh", "Active energy drawn, supplier index 03"),
    Label("EASF04", INT, 9, "Wh", "Active energy drawn, supplier index 04"),
    Label("EASF05", INT, 9, "Wh", "Active energy drawn, supplier index 05"),
    Label("EASF06", INT, 9, "Wh", "Active energy drawn, supplier index 06"),
    Label("EASF07", INT, 9, "Wh", "Active energy drawn, supplier index 07"),
    Label("EASF08", INT, 9, "Wh", "Active energy drawn, supplier index 08"),
    Label("EASF09", INT, 9, "Wh", "Active energy drawn, supplier index 09"),
    Label("EASF10", INT, 9, "Wh", "Active energy drawn, supplier index 10"),
    Label("EASD01", INT, 9, "Wh", "Active energy drawn, distributor index 01"),
    Label("EASD02", INT, 9, "Wh", "Active energy drawn, distributor index 02"),
    Label("EASD03", INT, 9, "Wh", "Active energy drawn, distributor index 03"),
    Label("EASD04", INT, 9, "Wh", "Active energy drawn, distributor index 04"),
    Label("EAIT", INT, 9, "Wh", "Active energy injected, total", producer=True),
    Label("ERQ1", INT, 9, "VArh", "Reactive energy, quadrant 1, total", producer=True),
    Label("ERQ2", INT, 9, "VArh", "Reactive energy, quadrant 2, total", producer=True),
    Label("ERQ3", INT, 9, "VArh", "Reactive energy, quadrant 3, total", producer=True),
    Label("ERQ4", INT, 9, "VArh", "Reactive energy, quadrant 4, total", producer=True),
    Label("IRMS1", INT, 3, "A", "RMS current, phase 1, over 1 s"),
    Label("IRMS2", INT, 3, "A", "RMS current, phase 2, over 1 s", phases=THREE),
    Label("IRMS3", INT, 3, "A", "RMS current, phase 3, over 1 s", phases=THREE),
    Label("URMS1", INT, 3, "V", "RMS voltage, phase 1, over 1 s"),
    Label("URMS2", INT, 3, "V", "RMS voltage, phase 2, over 1 s", phases=THREE),
    Label("URMS3", INT, 3, "V", "RMS voltage, phase 3, over 1 s", phases=THREE),
    Label("PREF", INT, 2, "kVA", "Reference apparent power (the subscribed power)"),
    Label("PCOUP", INT, 2, "kVA", "Cut-off apparent power"),
    Label("SINSTS", INT, 5, "VA", "Instantaneous apparent power drawn, total"),
    Label("SINSTS1", INT, 5, "VA", "Instantaneous apparent power drawn, phase 1", phases=THREE),
    Label("SINSTS2", INT, 5, "VA", "Instantaneous apparent power drawn, phase 2", phases=THREE),
    Label("SINSTS3", INT, 5, "VA", "Instantaneous apparent power drawn, phase 3", phases=THREE),
    Label("SMAXSN", INT, 5, "VA", "Maximum apparent power drawn today", stamped=True),
    Label("SMAXSN1", INT, 5, "VA", "Maximum apparent power drawn today, phase 1", stamped=True, phases=THREE),
    Label("SMAXSN2", INT, 5, "VA", "Maximum apparent power drawn today, phase 2", stamped=True, phases=THREE),
    Label("SMAXSN3", INT, 5, "VA", "Maximum apparent power drawn today, phase 3", stamped=True, phases=THREE),
    Label("SMAXSN-1", INT, 5, "VA", "Maximum apparent power drawn yesterday", stamped=True),
    Label("SMAXSN1-1", INT, 5, "VA", "Maximum apparent power drawn yesterday, phase 1", stamped=True, phases=THREE),
    Label("SMAXSN2-1", INT, 5, "VA", "Maximum apparent power drawn yesterday, phase 2", stamped=True, phases=THREE),
    Label("SMAXSN3-1", INT, 5, "VA", "Maximum apparent power drawn yesterday, phase 3", stamped=True, phases=THREE),
    Label("SINSTI", INT, 5, "VA", "Instantaneous apparent power injected, total", producer=True),
    Label("SMAXIN", INT, 5, "VA", "Maximum apparent power injected today", stamped=True, producer=True),
    Label("SMAXIN-1", INT, 5, "VA", "Maximum apparent power injected yesterday", stamped=True, producer=True),
    Label("CCASN", INT, 5, "W", "Last complete point of the load curve, active power drawn", stamped=True),
    Label("CCASN-1", INT, 5, "W", "Point before the last of the load curve, active power drawn", stamped=True),
    Label("CCAIN", INT, 5, "W", "Last complete point of the load curve, active power injected", stamped=True, producer=True),
    Label("CCAIN-1", INT, 5, "W", "Point before the last of the load curve, active power injected", stamped=True, producer=True),
    Label("UMOY1", INT, 3, "V", "Mean voltage, phase 1", stamped=True),
    Label("UMOY2", INT, 3, "V", "Mean voltage, phase 2", stamped=True, phases=THREE),
    Label("UMOY3", INT, 3, "V", "Mean voltage, phase 3", stamped=True, phases=THREE),
    Label("STGE", BITFIELD, 8, "", "Status register, 32 bits"),
    Label("DPM1", TEXT, 2, "", "Start of mobile peak 1", stamped=True, form=DIGITS),
    Label("FPM1", TEXT, 2, "", "End of mobile peak 1", stamped=True, form=DIGITS),
    Label("DPM2", TEXT, 2, "", "Start of mobile peak 2", stamped=True, form=DIGITS),
    Label("FPM2", TEXT, 2, "", "End of mobile peak 2", stamped=True, form=DIGITS),
    Label("DPM3", TEXT, 2, "", "Start of mobile peak 3", stamped=True, form=DIGITS),
    Label("FPM3", TEXT, 2, "", "End of mobile peak 3", stamped=True, form=DIGITS),
    Label("MSG1", TEXT, 32, "", "Short message"),
    Label("MSG2", TEXT, 16, "", "Ultra-short message"),
    Label("PRM", TEXT, 14, "", "Delivery point number", form=DIGITS),
    Label("RELAIS", BITFIELD, 3, "", "State of the 8 relays (1 real, 7 virtual)", form=OCTET),
    Label("NTARF", INT, 2, "", "Number of the tariff index in force"),
    Label("NJOURF", INT, 2, "", "Number of the current day in the supplier calendar"),
    Label("NJOURF+1", INT, 2, "", "Number of the next day in the supplier calendar"),
    Label("PJOURF+1", TEXT, 98, "", "Profile of the next day in the supplier calendar", form=CALENDAR),
    Label("PPOINTE", TEXT, 98, "", "Profile of the next peak day", form=CALENDAR),
)
_HISTORIC = (
    Label("ADIR1", INT, 3, "A", "Warning: current over the setting, phase 1", phases=THREE),
    Label("ADIR2", INT, 3, "A", "Warning: current over the setting, phase 2", phases=THREE),
    Label("ADIR3", INT, 3, "A", "Warning: current over the setting, phase 3", phases=THREE),
    Label("ADCO", TEXT, 12, "", "Address of the meter (same number as ADSC)", form=DIGITS),
    Label("OPTARIF", TEXT, 4, "", "Tariff option: BASE, HC.., EJP., BBRx", form="BASE|HC[.][.]|EJP[.]|BBR[ -~]"),
    Label("ISOUSC", INT, 2, "A", "Subscribed current = PREF/200 V (three-phase: a third of it)"),
    Label("BASE", INT, 9, "Wh", "Index, Base option"),
    Label("HCHC", INT, 9, "Wh", "Index off-peak, HC option"),
    Label("HCHP", INT, 9, "Wh", "Index peak, HC option"),
    Label("EJPHN", INT, 9, "Wh", "Index normal hours, EJP option"),
    Label("EJPHPM", INT, 9, "Wh", "Index mobile peak hours, EJP option"),
    Label("BBRHCJB", INT, 9, "Wh", "Index off-peak, blue days, Tempo option"),
    Label("BBRHPJB", INT, 9, "Wh", "Index peak, blue days, Tempo option"),
    Label("BBRHCJW", INT, 9, "Wh", "Index off-peak, white days, Tempo option"),
    Label("BBRHPJW", INT, 9, "Wh", "Index peak, white days, Tempo option"),
    Label("BBRHCJR", INT, 9, "Wh", "Index off-peak, red days, Tempo option"),
    Label("BBRHPJR", INT, 9, "Wh", "Index peak, red days, Tempo option"),
    Label("PEJP", INT, 2, "min", "Notice of an EJP period, 30 min before"),
    Label("PTEC", TEXT, 4, "", "Tariff period in force", form="(TH|HC|HP|HN|PM)[.][.]|H[CP]J[BWR]"),
    Label("DEMAIN", TEXT, 4, "", "Colour of tomorrow: ---- BLEU BLAN ROUG", form="----|BLEU|BLAN|ROUG"),
    Label("IINST", INT, 3, "A", "Instantaneous RMS current", phases=SINGLE),
    Label("IINST1", INT, 3, "A", "Instantaneous RMS current, phase 1", phases=THREE),
    Label("IINST2", INT, 3, "A", "Instantaneous RMS current, phase 2", phases=THREE),
    Label("IINST3", INT, 3, "A", "Instantaneous RMS current, phase 3", phases=THREE),
    Label("ADPS", INT, 3, "A", "Warning: current over the subscribed one", phases=SINGLE),
    Label("IMAX", INT, 3, "A", "Maximum current called", phases=SINGLE),
    Label("IMAX1", INT, 3, "A", "Maximum current, phase 1", phases=THREE),
    Label("IMAX2", INT, 3, "A", "Maximum current, phase 2", phases=THREE),
    Label("IMAX3", INT, 3, "A", "Maximum current, phase 3", phases=THREE),
    Label("PMAX", INT, 5, "W", "Maximum three-phase power reached (yesterday, on a Linky)", phases=THREE),
    Label("PAPP", INT, 5, "VA", "Apparent power drawn"),
    Label("HHPHC", TEXT, 1, "", "Off-peak schedule: A C D E Y", form="[A-Z]"),
    Label("MOTDETAT", BITFIELD, 6, "", "Status word"),
    Label("PPOT", BITFIELD, 2, "", "Presence of the phases", phases=THREE),
)

LABELS: dict[Mode, dict[str, Label]] = {
    Mode.STANDARD: {label.name: label for label in _STANDARD},
    Mode.HISTORIC: {label.name: label for label in _HISTORIC},
}
ADDRESSES = ("ADSC", "ADCO")
"""The meter's serial number, in either mode: names a home."""
PERSONAL = (*ADDRESSES, "PRM")
