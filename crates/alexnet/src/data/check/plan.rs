//! What to do about problems: written down, edited by whoever likes, carried out, undone.
//!
//! A plan names images to leave out and images to mend. Carried out into a new folder, the originals stay as they are:
//! the folder holds links to the good images and mended copies of the others. Carried out in place, what is left out or
//! replaced moves into `.set-aside` in the source's folder, and comes back when it is undone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::copying::{Making, class_folders};
use super::in_place::Change;
use super::record::{Entry, Place, Record, rename};
pub use super::record::{Left, Undone};
use super::{Diagnosis, ProblemKind};
use crate::data::{Dataset, Image, Split, Stored, decode, encode};
use crate::error::shell;
use crate::files::{atomic, json, real_path};
use crate::{Error, Result};

/// Version of plans that this program writes and reads.
const FORMAT_VERSION: u32 = 1;

/// Where originals go when a plan is carried out in place.
pub(in crate::data) const SET_ASIDE: &str = ".set-aside";

/// What was made of a plan, in the folder that it was made in.
pub(in crate::data) const RECORD: &str = ".fixed.json";

/// Names of its own in a source's folder.
pub(in crate::data) const OWN: [&str; 2] = [SET_ASIDE, RECORD];

/// What to do about the problems of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The format's version.
    pub format_version: u32,
    /// The source, as a path from the root.
    #[serde(with = "json::path")]
    pub source: PathBuf,
    /// One step for each image that is not kept as it is.
    pub steps: Vec<Step>,
}

/// What to do about one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The image, as `data check` calls it.
    pub file: String,
    /// What to do.
    pub action: Action,
    /// Why.
    pub because: Vec<ProblemKind>,
    /// In words.
    pub detail: String,
}

/// What can be done about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Turned as EXIF says, in red, green and blue: a JPEG with the quality and sampling that it had, everything else as PNG.
    Mend,
    /// Not used.
    LeaveOut,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Images kept as they are.
    pub kept: usize,
    /// Images mended.
    pub mended: usize,
    /// Images left out.
    pub left_out: usize,
}

impl Plan {
    /// The plan for what the doctor found in the source at `path`.
    ///
    /// Left out: what cannot be read or decoded; of two files with the same bytes the later one, that of the training set
    /// where the other is not in it, and a training image that looks like one of another split. Mended: colors of
    /// print, wrong endings, 16 bits, several images in one, images that EXIF turns. All else stays.
    pub fn of(diagnosis: &Diagnosis, path: &Path) -> Self {
        let mut steps: BTreeMap<&str, Step> = BTreeMap::new();
        let crossing: BTreeSet<&str> = diagnosis
            .pairs
            .iter()
            .filter(|pair| pair.splits[0] != pair.splits[1])
            .map(|pair| pair.file.as_str())
            .collect();
        for problem in &diagnosis.problems {
            let action = match problem.kind {
                ProblemKind::Unreadable
                | ProblemKind::Empty
                | ProblemKind::Truncated
                | ProblemKind::Undecodable => Action::LeaveOut,
                ProblemKind::Duplicate => Action::LeaveOut,
                ProblemKind::NearDuplicate if crossing.contains(problem.file.as_str()) => Action::LeaveOut,
                ProblemKind::Cmyk | ProblemKind::Ycck | ProblemKind::WrongName | ProblemKind::SixteenBit => {
                    Action::Mend
                }
                ProblemKind::Animated | ProblemKind::Rotated => Action::Mend,
                _ => continue,
            };
            let step = steps.entry(&problem.file).or_insert_with(|| Step {
                file: problem.file.clone(),
                action,
                because: Vec::new(),
                detail: String::new(),
            });
            step.action = step.action.max(action);
            step.because.push(problem.kind);
            let separator = if step.detail.is_empty() { "" } else { "; " };
            step.detail += &format!("{separator}{}", problem.detail);
        }
        let source = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self { format_version: FORMAT_VERSION, source, steps: steps.into_values().collect() }
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// When there is none, or it is not one.
    pub fn read(path: &Path) -> Result<Self> {
        let plan: Self = json::read(path, "a plan")
            .map_err(|error| error.help("to make one: `alexnet data check SRC --plan FILE`"))?;
        match plan.format_version {
            FORMAT_VERSION => Ok(plan),
            other => Err(Error::data(format!(
                "{}: a plan of format {other}, this program carries out {FORMAT_VERSION}",
                path.display()
            ))),
        }
    }

    /// Writes the plan.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        json::write(path, self)
    }

