//! `alexnet completions` and `alexnet man`, from the definition of the command line.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use serde_json::json;

use super::args::Cli;
use super::args::shell::{CompletionsArgs, ManArgs, Shell};
use super::exit::CommandResult;
use super::output::Output;
use alexnet::Error;
use alexnet::error::shell;

pub(crate) fn completions(args: &CompletionsArgs, out: &mut Output) -> CommandResult {
    let (generator, name) = match args.shell {
        Shell::Bash => (clap_complete::Shell::Bash, "bash"),
        Shell::Zsh => (clap_complete::Shell::Zsh, "zsh"),
        Shell::Fish => (clap_complete::Shell::Fish, "fish"),
    };
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut Cli::command(), "alexnet", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let value = json!({ "shell": name, "script": script });
    out.result(|| script, || value)?;
    Ok(0)
}

pub(crate) fn man(args: &ManArgs, out: &mut Output) -> CommandResult {
    let folder = &args.folder;
    let failed = |error| Error::io(folder, "write the man pages", &error);
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    std::fs::create_dir_all(folder).map_err(failed)?;
    let pages = write_pages(&program, folder).map_err(failed)?;
    out.result(
        || format!("wrote {} pages; to read the first: man {}\n", pages.len(), shell(&pages[0])),
        || json!({ "files": pages }),
    )?;
    Ok(0)
}

/// Writes the page of a command, then those of its subcommands, and returns their paths.
fn write_pages(command: &Command, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut pages = vec![clap_mangen::Man::new(command.clone()).generate_to(folder)?];
    for subcommand in command.get_subcommands() {
        pages.extend(write_pages(subcommand, folder)?);
    }
    Ok(pages)
}
