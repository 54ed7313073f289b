"""Design `its`: the months of one group before and after a start, with or without a control series."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.designs.definitions import changed, segments
from analysis.designs.monthly import Monthly, points_by_arm, together
from analysis.designs.prepared import Note, Prepared, Question
from analysis.designs.series_inputs import MOST_MONTHS, NAMES, Calendar, Months, Series, SeriesCounts
from analysis.documents import Family, Point
from analysis.errors import Refused

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

KAPPA_LOG = 0.70
"""One SD unit on the log scale: the usual SD of log values between people."""
LEAST, SEASON_FROM = 8, 24
"""Points before and after that a series needs, and those before the start from which a season is fitted."""
PRIORS = {"level": 1.0, "trend": 0.5, "ramp": 0.5, "season": 0.25, "control": 0.5, "definition": 1.0}
"""SDs of the coefficients' priors, SD units (trend and ramp a year); the slope on the control series is about 1."""
FEWEST_EVENTS = 5
"""Events on both sides of the start below which a count tells nothing but its prior."""


def duration(question: Question) -> Prepared:
    """Monthly durations: normal on the log scale."""
    return _prepared(question)


def count(question: Question) -> Prepared:
    """Monthly events over an exposure: Poisson about a rate that wanders from month to month."""
    return _prepared(question)


@dataclass(frozen=True, slots=True)
class Span:
    """Months since the start: the first after the phase-in, and the window, both ends in it."""

    after: float
    window: tuple[float, float]

    def phase_in(self, t: Whole) -> Flags:
        """Which months lie in the phase-in."""
        return np.asarray((t >= 0) & (t < self.after))

    def within(self, t: Whole) -> Flags:
        """Which months lie in the window."""
        return np.asarray((t >= self.window[0]) & (t <= self.window[1]))


def _prepared(question: Question) -> Prepared:
    plan = question.plan
    arms = points_by_arm(question)
    notes = _exposure_notes(question)
    treated, more = _group(question, arms, plan.treated)
    notes += more
    span = _span(question, treated)
    control, more = _control(question, arms, treated, span)
    notes += more
    fitted = ~span.phase_in(treated.t)
    if control is not None:
        fitted &= np.isin(treated.t, control.t)
    t = treated.t[fitted]
    both = [
        (treated.definition[i], control and control.definition[control.at(treated.t[i])])
        for i in np.flatnonzero(fitted)
    ]
    of = segments(question, t, both)
    notes += changed(question, t, of)
    shown = fitted | span.phase_in(treated.t)
    if control is not None:
        shown &= np.isin(treated.t, control.t)
    calendar, places = _calendar(question, treated, control, span, shown, t, of)
    _require_variation(question, calendar)
    inputs = _inputs(question, treated, calendar, places)
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=None,
        n={plan.treated: len(t)} | ({str(plan.control): len(t)} if control is not None else {}),
        warnings=tuple(notes),
        beside={
            "comparison": "interrupted time series, " + ("with" if control is not None else "without") + " a control",
            "n_counts": "months before the start and after the phase-in",
        },
        controlled=control is not None,
        raw_unit="events per unit of exposure" if calendar.counts else None,
        percent_per_sd=None if calendar.counts else calendar.scale,
    )


# --- which months, of which units ---------------------------------------------------------------------------------


def _exposure_notes(question: Question) -> list[Note]:
    """Whether a count's exposure is known: of all its months, or of none with a warning."""
    points = question.data.series or []
    missing = sum(p.exposure is None for p in points)
    if question.measure.family is not Family.COUNT or not missing:
        return []
    if missing < len(points):
        raise Refused(
            "exposure_missing",
            f"{question.measure.measure}: {missing} of {len(points)} months have no exposure, the others have one.",
            "Give the exposure of every month (clinician-days, visits), or of none if it never changed.",
        )
    message = "No exposure is given: every month counts as one, as if what the events are counted over never changed."
    return [Note("exposure_missing", message, question.measure.measure)]


