//! Folders that this program made, in or beside the images: never classes, wherever they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Kind, file_name};
use crate::data::check::plan;

/// Something that this program made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Made {
    Run,
    Packed,
    /// A copy that `alexnet data fix` made.
    Fixed,
}

impl Made {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Packed => "packed images",
            Self::Fixed => "copy made by `alexnet data fix`",
        }
    }
}

/// Finds the folders that this program made, by the files in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    /// How many of a run's files each folder has.
    runs: HashMap<String, usize>,
    others: BTreeMap<String, Made>,
}

impl Marks {
    /// Notes a file, hidden or not.
    pub(crate) fn see(&mut self, path: &str) {
        // The source's own folder is what the user asked for, whatever else is in it.
        let Some((folder, name)) = path.rsplit_once('/') else { return };
        match name {
            "run.json" | "recipe.toml" | "command.txt" | "metrics.jsonl" => {
                *self.runs.entry(folder.to_owned()).or_default() += 1;
            }
            "pack.json" | "packing.json" => {
                self.others.insert(folder.to_owned(), Made::Packed);
            }
            plan::RECORD if file_name(folder) != plan::SET_ASIDE => {
                self.others.entry(folder.to_owned()).or_insert(Made::Fixed);
            }
            _ => {}
        }
    }

    /// The folders, none of them in another.
    fn folders(&self) -> BTreeMap<String, Made> {
        let runs =
            self.runs.iter().filter(|&(_, &files)| files > 1).map(|(folder, _)| (folder.clone(), Made::Run));
        let all: BTreeMap<String, Made> = self.others.clone().into_iter().chain(runs).collect();
        let outer =
            |folder: &str| !folder.match_indices('/').any(|(end, _)| all.contains_key(&folder[..end]));
        all.iter().filter(|(folder, _)| outer(folder)).map(|(folder, &made)| (folder.clone(), made)).collect()
    }
}
/// Removes what is in folders that this program made, and returns those.
pub(crate) fn without_made<T>(
    files: &mut Vec<(String, T)>,
    folders: &mut BTreeSet<String>,
    marks: &Marks,
) -> BTreeMap<String, Made> {
    let mut made = marks.folders();
    // A training that was stopped at once leaves `runs/NAME-1` with nothing in it.
    let runs: Vec<&String> = folders.iter().filter(|folder| file_name(folder) == "runs").collect();
    let began = runs.into_iter().filter(|runs| {
        files.iter().filter(|(path, _)| is_below(path, runs)).all(|(path, _)| file_name(path) == "lock")
    });
    made.extend(began.map(|runs| (runs.clone(), Made::Run)).collect::<Vec<_>>());
    if made.is_empty() {
        return made;
    }
    // A mended copy is a copy only beside the original.
    let mut images = files.iter().filter(|(path, _)| Kind::of_name(path) == Kind::Image);
    if images.all(|(path, _)| is_in(path, &made)) {
        made.retain(|_, made| *made != Made::Fixed);
    }
    files.retain(|(path, _)| !is_in(path, &made));
    folders.retain(|path| !is_in(path, &made));
    // A folder that holds nothing but these, such as `runs`, is no more a class than they are.
    let above: BTreeSet<&str> =
        made.keys().flat_map(|path| path.match_indices('/').map(|(end, _)| &path[..end])).collect();
    folders.retain(|folder| {
        !above.contains(folder.as_str()) || files.iter().any(|(path, _)| is_below(path, folder))
    });
    made
}

fn is_in(path: &str, made: &BTreeMap<String, Made>) -> bool {
    made.contains_key(path) || path.match_indices('/').any(|(end, _)| made.contains_key(&path[..end]))
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_this_program_made_are_found_by_their_files() {
        let paths = [
            "cat/1.jpg",
            "runs/small-1/run.json",
            "runs/small-1/recipe.toml",
            "runs/small-1/plots/a.png",
            "runs/small-2/recipe.toml",
            "runs/small-2/command.txt",
            "packed/pack.json",
            "dog/recipe.toml",
            "dog/1.jpg",
            "fixed/.fixed.json",
            "fixed/cat/1.jpg",
            "run.json",
            "recipe.toml",
        ];
        let mut marks = Marks::default();
        paths.iter().for_each(|path| marks.see(path));
        let mut files: Vec<(String, ())> = paths.iter().map(|path| ((*path).to_owned(), ())).collect();
        let folders = [
            "cat",
            "dog",
            "fixed",
            "fixed/cat",
            "packed",
            "runs",
            "runs/small-1",
            "runs/small-1/plots",
            "runs/small-2",
        ];
        let mut folders: BTreeSet<String> = folders.map(str::to_owned).into();
        let made = without_made(&mut files, &mut folders, &marks);
        let made: Vec<(&str, Made)> = made.iter().map(|(folder, &made)| (folder.as_str(), made)).collect();
        let runs = [("runs/small-1", Made::Run), ("runs/small-2", Made::Run)];
        assert_eq!(made, [[("fixed", Made::Fixed), ("packed", Made::Packed)], runs].concat());
        assert_eq!(folders.into_iter().collect::<Vec<_>>(), ["cat", "dog"]);
        assert_eq!(files.len(), 5);
    }
}