    /// Carries the plan out into a new folder; the source stays as it is. `progress` is told how many images more are
    /// done, and of how many. What an interrupted call left in the folder is removed first.
    ///
    /// # Errors
    /// When the folder is not empty, names of classes are no names of folders, or a file cannot be read or made. What was
    /// made can be undone.
    pub fn copy_to(&self, out: &Path, progress: &dyn Fn(usize, usize)) -> Result<Done> {
        let (dataset, _) = Dataset::examine(&self.source)?;
        self.clean_up(&self.beside(out))?;
        if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::usage(format!("{} is not empty", out.display())).help(
                "name a new folder; `alexnet data fix PLAN OUT --undo` removes what an earlier plan made",
            ));
        }
        if real_path(out).starts_with(&self.source) {
            return Err(Error::usage(format!("{} is in the source itself", out.display()))
                .help("name a folder beside it"));
        }
        let steps = self.by_file(&dataset)?;
        let folders = class_folders(&dataset.classes)?;
        std::fs::create_dir_all(out).map_err(|error| Error::io(out, "create the folder", &error))?;
        let in_splits = dataset.split("all").is_err();
        let splits: Vec<&Split> = match dataset.split("all") {
            Ok(all) => vec![all],
            Err(_) => dataset.splits.iter().collect(),
        };
        let total = splits.iter().map(|split| split.len()).sum();
        let mut making = Making::begin(&self.source, out)?;
        for split in splits {
            let top = if in_splits { format!("{}/", split.name) } else { String::new() };
            for index in 0..split.len() {
                let folder = format!("{top}{}", folders[split.label(index) as usize]);
                progress(1, total);
                making.copy(split, index, steps.get(split.file(index)).copied(), &folder)?;
            }
        }
        making.finish()
    }

    /// Carries the plan out in the source's own folder: originals that are mended or left out are set aside in it.
    /// `progress` receives how many more are done, and the total. What an interrupted call did is undone first.
    ///
    /// # Errors
    /// When the source is no folder of class folders, an image that stays is a link to one that does not, a folder is a link,
    /// an earlier plan was carried out there, or a file cannot be moved or made. What was done can be undone.
    pub fn apply_in_place(&self, progress: &dyn Fn(usize, usize)) -> Result<Done> {
        let place = self.in_place();
        self.clean_up(&place)?;
        let (dataset, _) = Dataset::examine(&self.source)?;
        let (changes, kept) = self.changes(&dataset)?;
        let aside = &place.folder;
        std::fs::create_dir_all(aside).map_err(|error| Error::io(aside, "create the folder", &error))?;
        let mut record = Record::begin(aside)?;
        // All of it before the first change: whatever happens from here on can be undone.
        for Change { path, made, .. } in &changes {
            record.add(&Entry::SetAside(path.clone()))?;
            if let Some((file, holds)) = made {
                record.add(&Entry::Made { file: file.clone(), holds: holds.clone() })?;
            }
        }
        record.flush()?;
        let (mut done, total) = (Done { kept, ..Done::default() }, changes.len());
        for Change { split, index, path, made } in changes {
            let bytes = made.is_some().then(|| mended(split, index)).transpose()?;
            rename(&self.source.join(&path), &aside.join(&path))?;
            match (bytes, made) {
                (Some((bytes, _)), Some((name, _))) => {
                    atomic::replace(&self.source.join(name), |out| out.write_all(&bytes))?;
                    done.mended += 1;
                }
                _ => done.left_out += 1,
            }
            progress(1, total);
        }
        record.add(&Entry::Complete)?;
        Ok(done)
    }

    /// Undoes what a call that was interrupted did. What one that came to its end did is not touched.
    fn clean_up(&self, place: &Place<'_>) -> Result<()> {
        let Some(found) = place.record()? else { return Ok(()) };
        let shown = place.root.display();
        if found.is_complete() {
            let target = if place.makes_folders { shell(place.root) } else { "--in-place".to_owned() };
            return Err(Error::usage(format!("{shown}: a plan was already carried out there")).help(
                format!("to undo it first, with the same plan: `alexnet data fix PLAN {target} --undo`"),
            ));
        }
        match place.undo(&found)?.left.first() {
            None => Ok(()),
            Some(left) => Err(Error::data(format!(
                "{shown}: an interrupted `data fix` could not be undone: {}: {}",
                left.file, left.reason
            ))),
        }
    }

    /// Undoes [`Plan::copy_to`] or, without a folder, [`Plan::apply_in_place`]: files that it made go, originals come
    /// back; all else stays, files among it that were changed since. Can be repeated for what could not be undone.
    ///
    /// # Errors
    /// When nothing was carried out there, or the record of it is damaged.
    pub fn undo(&self, out: Option<&Path>) -> Result<Undone> {
        let place = match out {
            Some(out) => self.beside(out),
            None => self.in_place(),
        };
        let found = place.record()?.ok_or_else(|| {
            let error = Error::usage(format!("{}: no plan was carried out there", place.root.display()));
            match out {
                None if !self.source.exists() => {
                    error.help("if the folder was moved, change `source` in the plan")
                }
                _ => error,
            }
        })?;
        place.undo(&found)
    }

    fn in_place(&self) -> Place<'_> {
        let (root, source) = (self.source.as_path(), self.source.as_path());
        Place { folder: root.join(SET_ASIDE), root, source, makes_folders: false }
    }

    fn beside<'a>(&'a self, out: &'a Path) -> Place<'a> {
        Place { folder: out.to_owned(), root: out, source: &self.source, makes_folders: true }
    }

    /// The steps by their images, which have to be there.
    pub(super) fn by_file(&self, dataset: &Dataset) -> Result<HashMap<&str, &Step>> {
        let steps: HashMap<&str, &Step> = self.steps.iter().map(|step| (step.file.as_str(), step)).collect();
        let mut lost: BTreeSet<&str> = steps.keys().copied().collect();
        for split in &dataset.splits {
            for index in 0..split.len() {
                lost.remove(split.file(index));
            }
        }
        match lost.first() {
            None => Ok(steps),
            Some(first) => Err(Error::data(format!(
                "{} of the plan's {} images are not in {}, `{first}` the first of them",
                lost.len(),
                self.steps.len(),
                self.source.display()
            ))
            .help("make a plan of what is there now: `alexnet data check SRC --plan FILE`")),
        }
    }
}

