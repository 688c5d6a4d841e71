//! Positional arguments that are missing or stand in the wrong place, and the command with them in the right one.

use std::path::Path;

use clap::{Arg, Command};

use super::named::Named;
use alexnet::error::shell_word;
use alexnet::net::Recipe;

/// Why an argument that is not an option was not expected.
pub(super) fn unexpected(typed: &str, command: &Named<'_>, args: &[String]) -> Option<String> {
    let is_file = Path::new(typed).extension() == Some("toml".as_ref());
    let is_recipe =
        command.has_option("recipe") && (is_file || Recipe::builtin_names().any(|name| name == typed));
    let place = || args.iter().position(|arg| arg == typed);
    let known = model_first(command, args).or_else(|| options_between(typed, command, args));
    known.or_else(|| with_spaces(typed, command, args)).or_else(|| one_folder(command, args)).or_else(|| {
        let recipe = place().filter(|_| is_recipe)?;
        Some(format!("`{}`", line(&[&args[..recipe], &["--recipe".to_owned()], &args[recipe..]].concat())))
    })
}

/// `alexnet data check my pets 2024`, where `my pets 2024` exists.
fn with_spaces(typed: &str, command: &Named<'_>, args: &[String]) -> Option<String> {
    let at = args.iter().position(|arg| arg == typed)?;
    let words = command.path.split(' ').count();
    let before = (words..at).rev().take_while(|&place| !is_option(&args[place])).last().unwrap_or(at);
    let after = args[at..].iter().position(|arg| is_option(arg)).map_or(args.len(), |more| at + more);
    let mut parts = (before..=at).flat_map(|from| (at + 1..=after).rev().map(move |to| (from, to)));
    let whole = |&(from, to): &(usize, usize)| to - from > 1 && Path::new(&args[from..to].join(" ")).exists();
    let (from, to) = parts.find(whole)?;
    let quoted = [&args[..from], &[args[from..to].join(" ")], &args[to..]].concat();
    Some(format!("quote a path with spaces: `{}`", line(&quoted)))
}

/// `alexnet train pets/*`: the shell gives each class folder as an argument.
fn one_folder(command: &Named<'_>, args: &[String]) -> Option<String> {
    let positionals: Vec<&Arg> = command.command.get_positionals().collect();
    let [source] = positionals[..] else { return None };
    let places = places(args, command.command);
    let given = places.get(command.path.split(' ').count()..)?;
    let &[first, _, ..] = given else { return None };
    let parent = Path::new(&args[first]).parent()?;
    let is_in_it = |&place: &usize| {
        let path = Path::new(&args[place]);
        path.parent() == Some(parent) && path.exists()
    };
    let is_here = parent.as_os_str().is_empty();
    // Two names may also be two sets of images.
    if value_name(source) != "SRC" || !given.iter().all(is_in_it) || (is_here && given.len() == 2) {
        return None;
    }
    let whole = if is_here { ".".into() } else { parent.to_string_lossy().into_owned() };
    let kept = (0..args.len()).filter(|place| *place == first || !given.contains(place));
    let args: Vec<String> =
        kept.map(|place| if place == first { whole.clone() } else { args[place].clone() }).collect();
    Some(format!("give the one folder that contains the class folders: `{}`", line(&args)))
}

/// A file whose name starts with `-` and was taken for the option `typed`: its name, and the command that reads it.
pub(super) fn dashed_file(typed: &str, args: &[String]) -> Option<(String, String)> {
    let place = args.iter().position(|arg| arg.starts_with(typed) && Path::new(arg).exists())?;
    let mut changed = args.to_vec();
    changed[place] = format!("./{}", args[place]);
    Some((args[place].clone(), format!("for the file of this name: `{}`", line(&changed))))
}

/// `alexnet ensemble A B --views 1 OUT`: after options, arguments that repeat have ended, and so has the list.
fn options_between(typed: &str, command: &Named<'_>, args: &[String]) -> Option<String> {
    let (_, last) = repeated_and_last(command.command)?;
    let places = places(args, command.command);
    let separated = |pair: &&[usize]| pair[0] + 1 < pair[1] && args[pair[1]] == typed;
    let &[before, typed] = places.windows(2).find(separated)? else { return None };
    let end = args[typed..].iter().position(|arg| is_option(arg)).map_or(args.len(), |more| typed + more);
    let (options, values) = (&args[before + 1..typed], &args[typed..end]);
    let reordered = [&args[..=before], values, options, &args[end..]].concat();
    Some(format!("`{}` follows the others directly: `{}`", value_name(last), line(&reordered)))
}

