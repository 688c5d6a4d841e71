//! What to do about problems: written down, edited by whoever likes, carried out, undone.
//!
//! A plan names pictures to leave out and pictures to mend. Carried out into a new folder, the originals stay as they are:
//! the folder holds links to the good pictures and mended copies of the others. Carried out in place, what is left out or
//! replaced moves into `.set-aside` in the source's folder, and comes back when it is undone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::record::{Entry, Holds, Place, Record, is_there, rename};
pub use super::record::{Left, Undone};
use super::{Diagnosis, ProblemKind};
use crate::data::{Dataset, Picture, Split, Stored, decode, encode};
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

    /// Carries the plan out into a new folder; the source stays as it is. `progress` is told how many pictures more are
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
        let mut done = Done::default();
        let mut making = Making { source: &self.source, out, record: Record::begin(out)? };
        for split in splits {
            let top = if in_splits { format!("{}/", split.name) } else { String::new() };
            let mut taken = BTreeSet::new();
            for index in 0..split.len() {
                let class = &folders[split.label(index) as usize];
                let target = Target { folder: format!("{top}{class}"), taken: &mut taken };
                progress(1, total);
                making.copy_one(split, index, steps.get(split.file(index)).copied(), target, &mut done)?;
            }
        }
        making.record.add(&Entry::Complete)?;
        Ok(done)
    }

    /// Carries the plan out in the source's own folder: originals that are mended or left out are set aside in it.
    /// `progress` is told how many of them more are done, and of how many. What an interrupted call did is undone first.
    ///
    /// # Errors
    /// When the source is no folder of class folders, a picture that stays is a link to one that does not, a folder is a link,
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

    /// What is changed in place, and how many pictures are not. Everything that can be found wrong is found here, before a
    /// file is moved.
    fn changes<'a>(&self, dataset: &'a Dataset) -> Result<(Vec<Change<'a>>, usize)> {
        let steps = self.by_file(dataset)?;
        let (mut changes, mut kept, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        let all = dataset.splits.iter().flat_map(|split| (0..split.len()).map(move |i| (split, i)));
        for (split, index) in all.filter(|(split, index)| seen.insert(split.file(*index))) {
            let path = split.path(index);
            let Some(step) = steps.get(split.file(index)) else {
                kept.extend(path);
                continue;
            };
            let path = path
                .as_ref()
                .and_then(|path| path.strip_prefix(&self.source).ok()?.to_str())
                .ok_or_else(|| {
                    Error::data(format!("{}: its pictures are not files of a folder", self.source.display()))
                        .help("carry the plan out into a new folder: `alexnet data fix PLAN OUT`")
                })?;
            self.check_movable(path)?;
            let made = match step.action {
                Action::LeaveOut => None,
                Action::Mend => {
                    let (bytes, ending) = mended(split, index)?;
                    Some((self.name_for_mended(path, ending)?, Holds::of(&bytes)))
                }
            };
            changes.push(Change { split, index, path: path.to_owned(), made });
        }
        self.check_links(&changes, &kept)?;
        // A link is read before what it leads to moves.
        changes.sort_by_key(|change| !self.source.join(&change.path).is_symlink());
        let images = seen.len() - changes.len();
        Ok((changes, images))
    }

    /// Whether a picture can be set aside, and only it.
    fn check_movable(&self, path: &str) -> Result<()> {
        let help = "carry the plan out into a new folder: `alexnet data fix PLAN OUT`";
        let mut folders = Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        if let Some(link) = folders.find(|folder| self.source.join(folder).is_symlink()) {
            return Err(Error::data(format!(
                "{path}: {} is a link to a folder, whose files may belong to others too",
                link.display()
            ))
            .help(help));
        }
        let aside = self.source.join(SET_ASIDE).join(path);
        if is_there(&aside) {
            return Err(Error::data(format!("{}: there is a file of that name already", aside.display()))
                .help("move it away, or delete it"));
        }
        Ok(())
    }

    /// No picture that stays is a link to one that moves.
    fn check_links(&self, changes: &[Change<'_>], kept: &[PathBuf]) -> Result<()> {
        let stays = |change: &&Change<'_>| change.made.as_ref().is_some_and(|(name, _)| *name == change.path);
        let moved: HashMap<PathBuf, &str> = changes
            .iter()
            .filter(|change| !stays(change))
            .map(|change| (self.source.join(&change.path), change.path.as_str()))
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        for picture in kept {
            if let Some(lost) = links(picture).find_map(|link| moved.get(&link)) {
                let shown = picture.strip_prefix(&self.source).unwrap_or(picture).display();
                return Err(Error::data(format!("{shown} is a link to {lost}, which would be set aside"))
                    .help("in the plan, name the link instead of the file; or carry it out into a new folder: `alexnet data fix PLAN OUT`"));
            }
        }
        Ok(())
    }

    /// What a picture is called when it is mended; it may not take the place of another.
    fn name_for_mended(&self, before: &str, ending: &str) -> Result<String> {
        if let Some(kept) = ending_kept(before, ending) {
            return Ok(kept);
        }
        let name = Path::new(before).with_extension(ending).to_string_lossy().into_owned();
        match is_there(&self.source.join(&name)) {
            false => Ok(name),
            true => Err(Error::data(format!(
                "{before}: mended it would be called {name}, which is there already"
            ))
            .help(
                "rename one of them, or carry the plan out into a new folder: `alexnet data fix PLAN OUT`",
            )),
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
            .help("make a plan of what is there now: `alexnet data check SRC --plan FILE`")),
        }
    }
}

