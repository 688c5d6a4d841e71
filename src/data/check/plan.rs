//! What to do about problems: written down, edited by whoever likes, carried out, undone.
//!
//! A plan names pictures to leave out and pictures to mend. Carried out into a new folder, the originals stay as they are:
//! the folder holds links to the good pictures and mended copies of the others. Carried out in place, what is left out or
//! replaced moves into `.set-aside` in the source's folder, and comes back when it is undone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Diagnosis, ProblemKind};
use crate::data::{Dataset, Picture, Split, Stored, decode, encode};
use crate::files::{atomic, json};
use crate::{Error, Result};

/// Version of plans that this program writes and reads.
const FORMAT_VERSION: u32 = 1;

/// Where originals go when a plan is carried out in place.
const SET_ASIDE: &str = ".set-aside";

/// What was made of a plan, in the folder that it was made in.
const RECORD: &str = ".fixed.json";

/// Names of its own in a source's folder.
pub(in crate::data) const OWN: [&str; 2] = [SET_ASIDE, RECORD];

/// What to do about the problems of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The format's version.
    pub format_version: u32,
    /// The source, as a path from the root.
    pub source: PathBuf,
    /// One step for each picture that is not kept as it is.
    pub steps: Vec<Step>,
}

/// What to do about one picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The picture, as `data check` calls it.
    pub file: String,
    /// What to do.
    pub action: Action,
    /// Why.
    pub because: Vec<ProblemKind>,
    /// In words.
    pub detail: String,
}

/// What can be done about a picture.
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
    /// Pictures kept as they are.
    pub kept: usize,
    /// Pictures mended.
    pub mended: usize,
    /// Pictures left out.
    pub left_out: usize,
}

/// What was made, and what is undone.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// Files that were made.
    made: Vec<String>,
    /// Originals that were set aside.
    set_aside: Vec<String>,
}

impl Plan {
    /// The plan for what the doctor found in the source at `path`.
    ///
    /// Left out: what cannot be read or decoded; of two files with the same bytes the later one, that of the training set
    /// where the other is not in it, and a training picture that looks like one of another split. Mended: colours of
    /// print, wrong endings, 16 bits, several pictures in one, pictures that EXIF turns. All else stays.
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
        let plan: Self = read(path)?;
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

