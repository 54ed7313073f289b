"""The words by which people name columns, waves and arms, in English and German; compared as `words` writes them."""

import re

from app.imports.reading.lookup import fold

PEOPLE: dict[str, tuple[str, ...]] = {
    "participant": (
        *("participant", "participant_id", "pseudonym", "record_id", "respondent", "respondent_id", "subject"),
        *("subject_id", "study_id", "code", "study_code", "person", "person_id", "who", "id"),
        *("teilnehmer", "teilnehmer_id", "teilnehmercode", "personencode", "proband", "probanden_id", "kürzel"),
        *("kuerzel", "kennung", "studien_id", "studiencode"),
    ),
    "unit": (
        *("unit_id", "unit", "team", "ward", "clinic", "department", "site", "practice"),
        *("station", "abteilung", "klinik", "einheit", "bereich", "standort", "praxis"),
    ),
    "arm": (
        *("arm", "study_arm", "group", "study_group", "treatment_group", "condition", "allocation"),
        *("gruppe", "studienarm", "studiengruppe", "behandlungsgruppe", "bedingung", "zuteilung"),
    ),
    "date": ("collected_on", "date", "survey_date", "datum", "erhoben_am", "ausgefüllt_am"),
}
OWN_UNIT = frozenset({"unit_id", "unit"})
MEASURE = ("measure",)
WAVE = ("wave", "time", "timepoint", "time_point", "visit", "welle", "zeitpunkt", "messzeitpunkt", "erhebung")
VALUE = ("value", "score", "answer", "result", "wert", "punktwert", "antwort", "ergebnis")
EVENT = ("redcap_event_name", "event_name")
NEUTRAL = {
    *("score", "total", "sum", "mean", "value", "scale", "points", "survey", "questionnaire", "assessment"),
    *("summe", "gesamt", "gesamtwert", "mittelwert", "wert", "punktwert", "summenwert", "skala", "punkte"),
    *("befragung", "fragebogen", "messung", "erhebung"),
}
"""Words beside a measure or a wave that tell no other one."""
ARMS = (
    {
        *("control", "control_group", "cg", "waitlist", "wait_list", "waiting_list", "usual_care", "comparison"),
        *("kontrolle", "kontrollgruppe", "kg", "warteliste", "wartegruppe", "vergleich", "vergleichsgruppe"),
    },
    {
        *("intervention", "intervention_group", "interventionsgruppe", "ig", "treatment", "treatment_group"),
        *("treated", "behandlung", "behandlungsgruppe"),
    },
)
"""What the same arm is called."""


def words(name: str) -> str:
    """A name as keys are written: MBI EE pre is mbi_ee_pre."""
    return "_".join(re.findall(r"[^\W_]+", fold(name)))


def without_neutral(name: str) -> str:
    """Words without those that tell nothing."""
    return "_".join(word for word in name.split("_") if word not in NEUTRAL)
