//! `alexnet completions`, `man`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `alexnet completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
                        alexnet completions bash > ~/.local/share/bash-completion/completions/alexnet\n  \
                        alexnet completions zsh > ~/.zfunc/_alexnet    # with fpath+=~/.zfunc before compinit\n  \
                        alexnet completions fish > ~/.config/fish/completions/alexnet.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// A shell that completions are made for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// `alexnet man`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alexnet man ~/.local/share/man/man1    # then: man alexnet-train")]
pub(crate) struct ManArgs {
    /// The folder to write to, created if missing
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}
