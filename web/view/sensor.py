"""What people call a sensor's facts."""

from web.view.say import say

CATEGORIES = {
    "main": say("main"),
    "submain": say("submain"),
    "sub": say("sub"),
    "special": say("special"),
}
KINDS = {"power": say("sensor, three phases"), "linky": say("Linky meter")}
UNITS = {"canonical": say("mW and mV"), "base": say("W and V")}
STATES = {"live": say("live"), "silent": say("silent"), "never": say("never heard")}
REGISTERED = {"new": say("new: had no token yet"), "active": say("active"), "revoked": say("revoked")}
