"""`xray-gate verify MODEL`: whether a signed verdict is about these bytes, and says they passed."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xray_gate.cli.exit_codes import ExitCode
from xray_gate.cli.local_model import local_model
from xray_gate.core.errors import InputError

if TYPE_CHECKING:
    from xray_gate.signing.verification import Verification

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@click.command()
@click.argument("model")
@click.option(
    "--attestation",
    required=True,
    type=click.Path(path_type=Path),
    help="The signed verdict: attestation.json of the scan.",
)
@click.option(
    "--trust",
    required=True,
    type=click.Path(path_type=Path),
    help="Which keys to trust: trust.json, a folder of such files, or a public key.",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    type=click.Path(path_type=Path),
    help="The policy that has to have decided: a file, or a folder for any of its policies.",
)
@click.option(
    "--policy-digest", "digests", multiple=True, help="The same by its digest, sha256:..."
)
@click.option("--resource", help="What the model has to have been called: models:/NAME/VERSION.")
@click.option("--max-age", help="The oldest verdict that counts: 30d, 12h or 5m.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
def verify(
    model: str,
    attestation: Path,
    trust: Path,
    policies: tuple[Path, ...],
    digests: tuple[str, ...],
    resource: str | None,
    max_age: str | None,
    output_format: str,
) -> int:
    """Check the files of MODEL against a signed verdict; needs no MLflow and no database.

    Exit codes: 0 these bytes passed, 1 bytes, verdict or policy do not match, 2 usage or
    unreadable input, 3 unsigned or too old, 4 a bug of ours.
    """
    from xray_gate.signing.dsse import MOST_BYTES
    from xray_gate.signing.statement import escaped_uri
    from xray_gate.signing.trust import read_trust
    from xray_gate.signing.verification import Expected
    from xray_gate.signing.verification import verify as verify_model
    from xray_gate.signing.wire import duration_of, read_bytes

    expected = Expected(
        policies=[*_digests_of(policies), *_checked(digests)],
        resource=None if resource is None else escaped_uri(resource),
        max_age=None if max_age is None else duration_of(max_age),
    )
    keys = read_trust(trust)
    envelope = read_bytes(attestation, MOST_BYTES, "signed verdict (attestation.json)")
    with local_model(model) as path:
        answer = verify_model(path, envelope, keys, expected, datetime.now(UTC))
    if not expected.policies:
        click.echo("note: any policy counts; name yours with --policy", err=True)
    told = _json(model, answer)
    click.echo(json.dumps(told, indent=2) if output_format == "json" else _text(told))
    return int(_code(answer))


def _digests_of(paths: tuple[Path, ...]) -> list[str]:
    if not paths:
        return []
    from xray_gate.policy.files import read_policies

    return [policy.digest for path in paths for policy in read_policies(path).policies]


def _checked(digests: tuple[str, ...]) -> list[str]:
    for digest in digests:
        if _DIGEST.fullmatch(digest) is None:
            raise InputError(f"{digest!r} is no digest; write sha256: and 64 hexadecimal digits")
    return list(digests)


def _code(answer: "Verification") -> ExitCode:
    from xray_gate.signing.verification import Fault

    if any(finding.fault is Fault.MISMATCH for finding in answer.findings):
        return ExitCode.FAILED
    return ExitCode.PASSED if answer.holds else ExitCode.UNDECIDED


def _json(model: str, answer: "Verification") -> dict[str, Any]:
    findings = [{"fault": item.fault.value, "text": item.text} for item in answer.findings]
    told: dict[str, Any] = {"verified": answer.holds, "model": model, "findings": findings}
    if answer.statement is None:
        return told
    summary = answer.statement.predicate
    return {
        **told,
        "digest": answer.statement.digest,
        "resource": summary.resourceUri,
        "verdict": summary.ours.verdict,
        "enforcement": summary.ours.enforcement,
        "policy": {
            "uri": summary.policy.uri,
            "digest": f"sha256:{summary.policy.digest.sha256}",
        },
        "signed_at": summary.timeVerified,
        "key_id": answer.key_id,
    }


def _text(told: dict[str, Any]) -> str:
    from xray_gate.report.visible import visible

    lines = [f"{'VERIFIED' if told['verified'] else 'NOT VERIFIED'}  {told['model']}"]
    lines += [f"  - {item['fault']}: {item['text']}" for item in told["findings"]]
    if "digest" in told:
        policy = told["policy"]
        lines += [
            f"resource  {told['resource']}",
            f"verdict   {told['verdict']}, {told['signed_at']}",
            f"policy    {policy['uri']} ({policy['digest']})",
            f"model     {told['digest']}",
            f"key       {told['key_id']}",
        ]
    return "\n".join(visible(line) for line in lines)
