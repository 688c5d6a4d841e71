//! A command, found by its names.

use clap::Command;

/// A command with the names that lead to it.
pub(super) struct Named<'a> {
    /// Without `alexnet`: `data check`, empty for the program itself.
    pub(super) path: String,
    pub(super) command: &'a Command,
}

impl<'a> Named<'a> {
    /// The command that `args` name, as far as they name one.
    pub(super) fn find(root: &'a Command, args: &[String]) -> Self {
        let mut found = Self { path: String::new(), command: root };
        for arg in args.iter().filter(|arg| !arg.starts_with('-')) {
            let Some(next) = found.command.find_subcommand(arg) else {
                // `alexnet inspect MODEL filters`.
                match found.command.get_positionals().next() {
                    Some(_) => continue,
                    None => break,
                }
            };
            let path = format!("{} {}", found.path, next.get_name());
            found = Self { path: path.trim_start().to_owned(), command: next };
        }
        found
    }

    /// `alexnet data check`.
    pub(super) fn full_name(&self) -> String {
        format!("alexnet {}", self.path).trim_end().to_owned()
    }

    /// One line of usage, and where the help is.
    pub(super) fn usage(&self) -> String {
        let usage = self.command.clone().render_usage().to_string();
        let line = usage.lines().next().unwrap_or_default();
        format!("{} (see `{} --help`)", line.trim_start_matches("Usage: "), self.full_name())
    }

    /// Whether the command has this option, named without hyphens in front.
    pub(super) fn has_option(&self, name: &str) -> bool {
        self.command.get_arguments().any(|arg| arg.get_long() == Some(name))
    }
}
