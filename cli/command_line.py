"""The command line: load a command, run it, and print each error as one line."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from cli.error_report import EXIT_FAILED, EXIT_USAGE, USAGE_ERRORS, error_lines
from runtime.telemetry.logs import log_failure

# The help texts stand here, since listing the commands must not import Faust and FastAPI.
COMMANDS = {
    "up": "Run the whole system on this machine, with embedded services.",
    "ingest": "Role: MQTT to the log.",
    "stream": "Role: observations to state.",
    "historian": "Role: the log to the database.",
    "api": "Role: HTTP and the page.",
    "alerting": "Role: alarms to people on duty.",
    "outlets": "Role: MQTT out and webhooks.",
    "simulate": "Virtual devices that publish to MQTT.",
    "replay": "Play recorded feeds to MQTT.",
    "migrate": "Bring the database schema up to date.",
    "topics": "Create the topics of the log, and accounts of the roles at Kafka.",
    "check": "Validate a city folder and list all faults.",
    "apply": "Bring a city folder into the database.",
    "export": "Write the city in the database as a city folder.",
    "backtest": "Evaluate a rule over stored history.",
    "dossier": "The signed dossier of an alarm: make, verify, key.",
    "credentials": "Accounts and topics of devices and roles at the MQTT broker.",
    "backup": "Write database, journal and keys to a file.",
    "restore": "Restore a backup.",
    "token": "API keys: create, revoke, list.",
    "doctor": "Check what is installed, reachable and healthy, and what to do.",
}


def module_name(command: str) -> str:
    """Return the name of the module of a command.

    >>> module_name("stream"), module_name("apply")
    ('cli.commands.roles.stream', 'cli.commands.apply')
    """
    package = "cli.commands.roles" if COMMANDS[command].startswith("Role:") else "cli.commands"
    return f"{package}.{command}"


def _debug_option() -> click.Option:
    """Return the option `--debug` of every command; `run` reads it before click does."""
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        help="Show the traceback of an error.",
    )


class CommandGroup(click.Group):
    """The group `livetwin`, which imports the module of a command only when the command runs."""

    def __init__(self) -> None:
        super().__init__(
            name="livetwin",
            help="The live half of a city's digital twin: from sensor to trustworthy state.",
            params=[_debug_option()],
            epilog="Settings of the roles: variables LIVETWIN_*, see docs/reference/configuration.md.",
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, the most used first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(module_name(cmd_name)).command
        for subcommand in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
            if all(option.name != "debug" for option in subcommand.params):
                subcommand.params.append(_debug_option())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; every error of a command is reported."""
    group = CommandGroup()
    click.version_option(importlib.metadata.version("livetwin"), prog_name="livetwin")(group)
    given = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in given
    try:
        result: Any = group.main(args=given, prog_name="livetwin", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE if isinstance(error, click.UsageError) else EXIT_FAILED
    except (click.Abort, KeyboardInterrupt):
        return EXIT_FAILED
    except BrokenPipeError:
        # The reader of our output has ended, as in `livetwin check . | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        _report(error, debug=debug)
        return EXIT_USAGE if isinstance(error, USAGE_ERRORS) else EXIT_FAILED
    return result if isinstance(result, int) else 0


def _report(error: Exception, *, debug: bool) -> None:
    """Report an error: as a log line of a role with a JSON log, else on standard error."""
    lines = error_lines(error)
    if log_failure("; ".join(lines), error if debug else None):
        return
    if debug:
        traceback.print_exception(error)
    for line in lines:
        print(line, file=sys.stderr)