def _group(question: Question, arms: dict[str, dict[str, dict[int, Point]]], arm: str) -> tuple[Monthly, list[Note]]:
    """The series of the treated group, and what was left out of it."""
    name, plan = question.measure.measure, question.plan
    units = arms.get(arm)
    if not units:
        raise Refused(
            "arm_empty",
            f"{name}: arm {arm!r} has no data.",
            "Enter its months: at least eight before the start and eight after the phase-in.",
        )
    months = sorted(set().union(*units.values()))
    span = [t for t in months if t < 0 or t >= (plan.phase_in_months or 0)]
    _require_points(question, span)
    notes = []
    if len(span) > MOST_MONTHS:
        message = f"The last {MOST_MONTHS} months are used of {len(span)}; what is older says little of a trend today."
        notes = [Note("months_left_out", message, name)]
        span = span[-MOST_MONTHS:]
        _require_points(question, span)
    series = together(question, units, span, f"arm {arm!r}")
    if series is None:
        raise Refused(
            "units_incomplete",
            f"{name}: no unit of arm {arm!r} has all of the months that its units have together.",
            "Enter the missing months, or the series of the group as a whole (without units).",
        )
    keep = int((series.t >= span[0]).sum())
    return series.last(keep), [*notes, *series.notes]


def _require_points(question: Question, span: list[int]) -> None:
    before, after = sum(t < 0 for t in span), sum(t >= 0 for t in span)
    if before >= LEAST and after >= LEAST:
        return
    help_ = (
        "t counts months from the start: −1 is the last month before it, 0 the first with it. " if not before else ""
    )
    raise Refused(
        "too_few_points",
        f"{question.measure.measure}: {before} months before the start and {after} after the phase-in; a trend and "
        f"what differs from it need {LEAST} and {LEAST}.",
        f"{help_}Collect or enter more months; {SEASON_FROM} before the start also tell a season.",
    )


def _span(question: Question, treated: Monthly) -> Span:
    """Phase-in and window of the plan; `Refused` where they do not fit each other or the data."""
    plan, name = question.plan, question.measure.measure
    after, last = float(plan.phase_in_months or 0), float(treated.t[-1])
    if plan.window is None:
        return Span(after, (after, last))
    if len(plan.window) != 2 or plan.window[0] > plan.window[1] or plan.window[0] < after:  # noqa: PLR2004
        raise Refused(
            "window_invalid",
            f"{name}: the window {plan.window} is no span of months after a phase-in of {after:g}.",
            "Give [from, to] in months since the start, both included, from the end of the phase-in on.",
        )
    window = (plan.window[0], plan.window[1])
    span = Span(after, window)
    if window[1] > last or not span.within(treated.t).any():
        raise Refused(
            "window_beyond_data",
            f"{name}: the window reaches from month {window[0]:g} to {window[1]:g}; the last one entered is {last:g}.",
            "Wait for the months of the window, or plan a shorter one; it cannot be judged before it is over.",
        )
    return span


def _control(
    question: Question, arms: dict[str, dict[str, dict[int, Point]]], treated: Monthly, span: Span
) -> tuple[Monthly | None, list[Note]]:
    """The control series where there is one long enough beside the treated one; else why not."""
    plan, name = question.plan, question.measure.measure
    if plan.control is None:
        return None, []
    units = arms.get(plan.control, {})
    common = sorted(set().union(*units.values()) & set(treated.t[~span.phase_in(treated.t)].tolist())) if units else []
    before, after = sum(t < 0 for t in common), sum(t >= 0 for t in common)
    short = f"has {before} months before the start and {after} after the phase-in beside the treated series"
    series = None
    if before >= LEAST and after >= LEAST and span.within(np.array(common)).any():
        series = together(question, units, common, f"arm {plan.control!r}")
        short = "has no unit with every month"
    if series is None:
        message = (
            f"The control series {plan.control!r} {short}; it takes {LEAST} and {LEAST}. It is left out, and the grade "
            "is that of a series without control."
        )
        return None, [Note("control_left_out", message, name)]
    notes = list(series.notes)
    if lost := int((~span.phase_in(treated.t)).sum()) - len(common):
        message = f"{lost} months have no value of the control series and are left out."
        notes.append(Note("months_left_out", message, name))
    return series, notes


# --- columns and scales -------------------------------------------------------------------------------------------


