//! WebDataset: tars in which an image `name.jpg` has its class beside it, as a number or a name, in `name.cls` or its like, as a
//! key of `name.json`, or in `name.txt`.
//!
//! Classes are called as `classes.txt` beside the tars says, one a line; a class that is a word is its own name. Which split
//! a tar belongs to, its name or its folder says: `train-000000.tar`, `val/0001.tar`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{Archives, Contents, Member};
use super::labels::Labels;
use super::naming::{self, Kind, Skipped, count};
use super::samples::{self, Belongs, Source};
use super::text::Text;
use super::tree::{held_out_dataset, some, split_name};
use super::{Dataset, Findings, Item, Place, Split, Store, index};
use crate::data::ProblemKind;
use crate::{Error, Result};

/// Most bytes of a file that names a class, and of a JSON file.
const MOST_CLASS: u32 = 4096;
const MOST_JSON: u32 = 1 << 20;

/// Keys of JSON files that hold the class, the surest first.
const KEYS: [&str; 17] = [
    "label",
    "cls",
    "class",
    "class_name",
    "label_name",
    "category",
    "category_name",
    "target",
    "label_id",
    "cls_id",
    "class_id",
    "category_id",
    "class_index",
    "species",
    "breed",
    "wnid",
    "synset",
];

/// More different texts than this, in more than half of the samples, are captions.
const CLASSES_OF_TEXTS: usize = 20;

type Shard = (Option<&'static str>, PathBuf, Contents);

/// An image whose class is known by what its file says.
struct Sample {
    class: String,
    file: String,
    place: Place,
}

/// What is gathered from all tars.
#[derive(Default)]
struct Gathered {
    splits: BTreeMap<Option<&'static str>, Vec<Sample>>,
    /// Images that are left out, by the reason.
    left_out: BTreeMap<&'static str, Vec<String>>,
    /// Images that are in the sample of another image.
    beside: Vec<String>,
    /// Labels that no image has.
    unused: usize,
    /// Files of other kinds that may hold labels, and do not where a surer kind is there.
    other_sources: BTreeMap<Source, usize>,
    skipped: Skipped,
    /// How many JSON files had each of the keys.
    keys: BTreeMap<usize, usize>,
    codings: Vec<String>,
}

/// Whether an archive's images have their classes beside them.
pub(super) fn has_classes(contents: &Contents) -> bool {
    source(contents).is_some()
}

/// The surest kind of label that is beside an image of an archive. In class folders, JSON and texts are something else.
fn source(contents: &Contents) -> Option<Source> {
    let visible = || {
        contents
            .files
            .iter()
            .map(|file| file.name.as_str())
            .filter(|name| naming::hidden_part(name).is_none())
    };
    let labels = visible().filter_map(|name| Source::of(name));
    let mut by_source: BTreeMap<Source, Vec<&str>> = BTreeMap::new();
    labels.for_each(|(source, name)| by_source.entry(source).or_default().push(name));
    if by_source.is_empty() {
        return None;
    }
    let images: Vec<&str> = visible().filter(|name| Kind::of_name(name) == Kind::Image).collect();
    let folders: BTreeSet<&str> =
        images.iter().map(|name| name.rsplit_once('/').map_or("", |parts| parts.0)).collect();
    by_source.into_iter().map(|(source, labels)| (source, labels)).find_map(|(source, labels)| match source {
        Source::Class | Source::Index => (!images.is_empty() || source == Source::Class).then_some(source),
        Source::Json | Source::Text => {
            let found = samples::pair(&images, &labels).unwrap_or_default();
            let labelled = found.iter().filter(|belongs| matches!(belongs, Belongs::To(_))).count();
            (folders.len() < 2 && 2 * labelled > images.len()).then_some(source)
        }
    })
}

/// Whether a folder has tars whose images have their classes beside them.
pub(super) fn is_webdataset(folder: &Path) -> bool {
    let has_classes =
        |path: &Path| index::kept(path, index::Listing::Plain).is_ok_and(|all| has_classes(&all));
    tars(folder).iter().any(|(_, path)| has_classes(path))
}

/// The tars right in a folder, and in folders in it that are called as a split is; with the split of each.
pub(super) fn tars(folder: &Path) -> Vec<(Option<&'static str>, PathBuf)> {
    let entries = |folder: &Path| {
        let listed = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<PathBuf> = listed.collect();
        found.sort();
        found
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_tar = |path: &PathBuf| {
        let is_tar = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("tar"));
        is_tar && naming::hidden_part(&name(path)).is_none() && path.is_file()
    };
    let own = entries(folder).into_iter().filter(is_tar).map(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (split_word(&stem), path)
    });
    let parts = entries(folder).into_iter().filter_map(|path| Some((split_name(&name(&path))?, path)));
    let below = parts.flat_map(|(split, path)| {
        entries(&path).into_iter().filter(is_tar).map(move |path| (Some(split), path))
    });
    own.chain(below).collect()
}

