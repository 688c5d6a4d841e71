//! The command line, for the records of a run.

use alexnet::error::shell_word;

/// The command line as a shell reads it back.
pub(crate) fn command_line() -> String {
    std::env::args_os().map(shell_word).collect::<Vec<_>>().join(" ")
}

/// The command with another value of an option, given or not, as a shell reads it back.
pub(crate) fn command_with(option: &str, value: &str) -> String {
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    with_option(args.collect(), option, value)
}

fn with_option(mut args: Vec<String>, option: &str, value: &str) -> String {
    let joined = format!("{option}=");
    match args.iter().position(|arg| arg == option || arg.starts_with(&joined)) {
        Some(at) if args[at] == option && at + 1 < args.len() => args[at + 1] = value.to_owned(),
        Some(at) => args[at] = joined + value,
        None => args.extend([option.to_owned(), value.to_owned()]),
    }
    let words: Vec<String> = args.iter().map(shell_word).collect();
    format!("alexnet {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_replaced_or_added() {
        let with = |args: &str| with_option(args.split(' ').map(str::to_owned).collect(), "--steps", "200");
        assert_eq!(with("lr-find pets --steps 20 --seed 1"), "alexnet lr-find pets --steps 200 --seed 1");
        assert_eq!(with("lr-find pets --steps=20"), "alexnet lr-find pets --steps=200");
        assert_eq!(with("lr-find pets"), "alexnet lr-find pets --steps 200");
    }
}
