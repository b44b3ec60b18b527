"""`trafficlake synth`, `deploy` and `destroy`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Annotated

import typer

from infra import console
from infra.cli.home import stage_named
from infra.errors import FailedError, UsageError

if TYPE_CHECKING:
    from infra.account import Account
    from infra.aws.stages import Stage

StageOption = Annotated[str, typer.Option(help="a stage of infra/aws/stages.py")]
YesOption = Annotated[bool, typer.Option("--yes", help="ask nothing; needs --account")]
AccountOption = Annotated[str, typer.Option(metavar="N", help="the only account that this may be done in")]

_STAYS = (
    "What holds data stays in the account and is paid for: buckets, streams, tables and keys. A later deploy of this "
    "stage cannot make them again under their names: import them, or choose another bucket_suffix and stage."
)


def synth(
    stage: StageOption,
    out: Annotated[Path, typer.Option(metavar="DIR", help="folder for templates and what is uploaded with them")],
) -> None:
    """Write the CloudFormation templates of a stage; no AWS account is needed.

    They are checked on the way: cdk-nag's rules of AwsSolutions, and CloudFormation's own schemas.

    Example: [bold]trafficlake synth --stage prod --out build/prod[/bold]
    """
    for template in _templates(stage_named(stage), out):
        console.out.print(str(template), soft_wrap=True)


def deploy(stage: StageOption, yes: YesOption = False, account: AccountOption = "") -> None:
    """Bring a stage to the AWS account of your credentials, or bring it up to date there. It costs money.

    It shows account, regions and stacks, and begins when you type the account's number. Each account and region needs
    [bold]cdk bootstrap[/bold] once; where it is missing, the command is shown. The first run fetches the CDK toolkit
    from npm. [bold]trafficlake plan[/bold] says what a city would cost.

    Example: [bold]AWS_PROFILE=city trafficlake deploy --stage prod[/bold]; in CI, where nobody types:
    [bold]trafficlake deploy --stage prod --yes --account 123456789012[/bold]
    """
    from infra import account as aws  # noqa: PLC0415 — brings boto3
    from infra.aws import toolkit  # noqa: PLC0415

    chosen, found = _enter_account(stage, account, yes)
    _refuse_placeholders(stage, chosen)
    with tempfile.TemporaryDirectory() as folder:
        _templates(chosen, Path(folder), found.id)
        stacks = toolkit.stacks_by_region(Path(folder))
        missing = [region for region in stacks if not aws.is_bootstrapped(region)]
        if missing:
            commands = "\n".join(toolkit.bootstrap_command(found.id, region) for region in missing)
            raise FailedError(f"{', '.join(missing)}: not prepared for the CDK. Once, as an administrator:\n{commands}")
        unfinished = {region: aws.unfinished_protected_stacks(region, names) for region, names in stacks.items()}
        if any(unfinished.values()):
            commands = "\n".join(lifting(unfinished))
            raise FailedError(
                "the first deployment of stacks failed, and they are protected against being deleted and made again. "
                f"Nothing was done. To lift that:\n{commands}"
            )
        confirm("deploy", stage, stacks, found, account if yes else None)
        toolkit.run("deploy", Path(folder), yes=yes)


def destroy(stage: StageOption, yes: YesOption = False, account: AccountOption = "") -> None:
    """Delete the stacks of a stage from the AWS account of your credentials.

    It shows account, regions and stacks, and begins when you type the account's number. Of a stage that keeps its data
    (keeps_data), buckets, streams, tables and keys stay, and its stacks are protected: the commands that lift the
    protection are shown, and nothing is done before you have used them.

    Example: [bold]AWS_PROFILE=city trafficlake destroy --stage test[/bold]
    """
    from infra import account as aws  # noqa: PLC0415 — brings boto3
    from infra.aws import toolkit  # noqa: PLC0415

    chosen, found = _enter_account(stage, account, yes)
    if chosen.keeps_data:
        console.err.print(_STAYS)
    with tempfile.TemporaryDirectory() as folder:
        _templates(chosen, Path(folder), found.id)
        stacks = toolkit.stacks_by_region(Path(folder))
        protected = {region: aws.protected_stacks(region, names) for region, names in stacks.items()}
        if any(protected.values()):
            commands = "\n".join(lifting(protected))
            raise FailedError(f"stacks are protected against deletion, and nothing was done. To lift that:\n{commands}")
        confirm("destroy", stage, stacks, found, account if yes else None)
        # Who typed the number of the account need not say yes for each stack.
        toolkit.run("destroy", Path(folder), yes=True)


def lifting(protected: dict[str, list[str]]) -> list[str]:
    """Return the commands that lift the protection of stacks, by region."""
    return [
        f"aws cloudformation update-termination-protection --no-enable-termination-protection --region {region} "
        f"--stack-name {name}"
        for region, names in protected.items()
        for name in names
    ]


def confirm(what: str, stage: str, stacks: dict[str, list[str]], found: Account, answer: str | None) -> None:
    """Raise UsageError unless the account's number is given, by `answer` or, where that is None, by a person.

    `stacks` are their names by region.
    """
    console.err.print(f"{what} stage [bold]{stage}[/bold] in account [bold]{found.id}[/bold] as {found.caller}")
    for region, names in stacks.items():
        console.err.print(f"{region}: {', '.join(names)}", style="dim")
    typed = typer.prompt("Type the account's number to go on", err=True) if answer is None else answer
    if typed.strip() != found.id:
        raise UsageError(f"{typed.strip()!r} is not the account of the credentials, {found.id}. Nothing was done.")


def _enter_account(name: str, account: str, yes: bool) -> tuple[Stage, Account]:
    """Return the stage and the account that the credentials lead to; raises UsageError where it is another."""
    from infra import account as aws  # noqa: PLC0415 — brings boto3

    aws.refuse_local_endpoint()
    if yes and not account:
        raise UsageError("--yes needs --account: what nobody confirms must say which account it is meant for.")
    chosen = stage_named(name)
    found = aws.current(chosen.city.region)
    if account and account != found.id:
        raise UsageError(f"the credentials are of account {found.id}, not of {account}. Nothing was done.")
    return chosen, found


def _refuse_placeholders(name: str, stage: Stage) -> None:
    """Raise UsageError while a stage has addresses of the example that it was delivered with."""
    told = [*stage.operator_emails]
    for route in stage.city.alert_routes:
        told += [*route.emails, route.webhook_url or ""]
    examples = [address for address in told if "example.org" in address]
    if examples:
        raise UsageError(
            f"{', '.join(examples)} belong to nobody: put addresses of your own into stage {name} of "
            "infra/aws/stages.py. Nothing was done."
        )


def _templates(stage: Stage, folder: Path, account: str | None = None) -> list[Path]:
    from infra.aws.app import synthesize  # noqa: PLC0415

    try:
        return synthesize(stage, folder, account)
    except (RuntimeError, CalledProcessError) as error:
        raise FailedError(str(error)) from error