/// The bytes of a mended image, and its ending.
pub(super) fn mended(split: &Split, index: usize) -> Result<(Vec<u8>, &'static str)> {
    let file = split.file(index);
    let Stored::File(bytes) = split.stored(index)? else {
        return Err(Error::data(format!(
            "{file}: bare pixels have nothing to mend, and what is too large is not read"
        )));
    };
    mended_bytes(bytes)
        .map_err(|error| error.context(file).help("`leave-out` instead of `mend` for it in the plan"))
}

fn mended_bytes(bytes: Vec<u8>) -> Result<(Vec<u8>, &'static str)> {
    let traits = decode::inspect(&bytes)?;
    // Where only the name is wrong, the bytes are right.
    let plain = traits.print.is_none() && !traits.sixteen_bit && !traits.animated && traits.orientation == 1;
    if plain {
        return Ok((bytes, traits.format.extension()));
    }
    let image = || Ok(decode::apply_orientation(decode::decode(&bytes)?, traits.orientation));
    Ok(match (traits.format, traits.print) {
        (decode::Format::Jpeg, None) => match decode::jpeg::upright(&bytes)? {
            Some(upright) => (upright, "jpg"),
            None => (recoded(&bytes, image)?, "jpg"),
        },
        (decode::Format::Jpeg, Some(_)) => (recoded(&bytes, image)?, "jpg"),
        // Without loss.
        _ => (encode::png(&image()?)?, "png"),
    })
}

/// A JPEG of the image, with the quantization tables and the sampling of the one that it takes the place of.
fn recoded(bytes: &[u8], image: impl FnOnce() -> Result<Image>) -> Result<Vec<u8>> {
    Ok(encode::jpeg_as(&image()?, &decode::jpeg::coding(bytes)?)?)
}

/// The name itself, if its ending says what `ending` does.
pub(super) fn ending_kept(name: &str, ending: &str) -> Option<String> {
    let old = name.rsplit_once('.').map(|parts| parts.1.to_lowercase())?;
    let same = |format: decode::Format| format.is_supported() && format.extension() == ending;
    (old == ending || decode::Format::of_extension(&old).is_some_and(same)).then(|| name.to_owned())
}