    /// Carries the plan out into a new folder; the source stays as it is. `progress` is told how many pictures more are
    /// done, and of how many.
    ///
    /// # Errors
    /// When the folder is not empty, names of classes are no names of folders, or a file cannot be read or made. What was
    /// made can be undone; where the program was killed, nothing says what it made, and the folder has to be removed.
    pub fn copy_to(&self, out: &Path, progress: &dyn Fn(usize, usize)) -> Result<Done> {
        let (dataset, _) = Dataset::examine(&self.source)?;
        if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::usage(format!("{} is not empty", out.display()))
                .help("a new folder; `alexnet data fix PLAN OUT --undo` removes what an earlier plan made"));
        }
        if really(out).starts_with(&self.source) {
            return Err(
                Error::usage(format!("{} is in the source itself", out.display())).help("a folder beside it")
            );
        }
        let steps = self.by_file(&dataset)?;
        let folders = class_folders(&dataset.classes)?;
        std::fs::create_dir_all(out).map_err(|error| Error::io(out, "make the folder", &error))?;
        let in_splits = dataset.split("all").is_err();
        let splits: Vec<&Split> = match dataset.split("all") {
            Ok(all) => vec![all],
            Err(_) => dataset.splits.iter().collect(),
        };
        let total = splits.iter().map(|split| split.len()).sum();
        let (mut done, mut record) = (Done::default(), Record::default());
        let result = splits.iter().try_for_each(|split| {
            let top = if in_splits { format!("{}/", split.name) } else { String::new() };
            let mut taken = BTreeSet::new();
            (0..split.len()).try_for_each(|index| {
                let class = &folders[split.label(index) as usize];
                let target = Target { out, folder: format!("{top}{class}"), taken: &mut taken };
                progress(1, total);
                copy_one(split, index, steps.get(split.file(index)).copied(), target, &mut done, &mut record)
            })
        });
        json::write(&out.join(RECORD), &record)?;
        result.map(|()| done)
    }

    /// Carries the plan out in the source's own folder: originals that are mended or left out are set aside in it.
    /// `progress` is told how many of them more are done, and of how many.
    ///
    /// # Errors
    /// When the source is no folder of class folders, an earlier plan was carried out there, or a file cannot be moved or
    /// made. What was done can be undone.
    pub fn apply_in_place(&self, progress: &dyn Fn(usize, usize)) -> Result<Done> {
        let (dataset, _) = Dataset::examine(&self.source)?;
        let aside = self.source.join(SET_ASIDE);
        if aside.join(RECORD).exists() {
            return Err(Error::usage(format!("{}: a plan was carried out there already", aside.display()))
                .help("`alexnet data fix PLAN --in-place --undo` first"));
        }
        let (changes, kept) = self.changes(&dataset)?;
        let record = Record {
            made: changes.iter().filter_map(|change| change.made.clone()).collect(),
            set_aside: changes.iter().map(|change| change.path.clone()).collect(),
        };
        std::fs::create_dir_all(&aside).map_err(|error| Error::io(&aside, "make the folder", &error))?;
        // Written first: whatever happens from here on can be undone.
        json::write(&aside.join(RECORD), &record)?;
        let (mut done, total) = (Done { kept, ..Done::default() }, changes.len());
        for Change { split, index, path, made } in changes {
            let bytes = made.is_some().then(|| mended(split, index)).transpose()?;
            rename(&self.source.join(&path), &aside.join(&path))?;
            match (bytes, made) {
                (Some((bytes, _)), Some(name)) => {
                    atomic::replace(&self.source.join(name), |out| out.write_all(&bytes))?;
                    done.mended += 1;
                }
                _ => done.left_out += 1,
            }
            progress(1, total);
        }
        Ok(done)
    }

    /// What is changed in place, and how many pictures are not. Everything that can be found wrong is found here, before a
    /// file is moved.
    fn changes<'a>(&self, dataset: &'a Dataset) -> Result<(Vec<Change<'a>>, usize)> {
        let steps = self.by_file(dataset)?;
        let (mut changes, mut kept, mut seen) = (Vec::new(), 0, BTreeSet::new());
        let all = dataset.splits.iter().flat_map(|split| (0..split.len()).map(move |i| (split, i)));
        for (split, index) in all.filter(|(split, index)| seen.insert(split.file(*index))) {
            let Some(step) = steps.get(split.file(index)) else {
                kept += 1;
                continue;
            };
            let path = split.path(index);
            let path =
                path.as_ref().and_then(|path| path.strip_prefix(&self.source).ok()).ok_or_else(|| {
                    Error::data(format!("{}: its pictures are not files of a folder", self.source.display()))
                        .help("carry the plan out into a new folder: alexnet data fix PLAN OUT")
                })?;
            let made = match step.action {
                Action::LeaveOut => None,
                Action::Mend => Some(self.name_for_mended(path, mended(split, index)?.1)?),
            };
            changes.push(Change { split, index, path: path.to_string_lossy().into_owned(), made });
        }
        Ok((changes, kept))
    }

    /// What a picture is called when it is mended; it may not take the place of another.
    fn name_for_mended(&self, path: &Path, ending: &str) -> Result<String> {
        let before = path.to_string_lossy();
        if let Some(kept) = ending_kept(&before, ending) {
            return Ok(kept);
        }
        let name = path.with_extension(ending).to_string_lossy().into_owned();
        match self.source.join(&name).exists() {
            false => Ok(name),
            true => Err(Error::data(format!(
                "{before}: mended it would be called {name}, which is there already"
            ))
            .help("rename one of them, or carry the plan out into a new folder: alexnet data fix PLAN OUT")),
        }
    }

    /// Undoes [`Plan::copy_to`] or, without a folder, [`Plan::apply_in_place`]: files that it made go, originals come
    /// back; all else stays. Returns how many.
    ///
    /// # Errors
    /// When nothing was carried out there, or a file cannot be moved or removed.
    pub fn undo(&self, out: Option<&Path>) -> Result<usize> {
        let aside = self.source.join(SET_ASIDE);
        let (root, kept) = match out {
            Some(out) => (out, out.join(RECORD)),
            None => (self.source.as_path(), aside.join(RECORD)),
        };
        if !kept.is_file() {
            return Err(Error::usage(format!("{}: no plan was carried out there", root.display())));
        }
        let record: Record = read(&kept)?;
        let all = || record.made.iter().chain(&record.set_aside);
        if let Some(outside) = all().find(|path| !is_inside(path)) {
            return Err(Error::data(format!("{}: {outside} is not in the folder", kept.display())));
        }
        let gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        for path in &record.made {
            // What has the name of an original that was not set aside yet is the original.
            if record.set_aside.contains(path) && !aside.join(path).exists() {
                continue;
            }
            let path = root.join(path);
            match std::fs::remove_file(&path) {
                Err(error) if !gone(&error) => return Err(Error::io(&path, "remove it", &error)),
                _ => remove_empty(path.parent(), root),
            }
        }
        for path in record.set_aside.iter().filter(|path| aside.join(path).exists()) {
            rename(&aside.join(path), &root.join(path))?;
            remove_empty(aside.join(path).parent(), root);
        }
        std::fs::remove_file(&kept).map_err(|error| Error::io(&kept, "remove it", &error))?;
        remove_empty(kept.parent(), root.parent().unwrap_or(root));
        Ok(record.made.len() + record.set_aside.len())
    }

    /// The steps by their pictures, which have to be there.
    fn by_file(&self, dataset: &Dataset) -> Result<HashMap<&str, &Step>> {
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
                "{} of the plan's {} pictures are not in {}, `{first}` the first of them",
                lost.len(),
                self.steps.len(),
                self.source.display()
            ))
            .help("a plan of what is there now: alexnet data check SRC --plan FILE")),
        }
    }
}

