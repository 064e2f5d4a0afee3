"""`python -m tests.services KIND --port N --log FILE`: one service in a process of its own, until it is killed.

Prints its port once it listens. What it takes is appended to the log, a line of JSON each with `at`, `account`, `key` and
`body`, before it answers; what it refuses to FILE.refused, with the code as `body`. Started again on the same log it knows
what it took. POST /-/then with `[{"kind": "status", "code": 500}]` says what befalls the next requests (serving.Fault).
"""

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from tests.services import mail
from tests.services.dingtalk import DingTalk
from tests.services.feishu import Feishu
from tests.services.gateway import Gateway
from tests.services.hooks import Hooks
from tests.services.serving import Service
from tests.services.wecom import WeCom

#: kind → what it is, and what `--account` names there
KINDS: Mapping[str, tuple[Callable[..., Service], str | None]] = {
    "wecom": (WeCom, "robots"),
    "wecom_app": (WeCom, "users"),
    "dingtalk": (DingTalk, "tokens"),
    "feishu": (Feishu, "robots"),
    "sms": (Gateway, None),
    "webhook": (Hooks, None),
}


@click.command(help=__doc__)
@click.argument("kind", type=click.Choice([*KINDS, "mail"]))
@click.option("--port", type=int, default=0, help="0 takes a free one")
@click.option("--log", type=click.Path(path_type=Path), help="What was taken")
@click.option(
    "--account", "accounts", multiple=True, help="A robot's key, or a user of the application; as many as there are"
)
@click.option("--failing", type=float, default=0.0, help="Share of requests answered with an error that goes away")
@click.option("--seed", type=int, default=0, help="Which ones")
@click.option("--certificate", type=click.Path(path_type=Path), help="mail: the server's certificate")
@click.option("--key", type=click.Path(path_type=Path), help="mail: and its key")
@click.option("--user", default="safety@school.example", help="mail: who signs in")
@click.option("--password", default="mail-password", help="mail: and by which password")
@click.option("--implicit", is_flag=True, help="mail: encrypted from the first byte, instead of STARTTLS")
def main(
    kind: str,
    port: int,
    log: Path | None,
    accounts: tuple[str, ...],
    failing: float,
    seed: int,
    certificate: Path | None,
    key: Path | None,
    user: str,
    password: str,
    implicit: bool,
) -> None:
    if kind == "mail":
        if certificate is None or key is None:
            raise click.UsageError("A mail server is encrypted. Give --certificate and --key.")
        mail.serve(
            port=port, log=log, certificate=certificate, key=key, user=user, password=password, implicit=implicit
        )
        return
    made, named = KINDS[kind]
    more: dict[str, Any] = {named: accounts} if named and accounts else {}
    with made(port=port, log=log, failing=failing, seed=seed, **more) as service:
        click.echo(str(service.port))
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