def _calendar(
    question: Question,
    treated: Monthly,
    control: Monthly | None,
    span: Span,
    shown: Flags,
    t: Whole,
    of: Whole,
) -> tuple[Calendar, tuple[int, ...]]:
    """All months shown with the columns of their expectation, and which of `NAMES` these are."""
    counts = question.measure.family is Family.COUNT
    kappa = question.measure.reference_sd or KAPPA_LOG
    months, value, exposure = treated.t[shown], treated.value[shown], treated.exposure[shown]
    fitted = np.isin(months, t)
    # A month of the phase-in has the level of the months before the start.
    segment = np.where(months < span.after, of[np.searchsorted(t, np.minimum(months, t[t < 0][-1]))], 0)
    segment[fitted] = of
    started, year = months >= span.after, months / 12
    before = fitted & (months < 0)
    columns = {
        "level": np.ones(len(months)),
        "trend": year - year[before].mean(),
        "ramp": started * (year - year[span.within(months) & fitted].mean()),
    }
    if before.sum() >= SEASON_FROM:
        turns = [(h, 2 * math.pi * h * year) for h in (1, 2)]
        columns |= {f"season_{part.__name__}_{h}": part(at) for h, at in turns for part in (np.cos, np.sin)}
    raw = np.full(len(months), np.nan)
    if control is not None:
        at = control.at(months)
        raw = control.value[at] / control.exposure[at] if counts else control.value[at]
        log_value = np.log((control.value[at] + 0.5) / control.exposure[at]) if counts else np.log(raw)
        columns["control"] = question.sign / kappa * _about_before(log_value, segment, before)
    columns |= {f"definition_{s + 1}": (segment == s).astype(float) for s in range(1, int(of[-1]) + 1)}
    columns["total"] = started.astype(float)
    observed = value / exposure if counts else value
    centre = math.log((value[before].sum() or 0.5) / exposure[before].sum()) if counts else np.log(value[before]).mean()
    calendar = Calendar(
        t=months.astype(float),
        observed=observed,
        exposure=exposure,
        control=raw,
        columns=np.stack(list(columns.values()), axis=1),
        fitted=fitted,
        phase_in=span.phase_in(months),
        window=span.within(months),
        centre=float(centre),
        scale=question.sign * kappa,
        counts=counts,
    )
    return calendar, tuple(NAMES.index(name) for name in columns)


def _about_before(values: Array, segment: Whole, before: Flags) -> Array:
    """Values about their mean before the start, in each segment; about its own mean where a segment begins later."""
    found = values.copy()
    for s in np.unique(segment):
        mine = segment == s
        base = mine & before if (mine & before).any() else mine
        found[mine] -= values[base].mean()
    return found


def _inputs(question: Question, treated: Monthly, calendar: Calendar, places: tuple[int, ...]) -> Series | SeriesCounts:
    columns, t = calendar.columns[calendar.fitted], calendar.t[calendar.fitted]
    gaps = np.diff(t, prepend=t[0])
    prior = [(float(NAMES[p] == "control"), PRIORS[NAMES[p].split("_")[0]] ** -2) for p in places[:-1]]
    months = Months(gaps, columns, np.array(prior), places, question.plan.priors.sigma.scale, calendar)
    if not calendar.counts:
        return Series((np.log(calendar.observed[calendar.fitted]) - calendar.centre) / calendar.scale, months)
    events = treated.value[np.isin(treated.t, t)]
    offset = np.log(calendar.exposure[calendar.fitted]) + calendar.centre
    return SeriesCounts(events, offset, calendar.scale, months)


def _require_variation(question: Question, calendar: Calendar) -> None:
    """Refuse durations that never vary about their line, and events too few to tell anything."""
    name, observed, t = question.measure.measure, calendar.observed[calendar.fitted], calendar.t[calendar.fitted]
    if calendar.counts:
        events = observed * calendar.exposure[calendar.fitted]
        before, after = events[t < 0].sum(), events[t >= 0].sum()
        if before < FEWEST_EVENTS and after < FEWEST_EVENTS:
            raise Refused(
                "too_few_events",
                f"{name}: {before:.0f} events before the start and {after:.0f} after it; so few tell nothing but the "
                "prior.",
                "Count over more people or more months, or count something more frequent.",
            )
        return
    y = np.log(observed) - np.log(observed).mean()
    left = y - calendar.columns[calendar.fitted] @ np.linalg.lstsq(calendar.columns[calendar.fitted], y, rcond=None)[0]
    if np.ptp(y) < 1e-9 or np.sqrt(np.mean(left**2)) < 1e-7 * abs(calendar.scale):  # noqa: PLR2004
        raise Refused(
            "no_variation",
            f"{name}: the months do not vary about their line; a model would call the effect certain.",
            "Check that each month has its own value, as measured and not as smoothed or interpolated.",
        )
