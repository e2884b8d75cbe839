"""`xray-gate hook`: what pre-commit calls with the files of a commit."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from xray_gate.cli.exit_codes import ExitCode
from xray_gate.cli.foreign import echo, one_line
from xray_gate.cli.policy import check as check_command
from xray_gate.cli.policy import test as test_command
from xray_gate.cli.scan import scan as scan_command
from xray_gate.core.errors import InputError, PolicyError, ScanError
from xray_gate.core.verdict import Enforcement, Place

_FILES = click.argument("files", nargs=-1, type=click.Path(path_type=Path))


class AfterDashes(click.Command):
    """Options, then `--`, then files: a file of a commit may be named like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse files without the dashes before them: one could switch a check off."""
        asks_for_help = args in (["--help"], ["-h"])
        if "--" not in args and args and not asks_for_help:
            raise click.UsageError(
                "files come after `--`; where a hook's `args` are set, end them with it", ctx
            )
        before = args[: args.index("--")] if "--" in args else args
        given, _, _ = self.make_parser(ctx).parse_args(list(before))
        files = given.get("files")
        # click puts a marker where there is none.
        if isinstance(files, tuple) and files:
            raise click.UsageError(f"`{one_line(files[0])}` stands before `--`", ctx)
        return super().parse_args(ctx, args)


@click.group()
def hook() -> None:
    """Check the files of a commit; made for pre-commit, and end with anything but 0 to block it."""


@hook.command(name="no-pickle", cls=AfterDashes)
@_FILES
def no_pickle(files: tuple[Path, ...]) -> int:
    """Refuse pickles, whatever they are named and packed in; 1 for a pickle, 3 for what is hidden.

    What cannot be looked into (other archives than zip, broken ones) is hidden.
    """
    from xray_gate.scan.ports import FileRules
    from xray_gate.static_checks.pickled import require_no_pickle

    def look(path: Path) -> None:
        # Git keeps a link's text, and of a submodule the commit, and not what they lead to.
        if not path.is_symlink() and not path.is_dir():
            require_no_pickle(path, FileRules())

    return _worst(_each(files, look))


@hook.command(cls=AfterDashes)
@click.option("--policy", "policy_path", type=click.Path(path_type=Path), help="To scan by.")
@click.option("--probes", type=click.Path(path_type=Path), help="Clean labelled samples.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@_FILES
@click.pass_context
def model(
    context: click.Context,
    policy_path: Path | None,
    probes: Path | None,
    device: str,
    files: tuple[Path, ...],
) -> int:
    """Look at the files of changed models, and scan them where probes are given.

    Models are .onnx, .pt2, .pt, .pth and .torchscript files and MLflow folders. Without --probes,
    or a --policy that names some, no model is opened. Ends 1 for a suspected backdoor and 3 for
    what must not be opened, or could not be decided. Under a policy whose mode at `pre_commit` is
    `warn` or `audit` a verdict is told and does not block, and under `off` nothing is scanned; what
    must not be opened blocks all the same.
    """
    from xray_gate.cli.changed_models import changed_models

    models = changed_models(files)
    if not models:
        return int(ExitCode.PASSED)
    from xray_gate.policy.files import read_policy
    from xray_gate.scan.opening import file_rules
    from xray_gate.scan.ports import FileRules
    from xray_gate.static_checks.check import check_files

    policy = None if policy_path is None else read_policy(policy_path)
    rules = FileRules() if policy is None else file_rules(policy)
    has_probes = probes is not None or (
        policy is not None and (policy.probes or policy.probes_uri) is not None
    )
    mode = Enforcement.ENFORCE if policy is None else policy.document.mode(Place.PRE_COMMIT)
    blocks, scans = mode is Enforcement.ENFORCE, mode is not Enforcement.OFF and has_probes

    def look(path: Path) -> int | None:
        check_files(path, rules)
        if not scans:
            return None
        # A path that begins like an address of MLflow's is a path all the same.
        text = str(path) if path.is_absolute() else f"./{path}"
        asked = {"model": text, "policy_path": policy_path, "probes": probes}
        code: int = context.invoke(scan_command, device=device, **asked)
        if not blocks and code in (ExitCode.FAILED, ExitCode.UNDECIDED):
            told = f"{one_line(path)}: the mode at pre_commit is {mode}, so this blocks no commit"
            click.echo(told, err=True)
            return None
        return code

    return _worst(_each(models, look))


@hook.command(cls=AfterDashes)
@click.option(
    "--findings",
    type=click.Choice(["block", "tell"]),
    default="block",
    show_default=True,
    help="Whether findings of `policy check` block, as of a policy under audit; errors always do.",
)
@_FILES
@click.pass_context
def policy(context: click.Context, findings: str, files: tuple[Path, ...]) -> int:
    """Check changed policies and judge their declared results.

    A changed calibration, evidence or file of declared results counts as its policy.
    """
    from xray_gate.cli.changed_policies import places_to_check

    places = places_to_check(files)
    if not places:
        return int(ExitCode.PASSED)
    from xray_gate.policy.declared import has_cases
    from xray_gate.policy.files import read_policies

    def look(path: Path) -> int | None:
        read_policies(path)
        found: int = context.invoke(check_command, paths=(path,))
        code = found if findings == "block" else int(ExitCode.PASSED)
        if has_cases(path):
            tested: int = context.invoke(test_command, paths=(path,))
            code = code or tested
        return code

    return _worst(_each(places, look))


def _each(paths: Iterable[Path], look: Callable[[Path], int | None]) -> Iterator[int]:
    """The exit code of each path; what is wrong with it is told."""
    from xray_gate.static_checks.pickled import Pickled

    for path in paths:
        try:
            yield look(path) or int(ExitCode.PASSED)
        except Pickled as error:
            yield _told(path, error, ExitCode.FAILED)
        except PolicyError as error:
            yield _told(None, error, ExitCode.FAILED)
        except ScanError as error:
            yield _told(path, error, ExitCode.UNDECIDED)
        except InputError as error:
            yield _told(path, error, ExitCode.USAGE)


def _told(path: Path | None, error: Exception, code: ExitCode) -> int:
    place = "" if path is None else f"{one_line(path)}: "
    for line in str(error).splitlines():
        echo(f"{place}{line}")
    return int(code)


def _worst(codes: Iterable[int]) -> int:
    """A suspicion first, then what is undecided, then what could not be read."""
    order = (ExitCode.FAILED, ExitCode.UNDECIDED, ExitCode.USAGE)
    found = set(codes)
    # What is none of these is no pass either.
    return int(next((code for code in order if code in found), max(found, default=0)))
