"""The command line: finds the command, and tells every failure in one line."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from cli.error_report import USAGE_ERRORS, error_lines
from runtime.telemetry.logs import log_failure

EXIT_FAILED = 1
EXIT_USAGE = 2

# Kept here and not only in the modules: to list the commands must not load Faust and FastAPI.
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
    "check": "Validate a city folder; tells all faults at once.",
    "apply": "Bring a city folder into the database.",
    "export": "Write the city in the database as a city folder.",
    "backtest": "Tell what a rule would have raised over stored history.",
    "credentials": "Accounts and topics of devices and roles at the MQTT broker.",
    "backup": "Write database, journal and keys to a file.",
    "restore": "Bring back what a backup holds.",
    "token": "API keys: create, revoke, list.",
    "doctor": "Tell what is installed, reachable and healthy, and what to do.",
}


def _debug_option() -> click.Option:
    """Return the option that every command has; `run` looks for it before click does."""
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        help="Show the traceback of an error.",
    )


class CommandGroup(click.Group):
    """A group that loads a command's module when the command is asked for."""

    def __init__(self) -> None:
        super().__init__(
            name="livetwin",
            help="The live half of a city's digital twin: from sensor to trustworthy state.",
            params=[_debug_option()],
            epilog="Settings of the roles: variables LIVETWIN_*, see docs/reference/configuration.md.",
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of interest."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command, or return None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"cli.commands.{cmd_name}").command
        for one in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
            if all(option.name != "debug" for option in one.params):
                one.params.append(_debug_option())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code. Nothing but a fault in this function raises."""
    group = CommandGroup()
    click.version_option(importlib.metadata.version("livetwin"), prog_name="livetwin")(group)
    words = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in words
    try:
        result: Any = group.main(args=words, prog_name="livetwin", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE if isinstance(error, click.UsageError) else EXIT_FAILED
    except (click.Abort, KeyboardInterrupt):
        return EXIT_FAILED
    except BrokenPipeError:
        # Whoever read our output went away (`livetwin check . | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        _tell(error, debug=debug)
        return EXIT_USAGE if isinstance(error, USAGE_ERRORS) else EXIT_FAILED
    return result if isinstance(result, int) else 0


def _tell(error: Exception, *, debug: bool) -> None:
    """Tell a failure: on the log of a role that speaks JSON, else to whoever typed the command."""
    lines = error_lines(error)
    if log_failure("; ".join(lines), error if debug else None):
        return
    if debug:
        traceback.print_exception(error)
    for line in lines:
        print(line, file=sys.stderr)
