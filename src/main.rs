//! The `alexnet` command.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    alexnet::cli::run()
}
