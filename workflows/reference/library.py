"""All reference files together, read once, every name in one checked against the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from workflows.reference.categories import Taxonomy, read_taxonomy
from workflows.reference.examples import Sample, read_samples
from workflows.reference.grading import Criteria, read_criteria
from workflows.reference.obligations import Obligations, read_obligations
from workflows.reference.organisation import Organisation, read_organisation
from workflows.reference.posts import Posts, read_posts
from workflows.reference.printed import PrintedForm, read_forms
from workflows.reference.scheme import Scheme, read_scheme
from workflows.reference.sheets import Checklists, read_checklists


@dataclass(frozen=True)
class Reference:
    taxonomy: Taxonomy
    organisation: Organisation
    scheme: Scheme
    criteria: Criteria
    checklists: Checklists
    samples: Mapping[str, Sample]
    forms: Mapping[str, PrintedForm]
    obligations: Obligations
    posts: Posts


def read_reference(folder: Traversable) -> Reference:
    """Reads the nine files of `folder`; raises ReferenceBroken at the first contradiction."""
    taxonomy = read_taxonomy(folder)
    organisation = read_organisation(folder, taxonomy)
    scheme = read_scheme(folder, taxonomy, organisation)
    criteria = read_criteria(folder, taxonomy)
    return Reference(
        taxonomy=taxonomy,
        organisation=organisation,
        scheme=scheme,
        criteria=criteria,
        checklists=read_checklists(folder, taxonomy, organisation, scheme),
        samples=read_samples(folder, taxonomy, organisation, scheme, criteria),
        forms=read_forms(folder),
        obligations=read_obligations(folder, organisation),
        posts=read_posts(folder, organisation),
    )


@cache
def reference() -> Reference:
    """What the package ships with, read at the first call."""
    return read_reference(files("workflows.reference"))