/// The path from the root, links followed, of what may not be there yet.
fn really(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match there {
        Some((above, real)) => real.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        None => path,
    }
}

/// A picture that is changed in place.
struct Change<'a> {
    split: &'a Split,
    index: usize,
    /// Its file, below the source.
    path: String,
    /// What is made of it: a file below the source.
    made: Option<String>,
}

/// Where copies of a class go.
struct Target<'a> {
    out: &'a Path,
    folder: String,
    taken: &'a mut BTreeSet<String>,
}

impl Target<'_> {
    /// A name of its own for a file, below the folder.
    fn name(&mut self, file: &str, ending: Option<&str>) -> String {
        let name = file.rsplit('/').next().unwrap_or(file);
        let (stem, old) = name.rsplit_once('.').unwrap_or((name, "jpg"));
        let ending = ending.filter(|ending| ending_kept(name, ending).is_none()).unwrap_or(old);
        let candidate = |n: usize| match n {
            1 => format!("{}/{stem}.{ending}", self.folder),
            n => format!("{}/{stem}-{n}.{ending}", self.folder),
        };
        let free = (1..).map(candidate).find(|name| !self.taken.contains(name)).expect("numbers do not end");
        self.taken.insert(free.clone());
        free
    }
}

fn copy_one(
    split: &Split,
    index: usize,
    step: Option<&Step>,
    mut target: Target<'_>,
    done: &mut Done,
    record: &mut Record,
) -> Result<()> {
    let file = split.file(index);
    let (name, bytes) = match step.map(|step| step.action) {
        Some(Action::LeaveOut) => {
            done.left_out += 1;
            return Ok(());
        }
        Some(Action::Mend) => {
            done.mended += 1;
            let (bytes, ending) = mended(split, index)?;
            (target.name(file, Some(ending)), Some(bytes))
        }
        None => {
            done.kept += 1;
            match split.stored(index)? {
                Stored::Pixels(picture) => (target.name(file, Some("png")), Some(encode::png(&picture)?)),
                Stored::TooLarge(_) => (target.name(file, None), None),
                Stored::File(_) if split.path(index).is_some() => (target.name(file, None), None),
                Stored::File(bytes) => (target.name(file, None), Some(bytes)),
            }
        }
    };
    let path = target.out.join(&name);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "make the folder", &error))?;
    }
    record.made.push(name);
    let made = match (bytes, split.path(index)) {
        (Some(bytes), _) => std::fs::write(&path, bytes),
        (None, Some(original)) => {
            // Where the picture is a link itself, what it leads to is meant: it may not lead there from elsewhere.
            let linked = original.canonicalize().and_then(|original| std::fs::hard_link(original, &path));
            linked.or_else(|_| std::fs::copy(&original, &path).map(drop))
        }
        (None, None) => Ok(()),
    };
    made.map_err(|error| Error::io(&path, "make it", &error))
}

