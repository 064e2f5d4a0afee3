import pytest
from pydantic import Field, SecretStr, ValidationError

from engine.errors import Text
from notifications.channels import Account, TransportError
from notifications.channels.forms import Form, described, labels


class AForm(Form):
    """What a robot might need."""

    key: SecretStr = Field(description=described("密钥", "Key"))
    sign: SecretStr | None = Field(None, description=described("加签", "Signature"))
    port: int = Field(25, description=described("端口", "Port"))


def an_account(**given: str) -> Account:
    return Account("school", "1", "robot", settings={"port": 26}, secrets=given)


def test_a_form_is_taken_apart_into_what_may_be_shown_and_what_may_not() -> None:
    form = AForm(key=SecretStr("k3y"), port=26)
    assert (form.settings(), form.secrets()) == ({"port": 26}, {"key": "k3y"})
    assert AForm.secret_fields() == {"key", "sign"}
    assert AForm.of(an_account(**form.secrets())) == form


def test_an_account_shows_no_secret() -> None:
    assert "k3y" not in repr(an_account(key="k3y"))


def test_an_account_that_no_longer_fits_its_form_names_the_fields_and_shows_nothing() -> None:
    with pytest.raises(TransportError) as refused:
        AForm.of(an_account(sign="k3y", colour="k3y"))
    assert refused.value.answer == "the channel is not set up as it has to be: colour, key"
    assert (refused.value.sort, refused.value.concerns) == ("give_up", "channel")
    assert refused.value.__suppress_context__, "pydantic would show what was typed in"


def test_what_was_typed_in_is_not_shown_when_it_is_refused() -> None:
    with pytest.raises(ValidationError) as refused:
        AForm.model_validate({"key": ["k3y"]})
    assert "k3y" not in str(refused.value)


def test_every_field_has_a_label_in_both_languages() -> None:
    assert labels(AForm)["key"] == Text("密钥", "Key")