/// A picture that is changed in place.
struct Change<'a> {
    split: &'a Split,
    index: usize,
    /// Its file, below the source.
    path: String,
    /// What is made of it: a file below the source.
    made: Option<(String, Holds)>,
}

/// The paths that a symbolic link leads to, one after the other.
fn links(path: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |path: &PathBuf| {
        let target = std::fs::read_link(path).ok()?;
        let target = path.parent()?.join(target);
        Some(target.parent()?.canonicalize().ok()?.join(target.file_name()?))
    };
    // Links that lead to each other are no pictures.
    std::iter::successors(next(&path.to_owned()), next).take(40)
}

/// A folder that is being filled.
struct Making<'a> {
    source: &'a Path,
    out: &'a Path,
    record: Record,
}

/// Where copies of a class go.
struct Target<'a> {
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

impl Making<'_> {
    fn copy_one(
        &mut self,
        split: &Split,
        index: usize,
        step: Option<&Step>,
        mut target: Target<'_>,
        done: &mut Done,
    ) -> Result<()> {
        let file = split.file(index);
        let (name, content) = match step.map(|step| step.action) {
            Some(Action::LeaveOut) => {
                done.left_out += 1;
                return Ok(());
            }
            Some(Action::Mend) => {
                done.mended += 1;
                let (bytes, ending) = mended(split, index)?;
                (target.name(file, Some(ending)), Content::Bytes(bytes))
            }
            None => {
                done.kept += 1;
                match (split.path(index), split.stored(index)?) {
                    (_, Stored::Pixels(picture)) => {
                        (target.name(file, Some("png")), Content::Bytes(encode::png(&picture)?))
                    }
                    (Some(original), _) => (target.name(file, None), Content::Original(original)),
                    (None, Stored::File(bytes)) => (target.name(file, None), Content::Bytes(bytes)),
                    (None, Stored::TooLarge(bytes)) => {
                        return Err(Error::data(format!("{file}: {bytes} bytes are too many for a picture"))
                            .help("`leave-out` for it in the plan"));
                    }
                }
            }
        };
        self.make(name, &content)
    }

    fn make(&mut self, name: String, content: &Content) -> Result<()> {
        let path = self.out.join(&name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::io(folder, "create the folder", &error))?;
        }
        let holds = match content {
            Content::Bytes(bytes) => Holds::of(bytes),
            Content::Original(original) => {
                let below = original.strip_prefix(self.source).ok().and_then(Path::to_str);
                below.map_or(Holds::Unknown, |below| Holds::CopyOf(below.to_owned()))
            }
        };
        self.record.add(&Entry::Made { file: name, holds })?;
        let made = match content {
            Content::Bytes(bytes) => std::fs::write(&path, bytes),
            Content::Original(original) => {
                // Where the picture is a link itself, what it leads to is meant: it may not lead there from elsewhere.
                let linked = original.canonicalize().and_then(|original| std::fs::hard_link(original, &path));
                linked.or_else(|_| std::fs::copy(original, &path).map(drop))
            }
        };
        made.map_err(|error| Error::io(&path, "write the file", &error))
    }
}

/// What a new file holds.
enum Content {
    Bytes(Vec<u8>),
    /// What this file does.
    Original(PathBuf),
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
