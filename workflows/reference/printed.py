"""What is printed and exported: the forms of forms.yaml with their columns."""

from collections.abc import Mapping
from importlib.resources.abc import Traversable

from pydantic import Field

from workflows.reference.reading import Titled, read_file

FILE = "forms.yaml"


class PrintedForm(Titled):
    """columns   headings in the order of the sheet, Chinese as offices use them
    required  those that must be filled before the form may be issued
    """

    columns: tuple[str, ...]
    required: tuple[str, ...] = Field(default=(), alias="req")


def read_forms(folder: Traversable) -> Mapping[str, PrintedForm]:
    file = read_file(folder, FILE, {"forms"})
    forms = file.coded("forms", PrintedForm)
    for code, form in forms.items():
        file.must_be_known("forms", code, form.required, form.columns, "required column")
        if len(set(form.columns)) != len(form.columns):
            file.refuse("forms", code, "two columns have the same heading", "Rename one")
    return forms