/// The bytes of a mended picture, and its ending.
fn mended(split: &Split, index: usize) -> Result<(Vec<u8>, &'static str)> {
    let file = split.file(index);
    let Stored::File(bytes) = split.stored(index)? else {
        return Err(Error::data(format!(
            "{file}: bare pixels have nothing to mend, and what is too large is not read"
        )));
    };
    let failed = |error: Error| error.context(file).help("`leave-out` instead of `mend` for it in the plan");
    let traits = decode::inspect(&bytes).map_err(failed)?;
    // Where only the name is wrong, the bytes are right.
    let plain = traits.print.is_none() && !traits.sixteen_bit && !traits.animated && traits.orientation == 1;
    if plain {
        return Ok((bytes, traits.format.extension()));
    }
    let image = || Ok(decode::turned(decode::decode(&bytes)?, traits.orientation));
    let mended = match (traits.format, traits.print) {
        (decode::Format::Jpeg, None) => match decode::jpeg::upright(&bytes).map_err(failed)? {
            Some(upright) => Ok(upright),
            None => recoded(&bytes, image),
        },
        (decode::Format::Jpeg, Some(_)) => recoded(&bytes, image),
        // Without loss.
        _ => return Ok((image().and_then(|image| encode::png(&image)).map_err(failed)?, "png")),
    };
    Ok((mended.map_err(failed)?, "jpg"))
}

/// A JPEG of the image, with the quantization tables and the sampling of the one that it takes the place of.
fn recoded(bytes: &[u8], image: impl FnOnce() -> Result<Picture>) -> Result<Vec<u8>> {
    encode::jpeg_as(&image()?, &decode::jpeg::coding(bytes)?)
}

/// The name itself, if its ending says what `ending` does.
fn ending_kept(name: &str, ending: &str) -> Option<String> {
    let old = name.rsplit_once('.').map(|parts| parts.1.to_lowercase())?;
    let same = |format: decode::Format| format.is_supported() && format.extension() == ending;
    (old == ending || decode::Format::of_extension(&old).is_some_and(same)).then(|| name.to_owned())
}

/// Folders that can be called as the classes are.
fn class_folders(classes: &[String]) -> Result<Vec<String>> {
    let plain = |class: &String| -> String {
        let name: String =
            class.chars().map(|c| if c.is_control() || "/\\:".contains(c) { '-' } else { c }).collect();
        match name.trim_start_matches('.').trim() {
            "" => "-".to_owned(),
            name => name.to_owned(),
        }
    };
    let folders: Vec<String> = classes.iter().map(plain).collect();
    let different: BTreeSet<&String> = folders.iter().collect();
    if different.len() < folders.len() {
        return Err(Error::data(
            "two classes would have the same folder: their names differ in characters that folders cannot have",
        ));
    }
    Ok(folders)
}

/// A plan, or the record of one.
fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    json::read(path, "a plan").map_err(|error| error.help("alexnet data check SRC --plan FILE"))
}

fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "make the folder", &error))?;
    }
    std::fs::rename(from, to).map_err(|error| Error::io(from, "move it", &error))
}

/// Removes folders that are empty now, up to `root`.
fn remove_empty(folder: Option<&Path>, root: &Path) {
    let mut folder = folder;
    while let Some(empty) = folder.filter(|folder| *folder != root && std::fs::remove_dir(folder).is_ok()) {
        folder = empty.parent();
    }
}
