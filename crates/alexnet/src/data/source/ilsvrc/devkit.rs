//! The development kit: names of the classes, and the classes of the validation images.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::mat::{self, Struct, Value};
use crate::data::source::text::Text;
use crate::files::head;
use crate::format::first_few;
use crate::{Error, Result};

/// The maximum size of a file of the kit.
const MAX_SIZE: u64 = 64 << 20;

/// The first ten of the 50,000 identifiers in the ground truth of 2012, and the indices of these classes in WNID order, from
/// zero.
const GOLDEN: [u32; 10] = [490, 361, 171, 822, 297, 482, 13, 704, 599, 164];
const GOLDEN_SORTED: [u32; 10] = [65, 970, 230, 809, 516, 57, 334, 415, 674, 332];

/// The number of validation images of 2012.
const VALIDATION: usize = 50_000;

/// The development kit of a challenge.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::data::source) struct Devkit {
    /// The classes in WNID order.
    classes: Vec<Synset>,
    /// The index of the class of each validation image.
    pub(in crate::data::source) validation: Vec<u32>,
    /// Assumptions made to read it.
    pub(in crate::data::source) notes: Vec<String>,
}

/// A class.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Synset {
    /// The WordNet identifier, the name of its archive: `n01440764`.
    wnid: String,
    /// Its name: `tench, Tinca tinca`.
    words: String,
    /// The challenge's own number, which is not its index in WNID order.
    id: u32,
}

/// The files of a kit.
struct Files {
    origin: String,
    meta: Vec<u8>,
    /// The ground truths, by their names: a kit has one, but users may keep others next to it.
    truths: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// Returns the ground truth: of several the one with the name in the kit of the year, or otherwise the first by name.
    fn truth(&self, is_2012: bool) -> Option<(&String, &Vec<u8>)> {
        let year = if is_2012 { 2012 } else { 2010 };
        let usual = format!("ILSVRC{year}_validation_ground_truth.txt");
        self.truths.get_key_value(&usual).or_else(|| self.truths.first_key_value())
    }
}

impl Devkit {
    /// Finds the kit in a folder, unpacked or as ImageNet's archive; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if its files are invalid.
    pub(in crate::data::source) fn find(folder: &Path) -> Result<Option<Self>> {
        let Some(files) = unpacked(folder)?.map_or_else(|| packed(folder), |files| Ok(Some(files)))? else {
            return Ok(None);
        };
        Self::read(&files).map(Some).map_err(|error| error.context(&files.origin))
    }

    fn read(files: &Files) -> Result<Self> {
        let records = mat::structs(&files.meta, "synsets")?;
        let mut classes: Vec<Synset> =
            records.iter().filter_map(|record| leaf(record).transpose()).collect::<Result<_>>()?;
        let is_2012 = records.iter().flatten().any(|(name, _)| name == "ILSVRC2012_ID");
        if classes.is_empty() {
            return Err(Error::data("meta.mat has no classes: no synset without children"));
        }
        classes.sort_by(|a, b| a.wnid.cmp(&b.wnid));
        let mut kit = Self { classes, validation: Vec::new(), notes: Vec::new() };
        if let Some((name, truth)) = files.truth(is_2012) {
            let others: Vec<&String> = files.truths.keys().filter(|other| *other != name).collect();
            if !others.is_empty() {
                kit.notes.push(format!(
                    "{}: {name} is used for the labels, not {}",
                    files.origin,
                    first_few(others.iter())
                ));
            }
            let truth = labels(&kit.classes, &text(truth)?, is_2012)?;
            kit.validation = truth.labels;
            if !truth.is_official {
                kit.notes.push(format!(
                    "{}: the ground truth is assumed to hold the identifiers in meta.mat, not indices in WNID order. This could not be \
                     verified: it does not start like the official ILSVRC2012 ground truth",
                    files.origin
                ));
            }
        }
        Ok(kit)
    }

    /// Returns unique class names: the words, and the WNID where several classes have the same words.
    pub(in crate::data::source) fn names(&self) -> Vec<String> {
        let mut times: HashMap<&str, usize> = HashMap::new();
        for class in &self.classes {
            *times.entry(&class.words).or_default() += 1;
        }
        let name = |class: &Synset| match times[class.words.as_str()] {
            1 => class.words.clone(),
            _ => format!("{} ({})", class.words, class.wnid),
        };
        self.classes.iter().map(name).collect()
    }

    /// Converts a list of identifiers, one per line, to class indices.
    pub(super) fn labels(&self, truth: &str) -> Result<Vec<u32>> {
        labels(&self.classes, truth, false).map(|truth| truth.labels)
    }

    /// Returns the WNID of a class.
    pub(in crate::data::source) fn wnid(&self, place: u32) -> &str {
        &self.classes[place as usize].wnid
    }

    /// Returns the index of a class.
    pub(in crate::data::source) fn label(&self, wnid: &str) -> Option<u32> {
        self.classes.binary_search_by(|class| class.wnid.as_str().cmp(wnid)).ok().map(|at| at as u32)
    }
}

