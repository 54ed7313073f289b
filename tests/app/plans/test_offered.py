"""What a plan warns of is what the library refuses."""

from analysis.designs import OFFERED as IN_LIBRARY
from app.plans.rules import OFFERED


def test_the_service_offers_what_the_library_offers() -> None:
    assert set(IN_LIBRARY) == OFFERED
