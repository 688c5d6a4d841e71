//! Usage errors in a few lines: what is wrong, what works instead, and one line of usage.

mod arguments;
mod named;
mod peers;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use super::args::Cli;
use alexnet::Error;
use alexnet::error::{nearest, shell_word};
use alexnet::net::Recipe;
use named::Named;

/// Arguments that do not make a command.
#[derive(Debug)]
pub(crate) struct UsageError {
    /// What is wrong, and what works instead.
    pub(crate) error: Error,
    /// One line: how the command is used, and where its help is.
    pub(crate) usage: String,
}

/// Explains why `args` (without the program's name) were rejected.
pub(crate) fn explain(error: &clap::Error, args: &[String]) -> UsageError {
    let mut root = Cli::command();
    root.build();
    let command = Named::find(&root, args);
    let (message, help) = match error.kind() {
        ErrorKind::UnknownArgument => unknown_argument(error, &command, args),
        ErrorKind::InvalidSubcommand => unknown_command(error, &command),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => invalid_value(error),
        ErrorKind::MissingRequiredArgument => missing(error, &command, args),
        ErrorKind::ArgumentConflict => conflict(error, &command),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            ("no command given".to_owned(), Some(format!("`{} --help` lists them", command.full_name())))
        }
        _ => (first_line(error), None),
    };
    let error = Error { help, ..Error::usage(message) };
    UsageError { error, usage: command.usage() }
}

fn unknown_argument(error: &clap::Error, command: &Named<'_>, args: &[String]) -> (String, Option<String>) {
    let typed = text(error, ContextKind::InvalidArg);
    if let Some((file, help)) = arguments::dashed_file(&typed, args).filter(|_| typed.starts_with('-')) {
        return (format!("unknown option `{file}`"), Some(help));
    }
    let Some(name) = typed.strip_prefix("--") else {
        return if typed.starts_with('-') {
            (format!("unknown option `{typed}`"), peers::short(&typed, command, args))
        } else {
            (format!("unexpected argument `{typed}`"), arguments::unexpected(&typed, command, args))
        };
    };
    let hyphens = name.replace('_', "-").to_lowercase();
    let help = if command.has_option(&hyphens) {
        Some(format!("use `--{hyphens}`"))
    } else {
        peers::advice(&hyphens, &typed, command, args).or_else(|| {
            let near = text(error, ContextKind::SuggestedArg);
            (!near.is_empty()).then(|| format!("did you mean `{near}`?"))
        })
    };
    (format!("unknown option `{typed}`"), help)
}

fn unknown_command(error: &clap::Error, command: &Named<'_>) -> (String, Option<String>) {
    let typed = text(error, ContextKind::InvalidSubcommand);
    let names = command.command.get_subcommands().map(Command::get_name);
    let is_in_group = !command.path.is_empty();
    let help = peers::command(&typed)
        .filter(|_| !is_in_group)
        .map(str::to_owned)
        .or_else(|| in_command(&typed, &command.path))
        .or_else(|| nearest(&typed.to_lowercase(), names).map(|name| format!("did you mean `{name}`?")));
    let kind = if is_in_group { format!("{} ", command.path) } else { String::new() };
    (format!("unknown {kind}command `{typed}`"), help)
}

/// The command for an argument that was given to a group of commands: `alexnet recipe paper`, `alexnet data pets`.
fn in_command(typed: &str, group: &str) -> Option<String> {
    let exists = std::path::Path::new(typed).exists();
    let name = match group {
        "recipe" if exists || Recipe::builtin_names().any(|name| name == typed) => "show",
        "data" if exists => "check",
        _ => return None,
    };
    Some(format!("`alexnet {group} {name} {}`", shell_word(typed)))
}

fn invalid_value(error: &clap::Error) -> (String, Option<String>) {
    let (option, value) = (text(error, ContextKind::InvalidArg), text(error, ContextKind::InvalidValue));
    let option = option.split(" <").next().unwrap_or_default().trim_end_matches("...");
    let option = option.trim_start_matches('<').trim_end_matches('>');
    if value.is_empty() {
        return (format!("`{option}` needs a value"), None);
    }
    let expected = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => format!("expected {}", values.join(" or ")),
        _ => std::error::Error::source(error).map_or_else(String::new, ToString::to_string),
    };
    let help = text(error, ContextKind::SuggestedValue);
    (
        format!("invalid value `{value}` for `{option}`: {expected}"),
        (!help.is_empty()).then(|| format!("did you mean `{help}`?")),
    )
}

fn missing(error: &clap::Error, command: &Named<'_>, args: &[String]) -> (String, Option<String>) {
    let Some(ContextValue::Strings(names)) = error.get(ContextKind::InvalidArg) else {
        return (first_line(error), None);
    };
    let plain = |name: &String| name.trim_end_matches("...").replace(['<', '>'], "");
    let names: Vec<String> = names.iter().map(plain).collect();
    if let Some((message, help)) = arguments::missing_last(&names, command, args) {
        return (message, Some(help));
    }
    let help = match (command.path.as_str(), names.as_slice()) {
        ("eval", [data]) if data == "--data SRC" => Some(arguments::with_data(args, command)),
        _ => arguments::model_first(command, args)
            .or_else(|| names.iter().find_map(|name| peers::when_missing(name)).map(str::to_owned)),
    };
    let quoted = names.iter().map(|name| match (command.path.as_str(), name.as_str()) {
        ("inspect predictions", "IMAGE") => "`IMAGE` or `--data SRC`".to_owned(),
        _ => format!("`{name}`"),
    });
    (format!("missing {}", quoted.collect::<Vec<_>>().join(", ")), help)
}

fn conflict(error: &clap::Error, command: &Named<'_>) -> (String, Option<String>) {
    let option = |name: &str| name.split([' ', '=']).next().unwrap_or_default().to_owned();
    let first = option(&text(error, ContextKind::InvalidArg));
    let others = match error.get(ContextKind::PriorArg) {
        Some(ContextValue::String(other)) => vec![option(other)],
        Some(ContextValue::Strings(others)) => others.iter().map(|other| option(other)).collect(),
        _ => Vec::new(),
    };
    if others.contains(&first) {
        return (format!("`{first}` is given twice"), Some("keep one of the two".to_owned()));
    }
    let help = others.iter().find_map(|other| {
        peers::in_conflict(other, &first, &command.path)
            .or_else(|| peers::in_conflict(&first, other, &command.path))
    });
    let others: Vec<String> = others.iter().map(|other| format!("`{other}`")).collect();
    (format!("`{first}` cannot be combined with {}", others.join(", ")), help.map(str::to_owned))
}

/// A value of the error's context as text; empty if it has none.
fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

/// What clap says, for the kinds that say nothing more.
fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