/// Parses the class of a record; `None` if it has children.
fn leaf(record: &Struct) -> Result<Option<Synset>> {
    let find = |names: &[&str]| {
        record.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value)
    };
    let number = |names: &[&str]| match find(names) {
        Some(Value::Numbers(numbers)) => numbers.first().copied(),
        _ => None,
    };
    let text = |names: &[&str]| match find(names) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let id = number(&["ILSVRC2012_ID", "ILSVRC2010_ID"]);
    let (Some(id), Some(wnid), Some(words)) = (id, text(&["WNID"]), text(&["words"])) else {
        let names: Vec<&str> = record.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Error::data(format!(
            "meta.mat: a synset has the fields {}, expected ILSVRC2012_ID, WNID and words",
            names.join(", ")
        )));
    };
    if number(&["num_children"]).is_some_and(|children| children > 0.0) {
        return Ok(None);
    }
    Ok(Some(Synset { wnid, words, id: id as u32 }))
}

/// The classes in a ground truth file.
#[derive(Debug)]
struct GroundTruth {
    /// The index of the class of each image.
    labels: Vec<u32>,
    /// Whether the file starts like the official one of 2012.
    is_official: bool,
}

/// Converts identifiers, one per line, to class indices, and returns whether they start like the official ones of 2012.
fn labels(classes: &[Synset], truth: &str, is_2012: bool) -> Result<GroundTruth> {
    let places: HashMap<u32, u32> = classes.iter().zip(0..).map(|(class, place)| (class.id, place)).collect();
    let ids: Vec<u32> = truth
        .split_whitespace()
        .map(|word| word.parse().map_err(|_| Error::data(format!("ground truth: `{word}` is not a number"))))
        .collect::<Result<_>>()?;
    if ids.is_empty() {
        return Err(Error::data("the ground truth is empty, expected a number for each image")
            .help("copy the file again, or unpack the development kit again"));
    }
    check_order(&ids)?;
    let label = |id: &u32| {
        places.get(id).copied().ok_or_else(|| {
            Error::data(format!(
                "ground truth: {id} is not the identifier of a class; there are {}",
                places.len()
            ))
        })
    };
    let labels: Vec<u32> = ids.iter().map(label).collect::<Result<_>>()?;
    // A list as long as that of 2012 must be the official one and lead to the known classes.
    let is_official = is_2012 && ids.starts_with(&GOLDEN) && labels.starts_with(&GOLDEN_SORTED);
    if is_2012 && ids.len() == VALIDATION && !is_official {
        return Err(Error::data(format!(
            "ground truth: it starts with {:?}, classes {:?} in WNID order; that of 2012 starts with {GOLDEN:?}, classes \
             {GOLDEN_SORTED:?}",
            &ids[..10],
            &labels[..10]
        ))
        .help("use both files of the 2012 kit: ILSVRC2012_devkit_t12.tar.gz"));
    }
    Ok(GroundTruth { labels, is_official })
}

/// Rejects indices in WNID order, which some distribute under the same file name: combined with the kit, nearly every label would
/// be wrong.
fn check_order(ids: &[u32]) -> Result<()> {
    let Some(first) = ids.first_chunk::<10>() else { return Ok(()) };
    let sorted = GOLDEN_SORTED;
    if *first == sorted || *first == sorted.map(|place| place + 1) {
        return Err(Error::data(format!(
            "ground truth: it starts with {first:?}: these are indices in WNID order, not the identifiers of the challenge, which \
             start with {GOLDEN:?}"
        ))
        .help("use the file of the development kit: data/ILSVRC2012_validation_ground_truth.txt"));
    }
    Ok(())
}

fn is_meta(name: &str) -> bool {
    name == "meta.mat"
}

pub(in crate::data::source) fn is_truth(name: &str) -> bool {
    name.ends_with("validation_ground_truth.txt") && !name.starts_with('.')
}

/// Finds the unpacked kit in the folder, in its `data/`, or in a kit folder.
fn unpacked(folder: &Path) -> Result<Option<Files>> {
    let mut places = vec![folder.to_path_buf(), folder.join("data")];
    let listed = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut kits: Vec<PathBuf> = listed.filter(|path| path.is_dir() && is_kit(path)).collect();
    kits.sort();
    // Some programs unpack an archive into a folder of the same name.
    let inner: Vec<PathBuf> = kits.iter().filter_map(|kit| Some(kit.join(kit.file_name()?))).collect();
    places.extend(kits.iter().chain(&inner).flat_map(|kit| [kit.join("data"), kit.clone()]));
    let Some(place) = places.into_iter().find(|place| place.join("meta.mat").is_file()) else {
        return Ok(None);
    };
    let read = |path: &Path| -> Result<Vec<u8>> {
        let cannot =
            |error: std::io::Error| Error::data(format!("{}: cannot read the file: {error}", path.display()));
        read_most(File::open(path).map_err(cannot)?).map_err(cannot)
    };
    let listed = std::fs::read_dir(&place).into_iter().flatten().flatten();
    let listed = listed.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
    let truths = listed.filter(|(name, _)| is_truth(name)).map(|(name, path)| Ok((name, read(&path)?)));
    Ok(Some(Files {
        origin: place.display().to_string(),
        meta: read(&place.join("meta.mat"))?,
        truths: truths.collect::<Result<_>>()?,
    }))
}