/// The split that a word of a name says: `toy-train-000000`, `trainLabels`.
pub(super) fn split_word(name: &str) -> Option<&'static str> {
    let words = name.split(|c: char| !c.is_alphabetic());
    words
        .flat_map(|word| {
            [word, &word[..word.find(|c: char| c.is_uppercase()).filter(|&at| at > 0).unwrap_or(0)]]
        })
        .find_map(split_name)
}

/// One tar by itself.
pub(super) fn single(path: &Path, contents: Contents, findings: &mut Findings) -> Result<Dataset> {
    let folder = path.parent().unwrap_or(Path::new("."));
    dataset(path, folder, vec![(None, path.to_owned(), contents)], findings)
}

pub(super) fn open(folder: &Path, findings: &mut Findings) -> Result<Dataset> {
    let list = |(split, path): (Option<&'static str>, PathBuf)| {
        let contents = index::kept(&path, index::Listing::Plain)
            .map_err(|error| Error::data(format!("{}: not a whole tar archive: {error}", path.display())))?;
        Ok((split, path, contents))
    };
    dataset(folder, folder, tars(folder).into_iter().map(list).collect::<Result<_>>()?, findings)
}

fn dataset(origin: &Path, folder: &Path, shards: Vec<Shard>, findings: &mut Findings) -> Result<Dataset> {
    let origin = origin.display().to_string();
    let several = shards.len() > 1;
    let archives = Archives::new(shards.iter().map(|(_, path, _)| path.clone()));
    let source = shards.iter().filter_map(|(.., contents)| source(contents)).min().unwrap_or(Source::Class);
    let mut all = Gathered::default();
    let mut notes = Vec::new();
    for ((split, path, contents), archive) in shards.into_iter().zip(0..) {
        // Tars may have members of the same names: each is called after its tar too, where there are several.
        let prefix = path.strip_prefix(folder).ok().filter(|_| several);
        let prefix = prefix.map_or(String::new(), |tar| format!("{}/", tar.display()));
        notes.extend(contents.notes(&path));
        contents.odd.iter().for_each(|name| findings.tell(ProblemKind::Junk, name, "not a plain file"));
        if !contents.odd.is_empty() {
            let odd: Vec<&str> = contents.odd.iter().map(String::as_str).collect();
            notes.push(format!(
                "{}: skipped {} that are not plain files: {}",
                path.display(),
                count(odd.len(), "member"),
                some(&odd)
            ));
        }
        let shard = Reader { archives: &archives, archive, prefix, source };
        shard.read(split, contents.files, &mut all).map_err(|error| error.context(path.display()))?;
    }
    all.choose_key(source);
    all.tell(source, findings, &mut notes);
    let said: BTreeSet<&str> = all.splits.values().flatten().map(|sample| sample.class.as_str()).collect();
    if said.is_empty() {
        return Err(no_labels(&origin, source, &all));
    }
    let samples: usize = all.splits.values().map(Vec::len).sum();
    if source == Source::Text && said.len() > CLASSES_OF_TEXTS && 2 * said.len() > samples {
        return Err(Error::data(format!(
            "{origin}: the .txt files hold {} different texts for {samples} images: captions, not classes",
            said.len()
        ))
        .help("a .cls with the class beside each image: 0001.jpg, 0001.cls"));
    }
    let classes = Labels::of(folder, &said)?;
    notes.extend(classes.notes(folder));
    let splits = all.splits.into_iter().filter(|(_, samples)| !samples.is_empty());
    let item = |Sample { class, file, place }: Sample| Item {
        file,
        label: classes.label(&class).unwrap_or(0),
        place,
    };
    let splits: BTreeMap<Option<&str>, Vec<Item>> =
        splits.map(|(split, samples)| (split, samples.into_iter().map(item).collect())).collect();
    Ok(assemble(splits, classes.names, Store::Archives(archives), origin, notes))
}

/// The dataset of what is in splits, or else has a part held out.
fn assemble(
    mut splits: BTreeMap<Option<&str>, Vec<Item>>,
    names: Vec<String>,
    store: Store,
    origin: String,
    mut notes: Vec<String>,
) -> Dataset {
    let store = Arc::new(store);
    if splits.len() == 1 && splits.contains_key(&None) {
        let all = splits.into_values().flatten().collect();
        return held_out_dataset(names, all, &store, origin, notes);
    }
    if let Some(rest) = splits.remove(&None) {
        notes.push(format!(
            "skipped {}: the names of their tars do not say which split they belong to",
            count(rest.len(), "image")
        ));
    }
    let mut made: Vec<Split> = Vec::new();
    for (name, items) in splits {
        made.push(Split::new(name.unwrap_or_default(), items, Arc::clone(&store)));
    }
    made.sort_by_key(|split| (split.name != "train", split.name != "val"));
    Dataset { classes: names, splits: made, origin, notes }
}

