from collections.abc import Iterator

import pytest

from tests.services.certificates import Certificates, certificates_in
from tests.services.processes import Running


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def mail(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Running]:
    """A mail server that asks for STARTTLS."""
    files = ["--certificate", str(certificates.certificate), "--key", str(certificates.key)]
    with Running("mail", tmp_path_factory.mktemp("mail") / "taken", files) as server:
        yield server
