"""Which posteriors an effect needs: a prior on δ and a bias each, by name. No computation here."""

from typing import Final

from analysis.designs.prepared import Prepared
from analysis.documents import Plan, Role
from analysis.grade import Grade
from analysis.priors import ENTHUSIASTIC as ENTHUSIASTIC_PRIOR
from analysis.priors import FLAT, NO_BIAS, Bias, Run, borrowing, effect_prior, normal
from analysis.priors import SCEPTICAL as SCEPTICAL_PRIOR

OBSERVED: Final = "as_observed"
ADJUSTED: Final = "adjusted"
SCEPTICAL: Final = "sceptical"
ENTHUSIASTIC: Final = "enthusiastic"
EVIDENCE: Final = "evidence"
PLAIN: Final = "without_borrowing"


def runs_of(plan: Plan, prepared: Prepared, graded: Grade) -> list[Run]:
    """Every posterior an effect needs: prior and bias."""
    measure, priors = prepared.measure, plan.priors
    mean, sd = graded.bias(objective=measure.objective, balancing=measure.role is Role.BALANCING)
    bias = Bias(mean, sd)
    plain = effect_prior(priors)
    lent = priors.borrow is not None and measure.role is Role.PRIMARY
    main = borrowing(priors.borrow) if lent and priors.borrow is not None else plain
    runs = [
        Run(OBSERVED, main, NO_BIAS),
        Run(ADJUSTED, main, bias),
        Run(SCEPTICAL, normal(SCEPTICAL_PRIOR), bias),
        Run(ENTHUSIASTIC, normal(ENTHUSIASTIC_PRIOR), bias),
    ]
    if bounded(prepared):
        runs.append(Run(EVIDENCE, FLAT, NO_BIAS, intercept=0.0))
    if lent:
        runs.append(Run(PLAIN, plain, bias))
    return runs


def bounded(prepared: Prepared) -> bool:
    """Whether a flat prior on the effect gives a posterior: not where an arm has no event or nothing else."""
    return bool(getattr(prepared.inputs, "bounded", True))
