//! Class names: `synset_words.txt` or one name per line.

use std::collections::HashMap;

use super::origin::Origin;
use crate::Result;

/// Reads `count` class names, one per line. WordNet identifiers before the names of ImageNet (`n01440764 tench, Tinca tinca`)
/// are left out, unless several classes have the same name.
///
/// # Errors
/// Returns an error if their number is another, or if a name is empty or repeated.
pub(super) fn class_names(text: &str, count: usize, origin: &Origin) -> Result<Vec<String>> {
    let help =
        "write one class name per line, in the order of the outputs, such as ImageNet's synset_words.txt";
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().map(str::trim).collect();
    let used = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    let lines = &lines[..used];
    if lines.len() != count {
        return Err(origin
            .refuse(None, format!("{} class names, expected {count}, the number of outputs", lines.len()))
            .help(help));
    }
    if let Some(at) = lines.iter().position(|line| line.is_empty()) {
        return Err(origin.refuse(Some(at + 1), "the class name is empty").help(help));
    }
    let words: Option<Vec<(&str, &str)>> = lines.iter().map(|line| split_identifier(line)).collect();
    let names: Vec<String> = match words {
        Some(words) => {
            let mut times: HashMap<&str, usize> = HashMap::new();
            words.iter().for_each(|(_, name)| *times.entry(name).or_default() += 1);
            let name = |(identifier, name): &(&str, &str)| match times[name] {
                1 => (*name).to_owned(),
                _ => format!("{name} ({identifier})"),
            };
            words.iter().map(name).collect()
        }
        None => lines.iter().map(|line| (*line).to_owned()).collect(),
    };
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (at, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name, at + 1) {
            let message = format!("the class name {name:?} is repeated; the first one is in line {first}");
            return Err(origin
                .refuse(Some(at + 1), message)
                .help("class names are unique: add a number to one of them"));
        }
    }
    Ok(names)
}

/// Splits `n01440764 tench, Tinca tinca`.
fn split_identifier(line: &str) -> Option<(&str, &str)> {
    let (identifier, name) = line.split_once(char::is_whitespace)?;
    let digits = identifier.strip_prefix('n')?;
    let is_identifier = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_identifier.then(|| (identifier, name.trim_start()))
}

/// The names of classes that nothing names: `class 0`, `class 1`.
pub(super) fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|class| format!("class {class}")).collect()
}
