//! Names for new files and folders.

use std::path::{Path, PathBuf};

/// Returns the path, or the first of `NAME-2.EXT`, `NAME-3.EXT`, ... that does not exist.
pub(in crate::data) fn free_path(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default();
    let numbered = |number: usize| {
        let mut name = stem.to_owned();
        name.push(format!("-{number}"));
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        path.with_file_name(name)
    };
    let is_free = |path: &PathBuf| std::fs::symlink_metadata(path).is_err();
    let mut names = std::iter::once(path.to_owned()).chain((2..).map(numbered));
    names.find(is_free).expect("numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let dir = tempfile::tempdir().unwrap();
        let name = |name: &str| free_path(&dir.path().join(name)).file_name().unwrap().to_owned();
        assert_eq!((name("plan.json"), name("pets")), ("plan.json".into(), "pets".into()));
        for taken in ["plan.json", "plan-2.json"] {
            std::fs::write(dir.path().join(taken), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("pets")).unwrap();
        assert_eq!((name("plan.json"), name("pets")), ("plan-3.json".into(), "pets-2".into()));
    }
}
