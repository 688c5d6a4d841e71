//! Messages of the library on standard error, for those who ask for them.

use super::args::{Cli, Command};

/// The environment variable that selects messages: `debug`, or by module as in `alexnet::data=debug`.
const VARIABLE: &str = "ALEXNET_LOG";

/// Prints the library's messages if the environment asks for them. The dashboard owns the terminal: it gets none.
pub(crate) fn start(cli: &Cli) {
    let has_dashboard = matches!(&cli.command, Command::Train(args) if args.tui);
    if std::env::var_os(VARIABLE).is_some() && !has_dashboard {
        env_logger::Builder::from_env(VARIABLE).init();
    }
}
