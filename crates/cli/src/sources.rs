//! Images that are named on the command line.

use std::path::{Path, PathBuf};

use alexnet::data::{Dataset, Skip, Split};
use alexnet::error::shell;
use alexnet::format::counted;
use alexnet::{Error, Result};

/// Names with fewer letters are too short for one of them to be a mistake.
const SHORT: usize = 3;

/// Opens a source of labeled images; the error of one that does not exist names the one that may be meant.
pub(crate) fn open(source: &Path) -> Result<Dataset> {
    Dataset::open(source).map_err(|error| match similar(source).filter(|_| !source.exists()) {
        Some(meant) => Error { help: Some(format!("did you mean `{}`?", shell(meant))), ..error },
        None => error,
    })
}

/// Says that no image of a split can be decoded.
pub(crate) fn undecodable(images: usize, split: &str) -> String {
    match images {
        1 => format!("the only image of split `{split}` cannot be decoded"),
        _ => format!("none of the {} of split `{split}` can be decoded", counted(images, "image")),
    }
}

/// The error of a split of which no image can be decoded, with the reason of the first.
pub(crate) fn none_decoded(origin: &str, split: &Split, skipped: &[Skip]) -> Error {
    let first = skipped.first().map_or(String::new(), |skip| format!(": {}: {}", skip.file, skip.reason));
    let what = undecodable(split.len(), &split.name);
    Error::data(format!("{origin}: {what}{first}")).help("images are JPEG or PNG files, one folder per class")
}

/// A file or folder next to `path` whose name is nearly the same: in another case, or with a letter more, less or changed.
fn similar(path: &Path) -> Option<PathBuf> {
    let typed = path.file_name()?.to_str()?.to_lowercase();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = folder.unwrap_or(Path::new(".")).read_dir().ok()?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // Not a link to nothing, which is what was typed.
    let names = names.filter(|name| path.with_file_name(name).exists());
    let distances = names.map(|name| (letters_apart(&typed, &name.to_lowercase()), name));
    // By name, as the order of a folder differs from one file system to the next.
    let (letters, name) = distances.min()?;
    (letters <= usize::from(typed.chars().count() >= SHORT)).then(|| path.with_file_name(name))
}

/// The letters of the longer name between what the two start and end with.
fn letters_apart(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let most = a.len().min(b.len());
    let start = (0..most).take_while(|&i| a[i] == b[i]).count();
    let end = (0..most - start).take_while(|&i| a[a.len() - 1 - i] == b[b.len() - 1 - i]).count();
    a.len().max(b.len()) - start - end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_nearly_right_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("Fotos")).unwrap();
        let found = |name: &str| similar(&folder.path().join(name));
        for name in ["fotos", "Foto", "FOTOS/", "Fotoss", "Potos"] {
            assert_eq!(found(name), Some(folder.path().join("Fotos")), "{name}");
        }
        assert_eq!([found("pets"), found("photos"), found("new/pets")], [None, None, None]);
        let error = open(&folder.path().join("fotos")).unwrap_err();
        assert!(error.help.is_some_and(|help| help.ends_with("Fotos`?")), "{}", error.message);
    }
}
