"""What the rules must find in one sensor's seconds, worked out over whole lists, plainly and slowly.

Nothing of the product but its limits is used: no state goes from one second to the next but what a rule's words say.
"""

from collections.abc import Callable, Mapping

from streams.core.anomaly.limits import Limits

Probe = tuple[list[int], list[int], list[int]]
"""Power in mW, power factor in percent, voltage in mV (n, or one)."""

Seconds = Mapping[int, Mapping[int, Probe]]
"""By second and probe 1..3: the first copies."""

Found = tuple[str, int, int, int, int]
"""Rule, phase, start and end in µs, worst value."""

S = 1_000_000


def found(seconds: Seconds, limits: Limits, delay_ms: Mapping[int, int], conflicts: set[int], until_s: int) -> set[Found]:
    """Every interval that is over before `until_s`, up to which all is known."""
    if not seconds:
        return set()
    values = dict(limits.values())

    def contract_mw(t: int) -> float:
        return next((w for until_s, w in limits.earlier if t < until_s), limits.contracted_power_w) * 1000

    def floor_mw(t: int) -> float:
        return 0.05 * contract_mw(t) or 500_000

    span = range(min(seconds), until_s)
    power = {t: {p: sum(v[0]) // len(v[0]) for p, v in one.items()} for t, one in seconds.items()}
    volt = {t: {p: sum(v[2]) // len(v[2]) for p, v in one.items()} for t, one in seconds.items()}
    total = {t: sum(one.values()) for t, one in power.items()}
    out: set[Found] = set()

    def add(rule: str, runs: list[list[int]], worst: Callable[[list[int]], int], phase: int = 0) -> None:
        out.update((rule, phase, run[0] * S, (run[-1] + 1) * S, worst(run)) for run in runs)

    # Silence, and probes that are missing among the seconds that came.
    absent = [t for t in span if t not in seconds]
    silences = [run for run in _runs(absent, 0) if len(run) >= values["silence_s"] and run[-1] + 1 < until_s]
    add("silence", silences, len)
    for p in (1, 2, 3):
        known = False
        missing: list[int] = []
        for t in sorted(seconds):
            if p in seconds[t]:
                if len(missing) >= values["phase_missing_s"]:
                    add("phase_missing", [missing], len, p)
                known, missing = True, []
            elif known:
                missing.append(t)

    # Means of a second that stay beyond a limit.
    whole = [t for t in seconds if len(seconds[t]) == 3]
    uneven = {
        t: max(abs(3 * x - total[t]) for x in power[t].values()) * 1000 // total[t] for t in whole if total[t] > floor_mw(t)
    }
    _add_sustained(add, "load_imbalance", uneven, values, span)
    sums = {t: sum(volt[t].values()) for t in whole}
    off = {t: max(abs(3 * u - sums[t]) for u in volt[t].values()) for t in whole}
    _add_sustained(
        add, "voltage_imbalance", {t: off[t] * 1000 // sums[t] for t in whole if sums[t] and 2 * off[t] <= sums[t]}, values, span
    )
    factor = {}
    for t, one in seconds.items():
        apparent = sum(abs(power[t][p]) * 1000 // max(abs(10 * sum(v[1]) // len(v[1])), 1) for p, v in one.items())
        if total[t] > floor_mw(t) and apparent:
            factor[t] = sum(map(abs, power[t].values())) * 1000 // apparent
    _add_sustained(add, "low_pf", factor, values, span, low=True)
    back = {t: -x for t, x in total.items() if values["reverse_power_w"] and -x > values["reverse_power_w"] * 1000}
    add("reverse_power", _dense(_runs(sorted(back), 10), values["reverse_power_s"], span), lambda r: max(back[t] for t in r))

    _add_overloads(add, total, values, contract_mw, span)
    _add_peaks(add, total, values, contract_mw, span)

    same = [t for t in seconds if t - 1 in seconds and seconds[t] == seconds[t - 1]]
    stuck = [[run[0] - 1, *run] for run in _runs(sorted(same), 0)]
    add("stuck", [run for run in stuck if len(run) >= values["stuck_s"] and run[-1] + 1 < until_s], len)
    _add_clock(add, delay_ms, values, span)
    add("conflict", [run for run in _runs(sorted(conflicts), 60) if run[-1] + 61 < until_s], len)
    return out | _voltage(seconds, limits, values, until_s)


def _runs(times: list[int], join: int) -> list[list[int]]:
    """Times in order, apart where more than `join` others lie between."""
    runs: list[list[int]] = []
    for t in times:
        if runs and t - runs[-1][-1] <= join + 1:
            runs[-1].append(t)
        else:
            runs.append([t])
    return runs


def _dense(runs: list[list[int]], least_s: float, span: range, join: int = 10) -> list[list[int]]:
    """Runs that at one of their seconds were long enough and at least nine tenths full, and are over."""
    return [
        run
        for run in runs
        if run[-1] + join + 1 < span.stop
        and any(t + 1 - run[0] >= least_s and 100 * (k + 1) >= 90 * (t + 1 - run[0]) for k, t in enumerate(run))
    ]


def _add_sustained(
    add: Callable[..., None], rule: str, figure: dict[int, int], values: Mapping[str, float], span: range, *, low: bool = False
) -> None:
    sign = -1 if low else 1
    figure = {t: sign * x for t, x in figure.items()}
    start, end, least_s = sign * values[f"{rule}_pct"] * 10, sign * values[f"{rule}_end_pct"] * 10, values[f"{rule}_s"]
    times = sorted(figure)
    while times:
        # The easier limit holds from the second after the one at which the run counts.
        run: list[int] = []
        bound, counts, last_seen = start, False, None
        for t in [*times, times[-1] + 1000]:
            last_seen = t
            if run and t - run[-1] > 11:
                break
            if figure.get(t, -(10**9)) > bound:
                run.append(t)
                if run[-1] + 1 - run[0] >= least_s and 100 * len(run) >= 90 * (run[-1] + 1 - run[0]):
                    bound, counts = end, True
        if counts and run[-1] + 11 < span.stop:
            add(rule, [run], lambda r: sign * max(figure[t] for t in r))
        if not run:
            return
        times = [t for t in times if t > run[-1] + 10] if last_seen is not None else []


def _add_overloads(
    add: Callable[..., None], total: dict[int, int], values: Mapping[str, float], contract_mw: Callable[[int], float], span: range
) -> None:
    excess, since, opened, last, worst = 0.0, 0, -1, 0, 0
    for t in span:
        contract = contract_mw(t)
        limit, end = contract * values["overload_pct"] / 100, contract * values["overload_end_pct"] / 100
        window = [total[u] for u in range(t - 59, t + 1) if u in total]
        if not contract:  # nothing is too much
            if opened >= 0:
                add("overload", [[opened, last]], lambda _, w=worst: w)
            opened, excess = -1, 0.0
            continue
        if t in total:
            if excess == 0 and total[t] > limit:
                since = t
            excess = min(max(excess + total[t] - limit, 0), 60 * contract)
        if opened < 0 and len(window) >= 45 and sum(window) > limit * len(window) and excess > 0:
            opened, last, worst = since, t, 0
        if opened >= 0:
            worst = max(worst, sum(window) // len(window)) if window else worst
            last = t if total.get(t, 0) > limit else last
            if sum(window) <= end * len(window):
                add("overload", [[opened, last]], lambda _, w=worst: w)
                opened, excess = -1, 0.0
    for quarter in range(span.start // 900, span.stop // 900):
        inside = list(range(quarter * 900, quarter * 900 + 900))
        contract = contract_mw(inside[0])
        energy, ever = 0, False
        for t in inside:
            energy += total.get(t, 0)
            ever = ever or energy > contract * values["overload_pct"] / 100 * 900
        if contract and ever and quarter * 900 + 900 < span.stop:
            add("overload_quarter", [[inside[0], inside[-1]]], lambda _, w=energy // 900: w)


def _add_peaks(
    add: Callable[..., None], total: dict[int, int], values: Mapping[str, float], contract_mw: Callable[[int], float], span: range
) -> None:
    for quarter in range(span.start // 900, span.stop // 900 + 1):
        contract = contract_mw(quarter * 900)
        if not contract:
            continue
        limit, end = contract * values["peak_pct"] / 100, contract * values["peak_end_pct"] / 100
        so_far = [t for t in range(quarter * 900, quarter * 900 + 900) if t in total]
        forecast: dict[int, int] = {}
        for k, t in enumerate(so_far):
            last = [total[u] for u in range(t - 59, t + 1) if u in total]
            if k + 1 >= values["peak_after_s"] and len(last) >= 45:
                energy = sum(total[u] for u in so_far[: k + 1])
                forecast[t] = (energy + sum(last) // len(last) * (quarter * 900 + 899 - t)) // 900
        run: list[int] = []
        ended = []
        for t, expected in forecast.items():
            if expected > limit or (run and expected >= end):
                run.append(t)
            elif run:
                ended, run = [*ended, run], []
        if run and quarter * 900 + 900 < span.stop:
            ended.append(run)
        add("peak", ended, lambda r, f=forecast: max(f[t] for t in r))


def _add_clock(add: Callable[..., None], delay_ms: Mapping[int, int], values: Mapping[str, float], span: range) -> None:
    away = [t for t in sorted(delay_ms) if abs(delay_ms[t]) > values["clock_s"] * 1000]
    runs: list[list[int]] = []
    for t in away:
        near = runs and t - runs[-1][-1] <= 11
        spread = [delay_ms[u] for u in (*runs[-1], t)] if runs else []
        if near and max(spread) - min(spread) <= 2000:
            runs[-1].append(t)
        else:
            runs.append([t])
    over = range(span.start, span.stop + 1000)  # where another run follows, the one before it is over
    long = _dense(runs[:-1], values["clock_min_s"], over) + _dense(runs[-1:], values["clock_min_s"], span)
    add("clock", long, lambda r: max(abs(delay_ms[t]) for t in r))


def _voltage(seconds: Seconds, limits: Limits, values: Mapping[str, float], until_s: int) -> set[Found]:
    nominal = limits.nominal_voltage_v * 10
    events: dict[tuple[str, int], list[list[tuple[int, int, int]]]] = {}
    for rule, sign in (("sag", 1), ("swell", -1)):
        for p in (1, 2, 3):
            moments = [
                (t * S + k * S // len(v), t * S + (k + 1) * S // len(v), x)
                for t in sorted(seconds)
                if p in seconds[t]
                for v in [seconds[t][p][2]]
                for k, x in enumerate(v)
            ]
            bounds = sign * round(values[f"{rule}_pct"] * nominal), sign * round(values[f"{rule}_end_pct"] * nominal)
            events[rule, p] = _dips(moments, bounds, sign)
    gone = []
    for t in sorted(seconds):
        lists = [v[2] for v in seconds[t].values()]
        n = max(map(len, lists))
        gone += [(t * S + k * S // n, t * S + (k + 1) * S // n, max(v[k * len(v) // n] for v in lists)) for k in range(n)]
    bounds = round(values["interruption_pct"] * nominal), round(values["interruption_end_pct"] * nominal)
    events["interruption", 0] = _dips(gone, bounds, 1)
    out: set[Found] = set()
    outages = [(one[0][0], one[-1][1]) for one in events["interruption", 0]]
    for (rule, phase), every in events.items():
        for one in every:
            start, end = one[0][0], one[-1][1]
            if rule == "sag" and any(start < b + S and a < end + S for a, b in outages):
                continue
            if end + S <= until_s * S:
                out.add((rule, phase, start, end, max(x for *_, x in one) if rule == "swell" else min(x for *_, x in one)))
    return out


def _dips(moments: list[tuple[int, int, int]], bounds: tuple[int, int], sign: int) -> list[list[tuple[int, int, int]]]:
    """Moments below the first bound, up to the one that is not below the second; joined when less than 1 s lies between."""
    dips: list[list[tuple[int, int, int]]] = []
    inside = False
    before = None
    for at, until, value in moments:
        if before is not None and at != before:  # what lies between was not measured
            inside = False
        before = until
        inside = sign * value < bounds[1 if inside else 0]
        if inside:
            if dips and at - dips[-1][-1][1] < S:
                dips[-1].append((at, until, value))
            else:
                dips.append([(at, until, value)])
    return dips
