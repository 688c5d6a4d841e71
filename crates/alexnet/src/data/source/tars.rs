//! A folder of tars, each of one class: `cat.tar`, `dog.tar`, or such in `train/` and `val/`; or each of class folders:
//! `train.tar`, `val.tar`, or `part1.tar`, `part2.tar`. Read in place, as one tree.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::archive::{Archives, Contents};
use super::naming::{self, Kind};
use super::tree::{self, Listing, some, split_name};
use super::webdataset::tars;
use super::{Dataset, Findings, Place, Store, foreign, index};
use crate::{Error, Result};

/// One tar and what it is.
struct Tar {
    /// Its path below the source's folder.
    name: String,
    /// The split folder that it is in, or its own name where that is a split's.
    split: Option<&'static str>,
    /// Its name without the ending.
    stem: String,
    contents: Contents,
    /// Whether it has class folders, or is a class.
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Images of one class, in no folder, or in one.
    Class,
    /// Class folders.
    Folders,
    /// No images.
    Empty,
}

/// Opens a folder of tars; `None` when it has none.
///
/// # Errors
/// When a tar is not whole, or some are classes and others have class folders.
pub(super) fn open(folder: &Path, findings: &mut Findings) -> Result<Option<Dataset>> {
    let paths: Vec<(Option<&'static str>, PathBuf)> = tars(folder);
    if paths.is_empty() {
        return Ok(None);
    }
    let all: Vec<Tar> = paths.iter().map(|(_, path)| Tar::read(folder, path)).collect::<Result<_>>()?;
    let of = |shape: Shape| all.iter().filter(move |tar| tar.shape == shape).map(|tar| tar.name.as_str());
    let (classes, folders): (Vec<&str>, Vec<&str>) =
        (of(Shape::Class).collect(), of(Shape::Folders).collect());
    if !classes.is_empty() && !folders.is_empty() {
        return Err(Error::data(format!(
            "{}: {} hold images of one class, {} hold class folders: one or the other was expected",
            folder.display(),
            some(&classes),
            some(&folders)
        ))
        .help("move one kind away"));
    }
    let mut listing = Listing::default();
    let mut notes = Vec::new();
    for (tar, archive) in all.iter().zip(0..) {
        notes.extend(tar.contents.notes(&folder.join(&tar.name)));
        tar.add_to(&mut listing, archive);
    }
    let archives = Archives::new(paths.into_iter().map(|(_, path)| path));
    let listing = listing.sort(&|_, place| archives.head(place));
    let mut dataset =
        tree::dataset(listing, Store::Archives(archives), folder.display().to_string(), findings)?;
    let empty: Vec<&str> = of(Shape::Empty).collect();
    if !empty.is_empty() {
        notes.push(format!("not used, since they hold no images: {}", some(&empty)));
    }
    let what = if folders.is_empty() { "each a class" } else { "read as one tree" };
    notes.push(format!("{} tars, {what}", all.len() - empty.len()));
    dataset.notes.splice(..0, notes);
    Ok(Some(dataset))
}

impl Tar {
    fn read(folder: &Path, path: &Path) -> Result<Self> {
        let contents =
            index::kept(path, index::Listing::Plain).map_err(|error| foreign::not_a_tar(path, &error))?;
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let split = match name.split_once('/') {
            Some((part, _)) => split_name(part),
            None => split_name(&stem),
        };
        let shape = Shape::of(&contents, split.is_some() && !name.contains('/'));
        Ok(Self { name, split, stem, contents, shape })
    }

    /// Adds the members under the paths that they would have in class folders.
    fn add_to(&self, listing: &mut Listing, archive: u32) {
        if self.shape == Shape::Empty {
            return;
        }
        let whole_split = self.split.is_some() && !self.name.contains('/');
        let top = top(&self.contents);
        let prefix = match (self.split, self.shape) {
            (split, Shape::Class) => {
                format!("{}{}/", split.map_or(String::new(), |split| format!("{split}/")), self.stem)
            }
            (Some(split), _) => format!("{split}/"),
            (None, _) => String::new(),
        };
        // The folder that an archive was made of is not a class in it.
        let is_own = |top: &str| self.shape == Shape::Class || whole_split && split_name(top) == self.split;
        let own = top.filter(|top| is_own(top)).map(|top| format!("{top}/"));
        for file in &self.contents.files {
            let name = clean(&file.name);
            let below = own.as_deref().and_then(|own| name.strip_prefix(own)).unwrap_or(&name);
            let place = Place::Bytes { archive, offset: file.offset, len: file.len };
            listing.add_file(&format!("{prefix}{below}"), place);
        }
        listing.odd.extend(self.contents.odd.iter().map(|name| format!("{}/{name}", self.name)));
    }
}

impl Shape {
    fn of(contents: &Contents, is_split: bool) -> Self {
        let images: Vec<String> = images(contents).collect();
        let folder = |name: &String| name.rsplit_once('/').map_or(String::new(), |parts| parts.0.to_owned());
        let folders: BTreeSet<String> = images.iter().map(folder).collect();
        match folders.len() {
            0 => Self::Empty,
            // `cat.tar` with `cat/1.jpg`; `train.tar` with `cat/1.jpg` is a split of one class.
            1 if !is_split => Self::Class,
            _ => Self::Folders,
        }
    }
}

fn images(contents: &Contents) -> impl Iterator<Item = String> {
    let names = contents.files.iter().map(|file| clean(&file.name));
    names
        .filter(|name| matches!(Kind::of_name(name), Kind::Image))
        .filter(|name| naming::hidden_part(name).is_none())
}

/// The folder that all images of an archive are in.
fn top(contents: &Contents) -> Option<String> {
    let mut tops: BTreeSet<Option<String>> =
        images(contents).map(|name| name.split_once('/').map(|parts| parts.0.to_owned())).collect();
    tops.pop_first().flatten().filter(|_| tops.is_empty())
}

fn clean(name: &str) -> String {
    name.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}