fn no_labels(origin: &str, source: Source, all: &Gathered) -> Error {
    let reasons =
        all.left_out.iter().map(|(reason, files)| format!("{reason}: {}", count(files.len(), "image")));
    let reasons: Vec<String> = reasons.collect();
    let why = if reasons.is_empty() { "no image".to_owned() } else { reasons.join("; ") };
    let error = Error::data(format!("{origin}: no image has a class ({why})"));
    match source {
        Source::Json => error.help(format!(
            "one of the keys {} in each .json, or a .cls beside each image",
            KEYS[..4].join(", ")
        )),
        Source::Class | Source::Index | Source::Text => {
            error.help("a .cls with the class beside each image: 0001.jpg, 0001.cls")
        }
    }
}

impl Gathered {
    fn leave_out(&mut self, reason: &'static str, file: String) {
        self.left_out.entry(reason).or_default().push(file);
    }

    /// Of the values of a JSON file's keys, which are still all in `class`, leaves that of one key for all files.
    fn choose_key(&mut self, source: Source) {
        if source != Source::Json {
            return;
        }
        // The key that most files have; of several the surest.
        let best = self.keys.iter().max_by_key(|&(&key, &files)| (files, std::cmp::Reverse(key)));
        let Some((&key, _)) = best else { return };
        self.codings.push(format!("classes from key `{}` of the .json files", KEYS[key]));
        let mut without = Vec::new();
        for samples in self.splits.values_mut() {
            for mut sample in std::mem::take(samples) {
                let values: BTreeMap<usize, String> = serde_json::from_str(&sample.class).unwrap_or_default();
                match values.get(&key) {
                    Some(value) => {
                        sample.class.clone_from(value);
                        samples.push(sample);
                    }
                    None => without.push(sample.file),
                }
            }
        }
        without.into_iter().for_each(|file| self.leave_out("a .json without that key", file));
    }

    fn tell(&self, source: Source, findings: &mut Findings, notes: &mut Vec<String>) {
        for (reason, files) in &self.left_out {
            files.iter().for_each(|file| findings.tell(ProblemKind::Loose, file, *reason));
            let names: Vec<&str> = files.iter().map(String::as_str).collect();
            notes.push(format!("skipped {} ({reason}): {}", count(names.len(), "image"), some(&names)));
        }
        if !self.beside.is_empty() {
            let names: Vec<&str> = self.beside.iter().map(String::as_str).collect();
            names.iter().for_each(|&file| {
                findings.tell(ProblemKind::NotUsed, file, "beside the image of its sample; skipped")
            });
            notes.push(format!(
                "skipped {} that only accompany the image of a sample, as masks do: {}",
                count(names.len(), "image"),
                some(&names)
            ));
        }
        if self.unused > 0 {
            notes.push(format!("{} have no image", count(self.unused, &format!("{} file", source.name()))));
        }
        for (other, &files) in &self.other_sources {
            let files = count(files, &format!("{} file", other.name()));
            notes.push(format!("not used: {files}; classes are read from {} files", source.name()));
        }
        notes.extend(self.codings.iter().cloned());
        self.skipped.tell(findings);
        notes.extend(self.skipped.notes());
    }
}

/// Reads one tar.
struct Reader<'a> {
    archives: &'a Archives,
    archive: u32,
    prefix: String,
    source: Source,
}

