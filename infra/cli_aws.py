"""`trafficlake synth`."""

from pathlib import Path
from subprocess import CalledProcessError
from typing import Annotated

import typer

from infra import console
from infra.errors import FailedError, UsageError


def synth(
    stage: Annotated[str, typer.Option(help="a stage of infra/aws/stages.py")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="folder for templates and what is uploaded with them")],
) -> None:
    """Write the CloudFormation templates of a stage; no AWS account is needed.

    They are checked on the way: cdk-nag's rules of AwsSolutions, and CloudFormation's own schemas.

    Example: [bold]trafficlake synth --stage prod --out build/prod[/bold]
    """
    # Imported here: it starts Node, and takes a second.
    from infra.aws.app import synthesize  # noqa: PLC0415
    from infra.aws.stages import STAGES  # noqa: PLC0415

    if stage not in STAGES:
        raise UsageError(f"there is no stage {stage}; infra/aws/stages.py has {', '.join(STAGES)}.")
    try:
        templates = synthesize(STAGES[stage], out)
    except (RuntimeError, CalledProcessError) as error:
        raise FailedError(str(error)) from error
    for template in templates:
        console.out.print(str(template), soft_wrap=True)