/// `alexnet inspect filters MODEL`.
pub(super) fn model_first(command: &Named<'_>, args: &[String]) -> Option<String> {
    let name = command.path.strip_prefix("inspect ")?;
    let places = places(args, command.command);
    let &figure = places.get(1).filter(|&&place| args[place] == name)?;
    let mut reordered = args.to_vec();
    match places.get(2) {
        Some(&model) => reordered.swap(figure, model),
        None => reordered.insert(figure, "MODEL".to_owned()),
    }
    Some(format!("the model comes first: `{}`", line(&reordered)))
}

/// The last argument, if the only one that was given was taken for it, although it is one of those that repeat: its name and
/// description, and the command with it.
pub(super) fn missing_last(
    names: &[String],
    command: &Named<'_>,
    args: &[String],
) -> Option<(String, String)> {
    let (repeated, last) = repeated_and_last(command.command)?;
    let &given = places(args, command.command).last()?;
    let values = repeated.get_possible_values();
    // `alexnet reproduce SRC` has no experiment indeed.
    let fits = values.is_empty() || values.iter().any(|value| value.matches(&args[given], false));
    if !fits || names != [value_name(repeated)] {
        return None;
    }
    let more = if command.path == "ensemble" { vec!["MODEL".to_owned()] } else { Vec::new() };
    let name = value_name(last);
    let completed = [&args[..=given], &more, std::slice::from_ref(&name), &args[given + 1..]].concat();
    Some((format!("missing `{name}`{}", description(last)), format!("`{}`", line(&completed))))
}

/// The value that was typed with an unknown option: `--lr=0.1` or `--lr 0.1`.
pub(super) fn value_of(option: &str, args: &[String]) -> Option<String> {
    let with_value = |arg: &String| arg.strip_prefix(option)?.strip_prefix('=').map(str::to_owned);
    if let Some(value) = args.iter().find_map(with_value) {
        return Some(value);
    }
    let next = args.get(1 + args.iter().position(|arg| arg == option)?)?;
    (!next.starts_with('-')).then(|| next.clone())
}

/// The command with the value of an option, or else `example`, in its place.
pub(super) fn without_option(option: &str, args: &[String], example: &str) -> String {
    let value = value_of(option, args);
    let is_it =
        |arg: &String| arg.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    let at = args.iter().position(is_it).unwrap_or(args.len());
    let is_apart = args.get(at).is_some_and(|arg| arg == option) && value.is_some();
    let after = args.len().min(at + 1 + usize::from(is_apart));
    let value = value.unwrap_or_else(|| example.to_owned());
    line(&[&args[..at.min(args.len())], &[value], &args[after..]].concat())
}

/// The command with the images that `alexnet eval` lacks: the last argument, if there are several.
pub(super) fn with_data(args: &[String], command: &Named<'_>) -> String {
    let places = places(args, command.command);
    let option = "--data".to_owned();
    let completed = match places[..] {
        [_, _, .., last] => [&args[..last], &[option], &args[last..]].concat(),
        _ => [args, &[option, "SRC".to_owned()]].concat(),
    };
    format!("`{}`", line(&completed))
}

/// The last two positional arguments of a command, of which the first can be given several times.
fn repeated_and_last(command: &Command) -> Option<(&Arg, &Arg)> {
    let positionals: Vec<&Arg> = command.get_positionals().collect();
    let repeats = |arg: &Arg| arg.get_num_args().is_some_and(|number| number.max_values() > 1);
    match positionals[..] {
        [.., repeated, last] if repeats(repeated) && !repeats(last) => Some((repeated, last)),
        _ => None,
    }
}

/// The places in `args` of what is neither an option nor its value: names of commands and positional arguments.
fn places(args: &[String], command: &Command) -> Vec<usize> {
    let takes_value = |option: &str| {
        let name = option.strip_prefix("--");
        let mut known = command.get_arguments().filter(|arg| arg.get_long().is_some());
        known.any(|arg| arg.get_long() == name && arg.get_action().takes_values())
    };
    let is_value = |place: usize| place > 0 && takes_value(&args[place - 1]);
    (0..args.len()).filter(|&place| !is_option(&args[place]) && !is_value(place)).collect()
}

fn is_option(arg: &str) -> bool {
    arg.starts_with('-') && arg != "-"
}

fn value_name(arg: &Arg) -> String {
    arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default()
}

/// `: the images`, the first part of an argument's help.
fn description(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let first = help.split([',', ';', ':', '[', '(']).next().unwrap_or_default().trim();
    let mut letters = first.chars();
    letters.next().map_or(String::new(), |letter| format!(": {}{}", letter.to_lowercase(), letters.as_str()))
}

/// A command line, quoted for a shell.
fn line(args: &[String]) -> String {
    let words: Vec<String> = args.iter().map(shell_word).collect();
    format!("alexnet {}", words.join(" "))
}
