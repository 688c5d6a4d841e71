//! The class names of imported networks: most formats have none.

use std::collections::HashMap;
use std::path::Path;

use crate::{Error, Result};

/// The classes of ILSVRC-2012 in the order of their WNIDs, as all published networks have them: a WNID and the words of the synset.
const IMAGENET: &str = include_str!("../../assets/imagenet/synsets.txt");

/// The largest file of class names that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// Returns the names of the 1,000 classes of ILSVRC-2012, in the order of their WNIDs: the words of each synset, as in the development
/// kit, and the WNID where several have the same words.
pub fn imagenet() -> Vec<String> {
    identified(IMAGENET.lines()).expect("every line starts with a WNID")
}

/// The names in lines that all start with a WNID, as in `n01440764 tench, Tinca tinca`: the words, and the WNID where several
/// have the same words. `None` if a line starts otherwise.
fn identified<'t>(lines: impl Iterator<Item = &'t str>) -> Option<Vec<String>> {
    let synsets: Vec<(&str, &str)> = lines.map(split_wnid).collect::<Option<_>>()?;
    let mut times: HashMap<&str, usize> = HashMap::new();
    synsets.iter().for_each(|(_, words)| *times.entry(words).or_default() += 1);
    let name = |&(wnid, words): &(&str, &str)| match times[words] {
        1 => words.to_owned(),
        _ => format!("{words} ({wnid})"),
    };
    Some(synsets.iter().map(name).collect())
}

fn split_wnid(line: &str) -> Option<(&str, &str)> {
    let (wnid, words) = line.split_once(char::is_whitespace)?;
    let digits = wnid.strip_prefix('n')?;
    let is_wnid = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_wnid.then(|| (wnid, words.trim()))
}

/// Reads class names from a file: one per line, or a JSON array of strings. WNIDs at the start of all lines, as in ImageNet's
/// `synset_words.txt`, are left out, unless several classes have the same words.
///
/// # Errors
/// Returns an error if the file cannot be read, has no names, an empty name, or a name twice.
pub fn read(path: &Path) -> Result<Vec<String>> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::usage(format!("{}: cannot read the class names: {error}", path.display()))
            .help("write one name per line, or a JSON array of strings, in the order of the outputs")
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > MAX_FILE {
        return Err(unreadable(&format!("it has {size} bytes, expected at most {MAX_FILE}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    let names: Vec<String> = match text.starts_with(['[', '{']) {
        true => serde_json::from_str(text).map_err(|error| unreadable(&error))?,
        false => identified(text.lines())
            .unwrap_or_else(|| text.lines().map(|line| line.trim().to_owned()).collect()),
    };
    match check(&names) {
        Ok(()) => Ok(names),
        Err(what) => Err(unreadable(&what)),
    }
}

/// Checks that there are names, each once, and none empty.
fn check(names: &[String]) -> std::result::Result<(), String> {
    let mut seen = HashMap::new();
    if names.is_empty() {
        return Err("it has none".into());
    }
    for (i, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(format!("the name of class {i} is empty"));
        }
        if let Some(before) = seen.insert(name, i) {
            return Err(format!("classes {before} and {i} are both named {name:?}"));
        }
    }
    Ok(())
}

/// The class names of a network with `outputs` outputs: those given, or assumed ones, with a note: ImageNet's for 1,000 outputs,
/// otherwise numbers.
///
/// # Errors
/// Returns an error if not as many names are given.
pub(super) fn complete(
    given: Option<Vec<String>>,
    outputs: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<String>> {
    let change = "`--classes FILE` changes them";
    match given {
        Some(names) if names.len() == outputs => Ok(names),
        Some(names) => {
            Err(Error::usage(format!("{} class names, but the network has {outputs} outputs", names.len()))
                .help("give one name for each output with `--classes FILE`, in their order"))
        }
        None if outputs == 1000 => {
            notes.push(format!(
                "class names are not in the file: those of ImageNet's 1,000 classes are assumed, in the order of their WNIDs ({change})"
            ));
            Ok(imagenet())
        }
        None => {
            notes.push(format!(
                "class names are not in the file: the classes are named by their numbers ({change})"
            ));
            Ok((0..outputs).map(|class| format!("class {class}")).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagenet_has_a_thousand_unique_names() {
        let names = imagenet();
        assert_eq!(names.len(), 1000);
        check(&names).unwrap();
        assert_eq!(names[0], "tench, Tinca tinca");
        assert_eq!((&names[134][..], &names[517][..]), ("crane (n02012849)", "crane (n03126707)"));
        assert!(IMAGENET.lines().is_sorted());
    }

    #[test]
    fn files_have_a_name_per_line_or_an_array() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes");
        for (text, expected) in [
            ("cat\ndog\n", Ok(())),
            ("\u{feff}cat\r\ndog", Ok(())),
            ("[\"cat\", \"dog\"]", Ok(())),
            ("", Err("it has none")),
            ("cat\n\ndog", Err("the name of class 1 is empty")),
            ("cat\ncat", Err("classes 0 and 1 are both named \"cat\"")),
            ("[\"cat\", 3]", Err("expected a string")),
            ("{\"cat\": 0}", Err("expected a sequence")),
        ] {
            std::fs::write(&path, text).unwrap();
            match (read(&path), expected) {
                (Ok(names), Ok(())) => assert_eq!(names, ["cat", "dog"]),
                (Err(error), Err(expected)) => assert!(error.message.contains(expected), "{error}"),
                (found, _) => panic!("{text:?}: {found:?}"),
            }
        }
        for (text, expected) in [
            ("n01440764 tench, Tinca tinca\nn02012849 crane", ["tench, Tinca tinca", "crane"]),
            ("n02012849 crane\nn03126707 crane\n", ["crane (n02012849)", "crane (n03126707)"]),
            ("n01440764 tench\nother fish", ["n01440764 tench", "other fish"]),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap(), expected);
        }
        assert!(read(folder.path()).unwrap_err().help.is_some());
    }

    #[test]
    fn assumed_names_are_noted() {
        let mut notes = Vec::new();
        assert_eq!(complete(None, 2, &mut notes).unwrap(), ["class 0", "class 1"]);
        assert_eq!(complete(None, 1000, &mut notes).unwrap(), imagenet());
        assert!(notes.len() == 2 && notes[1].contains("ImageNet"));
        let given = vec!["a".to_owned()];
        assert_eq!(complete(Some(given.clone()), 1, &mut notes).unwrap(), given);
        let error = complete(Some(given), 2, &mut notes).unwrap_err();
        assert!(error.message.contains("1 class names, but the network has 2 outputs"));
    }
}
