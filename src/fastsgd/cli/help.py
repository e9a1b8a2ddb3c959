"""Help that fits on two screens: flags under headings, of rare ones the names alone."""

import shutil
import textwrap

import typer
from typer.core import TyperCommand, TyperGroup

from fastsgd.cli.flags import OUTPUT, PANELS

MAX_COLUMNS = 110  # Longer lines are hard to read.
NAMES_WIDTH = 26  # Longer names have a line of their own.
MORE = "--help-all"


def columns():
    """The width of the help."""
    return min(shutil.get_terminal_size((MAX_COLUMNS, 0)).columns, MAX_COLUMNS)


class Command(TyperCommand):
    """A command whose help is that of this module. Flags that are `hidden` are rare ones."""

    def parse_args(self, ctx, args):
        if MORE in args:
            typer.echo(self.text(ctx, every=True))
            ctx.exit()
        return super().parse_args(ctx, args)

    def format_help(self, ctx, formatter):
        formatter.write(self.text(ctx) + "\n")

    def text(self, ctx, every=False):
        """The help.

        Parameters
        ----------
        every : bool
            Whether it says what rare flags mean.
        """
        given = [option for option in self.get_params(ctx) if "--help" not in option.opts]
        parts = [f"Usage: {ctx.command_path} {_usage(given)}", *map(_filled, (self.help or "").split("\n\n"))]
        arguments = [one for one in given if one.param_type_name == "argument"]
        parts.append("\n".join(_entry(_metavar(one), one.help or "") for one in arguments))
        rare = 0
        for panel in PANELS:
            options = [one for one in given if one not in arguments and _panel(one) == panel]
            shown = [one for one in options if every or not one.hidden]
            more = [_names(one) for one in options if one not in shown]
            lines = [panel] * bool(shown or more)
            lines += [_entry(_names(one), _meaning(one)) for one in shown]
            lines += [_also(more)] * bool(more)
            rare += len(more)
            parts.append("\n".join(lines))
        if rare:
            parts.append(f"A flag with ... can be repeated. What all flags mean: {ctx.command_path} {MORE}")
        return "\n\n".join(part for part in parts if part)


class Group(TyperGroup):
    """A group of commands whose help is that of this module."""

    def format_help(self, ctx, formatter):
        commands = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        options = [one for one in self.get_params(ctx) if one.help]
        parts = [
            f"Usage: {ctx.command_path} COMMAND ...",
            _filled(self.help),
            "\n".join(["Commands", *(_entry(one.name, one.help.partition("\n\n")[0]) for one in commands)]),
            "\n".join(["Options", *(_entry(_names(one), one.help) for one in options)]),
            f"What a command takes: {ctx.command_path} COMMAND -h",
        ]
        formatter.write("\n\n".join(parts) + "\n")


def _usage(given):
    """What must be given."""
    words = [_metavar(one) + "..." * (one.nargs == -1) for one in given if one.param_type_name == "argument"]
    words += [_names(one) for one in given if one.param_type_name == "option" and one.required]
    return " ".join([*words, "[FLAGS]"])


def _panel(option):
    return getattr(option, "rich_help_panel", None) or OUTPUT


def _names(option):
    """How a flag is typed."""
    names = list(option.opts)
    if option.secondary_opts:
        names[-1] = names[-1].replace("--", "--[no-]", 1)
    return ", ".join(sorted(names, key=len)) + (
        "" if option.is_flag else f" {_metavar(option)}" + "..." * bool(option.multiple)
    )


def _metavar(option):
    return option.metavar or (option.name.upper() if option.param_type_name == "argument" else "VALUE")


def _meaning(option):
    return f"{option.help or ''}{' Required.' * bool(option.required)}"


def _filled(paragraph):
    return textwrap.fill(" ".join(paragraph.split()), columns())


def _entry(names, text):
    """A flag or an argument, and what it means."""
    lines = textwrap.wrap(text, columns() - NAMES_WIDTH - 2, break_on_hyphens=False)
    first = f"  {names:<{NAMES_WIDTH - 1}} " if len(names) < NAMES_WIDTH else f"  {names}\n{' ' * (NAMES_WIDTH + 2)}"
    return first + f"\n{' ' * (NAMES_WIDTH + 2)}".join(lines)


def _also(names):
    return textwrap.fill(
        "also " + ", ".join(name.partition(" ")[0] for name in names),
        columns(),
        initial_indent="  ",
        subsequent_indent="       ",
        break_on_hyphens=False,
    )
