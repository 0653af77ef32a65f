"""What is counted of messages to receivers."""

from prometheus_client import Counter, Gauge

ATTEMPTS = Counter("powermon_notify_attempts", "Attempts to send a message", ["channel", "outcome"])
GIVEN_UP = Counter("powermon_notify_given_up", "Messages that a receiver never took", ["channel"])
WAITING = Gauge("powermon_notify_waiting", "Messages that are due or held for a summary")
ACTIVE = Gauge("powermon_notify_active", "1: this process tells the receivers; 0: another one does, or none")
FAILURES = Counter("powermon_notify_failures", "Times the notifier failed and began anew")