fn is_kit(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.contains("devkit") && !name.starts_with('.')
}

/// How the archive of a kit is stored, by its bytes: browsers may unpack `.gz` and keep the name, or vice versa.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Gzip,
    Tar,
}

impl Packing {
    fn of(path: &Path) -> Option<Self> {
        let head = head(path, 512).ok()?;
        match head {
            _ if head.starts_with(&[0x1f, 0x8b]) => Some(Self::Gzip),
            _ if head.get(257..262) == Some(b"ustar") => Some(Self::Tar),
            // An empty or broken archive is still the kit: reading it reports the error.
            _ if path.extension().is_some_and(|end| end == "tar") => Some(Self::Tar),
            _ if path.extension().is_some_and(|end| end == "gz" || end == "tgz") => Some(Self::Gzip),
            _ => None,
        }
    }
}

/// Finds the archive of a kit.
fn archive(folder: &Path) -> Option<(PathBuf, Packing)> {
    let listed = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut kits: Vec<PathBuf> = listed.filter(|path| path.is_file() && is_kit(path)).collect();
    kits.sort();
    kits.into_iter().find_map(|path| Packing::of(&path).map(|packing| (path, packing)))
}

/// Reads the kit from its archive.
fn packed(folder: &Path) -> Result<Option<Files>> {
    let Some((path, packing)) = archive(folder) else { return Ok(None) };
    let cannot = |error: std::io::Error| {
        Error::data(format!("{}: not a complete archive: {error}", path.display())).help("download it again")
    };
    let file = File::open(&path).map_err(cannot)?;
    let reader: Box<dyn Read> = match packing {
        Packing::Tar => Box::new(file),
        Packing::Gzip => Box::new(flate2::read::GzDecoder::new(file).take(8 * MAX_SIZE)),
    };
    let (mut meta, mut truths) = (None, BTreeMap::new());
    for entry in tar::Archive::new(reader).entries().map_err(cannot)? {
        let mut entry = entry.map_err(cannot)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.rsplit('/').next().unwrap_or_default();
        if is_meta(name) {
            meta = Some(read_most(&mut entry).map_err(cannot)?);
        } else if is_truth(name) {
            truths.insert(name.to_owned(), read_most(&mut entry).map_err(cannot)?);
        }
    }
    let meta = meta.ok_or_else(|| Error::data(format!("{}: no meta.mat in it", path.display())))?;
    Ok(Some(Files { origin: path.display().to_string(), meta, truths }))
}

/// Decodes the text of the ground truth.
fn text(bytes: &[u8]) -> Result<String> {
    Text::decode(bytes).map(|text| text.text).map_err(|error| error.context("the ground truth"))
}

/// Reads a file that must not be too large.
fn read_most(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_SIZE {
        true => Err(std::io::Error::other(format!("more than {MAX_SIZE} bytes"))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand classes with the known official identifiers.
    fn classes() -> Vec<Synset> {
        let known: HashMap<u32, u32> = GOLDEN_SORTED.into_iter().zip(GOLDEN).collect();
        let mut rest = (1..=1000).filter(|id| !GOLDEN.contains(id));
        let class = |place: u32| Synset {
            wnid: format!("n{place:08}"),
            words: place.to_string(),
            id: known.get(&place).copied().unwrap_or_else(|| rest.next().unwrap()),
        };
        (0..1000).map(class).collect()
    }

    fn lines(ids: &[u32]) -> String {
        ids.iter().map(|id| format!("{id}\n")).collect()
    }

    #[test]
    fn only_the_official_start_is_verified() {
        let classes = classes();
        let truth = labels(&classes, &lines(&GOLDEN), true).unwrap();
        assert_eq!((truth.labels, truth.is_official), (GOLDEN_SORTED.to_vec(), true));
        assert!(!labels(&classes, &lines(&GOLDEN[..9]), true).unwrap().is_official);
        assert!(!labels(&classes, &lines(&GOLDEN), false).unwrap().is_official);
        let mut other = GOLDEN;
        other.swap(0, 1);
        assert!(!labels(&classes, &lines(&other), true).unwrap().is_official);
        // A list of full length must be the official one.
        let mut whole = GOLDEN.to_vec();
        whole.resize(VALIDATION, 1);
        assert!(labels(&classes, &lines(&whole), true).unwrap().is_official);
        whole.swap(0, 1);
        assert!(
            labels(&classes, &lines(&whole), true).unwrap_err().message.contains("that of 2012 starts with")
        );
    }
}