/// A label, or why there is none.
enum Said {
    Class(String),
    /// Values of the known keys of a JSON file.
    Keys(BTreeMap<usize, String>),
    Nothing(&'static str),
}

impl Reader<'_> {
    fn read(&self, split: Option<&'static str>, files: Vec<Member>, all: &mut Gathered) -> Result<()> {
        let is_label = |name: &str| {
            Source::of(name).is_some_and(|(_, stem)| !stem.is_empty()) && Kind::of_name(name) != Kind::Hidden
        };
        let (mut labels, files): (Vec<Member>, Vec<Member>) =
            files.into_iter().partition(|file| is_label(&file.name));
        labels.retain(|file| match Source::of(&file.name) {
            Some((source, _)) if source == self.source => true,
            Some((source, _)) => {
                *all.other_sources.entry(source).or_default() += 1;
                false
            }
            None => false,
        });
        let files = files.into_iter().map(|file| (file.name.clone(), file)).collect();
        let head = |_: &str, file: &Member| {
            self.archives.read(self.archive, file.offset, file.len.min(naming::HEAD as u32))
        };
        let images = naming::images(files, &head, &mut all.skipped);
        let stems: Vec<&str> = labels.iter().filter_map(|file| Some(Source::of(&file.name)?.1)).collect();
        let names: Vec<&str> = images.iter().map(|(name, _)| name.as_str()).collect();
        let pairs = samples::pair(&names, &stems)?;
        let used: BTreeSet<usize> = pairs
            .iter()
            .flat_map(|pair| if let Belongs::To(labels) = pair { &labels[..] } else { &[] })
            .copied()
            .collect();
        all.unused += labels.len() - used.len();
        all.splits.entry(split).or_default();
        for ((name, image), pair) in images.iter().zip(pairs) {
            let file = format!("{}{name}", self.prefix);
            let said = match pair {
                Belongs::Alone => Said::Nothing("nothing beside it says what it shows"),
                Belongs::Beside => {
                    all.beside.push(file);
                    continue;
                }
                Belongs::To(places) => {
                    self.said(&places.iter().map(|&at| &labels[at]).collect::<Vec<_>>(), all)?
                }
            };
            let class = match said {
                Said::Nothing(reason) => {
                    all.leave_out(reason, file);
                    continue;
                }
                Said::Class(class) => class,
                Said::Keys(values) => {
                    values.keys().for_each(|&key| *all.keys.entry(key).or_default() += 1);
                    serde_json::to_string(&values).expect("numbers and strings are JSON")
                }
            };
            let place = Place::Bytes { archive: self.archive, offset: image.offset, len: image.len };
            all.splits.entry(split).or_default().push(Sample { class, file, place });
        }
        Ok(())
    }

    /// What one or several labels say; several have to say the same.
    fn said(&self, labels: &[&Member], all: &mut Gathered) -> Result<Said> {
        let mut first: Option<(Said, &str)> = None;
        for label in labels {
            let said = self.one(label, all)?;
            match &first {
                Some((before, other)) if !before.is_same(&said) => {
                    return Err(Error::data(format!(
                        "two labels for one image that differ: {other} and {}",
                        label.name
                    ))
                    .help("one label for each image"));
                }
                Some(_) => {}
                None => first = Some((said, &label.name)),
            }
        }
        Ok(first.map_or(Said::Nothing("nothing beside it says what it shows"), |(said, _)| said))
    }

    fn one(&self, label: &Member, all: &mut Gathered) -> Result<Said> {
        let most = if self.source == Source::Json { MOST_JSON } else { MOST_CLASS };
        if label.len > most {
            return match self.source {
                Source::Class | Source::Index => {
                    Err(Error::data(format!("{} has {} bytes, expected a class", label.name, label.len)))
                }
                Source::Json | Source::Text => Ok(Said::Nothing("a label of too many bytes")),
            };
        }
        let bytes = self.archives.read(self.archive, label.offset, label.len);
        let bytes = bytes.map_err(|error| Error::data(format!("{}: {error}", label.name)))?;
        let Ok(text) = Text::decode(&bytes) else { return Ok(Said::Nothing("a label that is not text")) };
        if let Some(note) = text.note(&label.name).filter(|_| all.codings.is_empty()) {
            all.codings.push(note);
        }
        Ok(match self.source {
            Source::Json => values(&text.text),
            Source::Class | Source::Index | Source::Text => match <[String; 1]>::try_from(text.words()) {
                Ok([class]) => Said::Class(class),
                Err(lines) if lines.is_empty() => Said::Nothing("an empty label"),
                Err(_) => Said::Nothing("a label of several lines"),
            },
        })
    }
}

impl Said {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Class(a), Self::Class(b)) => a == b,
            (Self::Keys(a), Self::Keys(b)) => a == b,
            (Self::Nothing(_), Self::Nothing(_)) => true,
            (Self::Class(_) | Self::Keys(_) | Self::Nothing(_), _) => false,
        }
    }
}

/// The values of a JSON file's keys that could be the class: names and whole numbers.
fn values(json: &str) -> Said {
    use serde_json::Value;
    let class = |value: &Value| match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && (0.0..1e9).contains(number));
            whole.map(|number| (number as u64).to_string())
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    match serde_json::from_str(json) {
        Err(_) => Said::Nothing("a label that is not JSON"),
        Ok(Value::Object(fields)) => {
            let known = KEYS.iter().zip(0..).filter_map(|(&key, at)| Some((at, class(fields.get(key)?)?)));
            let known: BTreeMap<usize, String> = known.collect();
            if known.is_empty() {
                Said::Nothing("a .json without a key for the class")
            } else {
                Said::Keys(known)
            }
        }
        // A bare class stands for the first key.
        Ok(value) => class(&value).map_or(Said::Nothing("a .json without a class"), |class| {
            Said::Keys(BTreeMap::from([(0, class)]))
        }),
    }
}
