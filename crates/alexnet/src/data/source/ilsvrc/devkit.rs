//! The development kit: what the classes are called, and what the validation images show.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::mat::{self, Record, Value};
use crate::data::source::text::Text;
use crate::{Error, Result};

/// Most bytes of a file of the kit.
const MOST: u64 = 64 << 20;

/// The first ten of the 50,000 identifiers of 2012's ground truth, and the places of their classes in the order of
/// WNIDs, counted from zero.
const GOLDEN: [u32; 10] = [490, 361, 171, 822, 297, 482, 13, 704, 599, 164];
const GOLDEN_SORTED: [u32; 10] = [65, 970, 230, 809, 516, 57, 334, 415, 674, 332];

/// Validation images of 2012.
const VALIDATION: usize = 50_000;

/// The kit of one year's challenge.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::data::source) struct Devkit {
    /// The classes, in the order of their WNIDs.
    classes: Vec<Synset>,
    /// For each validation image the place of its class in that order.
    pub(in crate::data::source) validation: Vec<u32>,
    /// What was assumed to read it.
    pub(in crate::data::source) notes: Vec<String>,
}

/// A class.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Synset {
    /// WordNet's identifier, the name of its archive: `n01440764`.
    wnid: String,
    /// What it is called: `tench, Tinca tinca`.
    words: String,
    /// The challenge's own number for it, which is not its place in the order of WNIDs.
    id: u32,
}

/// The files of a kit, wherever they are.
struct Files {
    origin: String,
    meta: Vec<u8>,
    truth: Option<String>,
}

impl Devkit {
    /// The kit in a folder: unpacked, or as the archive that ImageNet hands out; `None`, if there is none.
    ///
    /// # Errors
    /// When its files are not what they should be.
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
        if let Some(truth) = &files.truth {
            let (validation, verified) = labels(&kit.classes, truth, is_2012)?;
            kit.validation = validation;
            if !verified {
                kit.notes.push(format!(
                    "{}: the ground truth is assumed to hold the identifiers that meta.mat gives the classes, not places in the \
                     order of WNIDs. This could not be verified: it does not begin as that of the official ILSVRC2012 kit",
                    files.origin
                ));
            }
        }
        Ok(kit)
    }

    /// Names that tell every class from every other: its words, and its WNID where the words are another's too.
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

    /// The places of the classes that a list of identifiers names, one a line.
    pub(super) fn labels(&self, truth: &str) -> Result<Vec<u32>> {
        labels(&self.classes, truth, false).map(|(labels, _)| labels)
    }

    /// The WNID of the class at a place.
    pub(in crate::data::source) fn wnid(&self, place: u32) -> &str {
        &self.classes[place as usize].wnid
    }

    /// The place of a class.
    pub(super) fn label(&self, wnid: &str) -> Option<u32> {
        self.classes.binary_search_by(|class| class.wnid.as_str().cmp(wnid)).ok().map(|at| at as u32)
    }
}

/// The class of a record; `None` for one that other classes belong to.
fn leaf(record: &Record) -> Result<Option<Synset>> {
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

/// The validation images' classes, from identifiers, one a line; and whether they begin as those of 2012's official kit do.
fn labels(classes: &[Synset], truth: &str, is_2012: bool) -> Result<(Vec<u32>, bool)> {
    let places: HashMap<u32, u32> = classes.iter().zip(0..).map(|(class, place)| (class.id, place)).collect();
    let ids: Vec<u32> = truth
        .split_whitespace()
        .map(|word| word.parse().map_err(|_| Error::data(format!("ground truth: `{word}` is no number"))))
        .collect::<Result<_>>()?;
    if ids.is_empty() {
        return Err(Error::data("the ground truth is empty, expected a number for each image")
            .help("copy the file again, or unpack the development kit again"));
    }
    check_order(&ids)?;
    let label = |id: &u32| {
        places.get(id).copied().ok_or_else(|| {
            Error::data(format!(
                "ground truth: {id} is the identifier of no class; there are {}",
                places.len()
            ))
        })
    };
    let labels: Vec<u32> = ids.iter().map(label).collect::<Result<_>>()?;
    // What is as long as 2012's has to be 2012's, and to lead to the classes that it is known to lead to.
    let is_official = is_2012 && ids.starts_with(&GOLDEN) && labels.starts_with(&GOLDEN_SORTED);
    if is_2012 && ids.len() == VALIDATION && !is_official {
        return Err(Error::data(format!(
            "ground truth: it begins {:?}, classes {:?} in the order of WNIDs; 2012's begins {GOLDEN:?}, classes \
             {GOLDEN_SORTED:?}",
            &ids[..10],
            &labels[..10]
        ))
        .help("the kit of 2012, both files of it: ILSVRC2012_devkit_t12.tar.gz"));
    }
    Ok((labels, is_official))
}

/// Refuses places in the order of WNIDs, which some hand out under the ground truth's own name: joined with the kit
/// they would label nearly every image wrongly.
fn check_order(ids: &[u32]) -> Result<()> {
    let Some(first) = ids.first_chunk::<10>() else { return Ok(()) };
    let sorted = GOLDEN_SORTED;
    if *first == sorted || *first == sorted.map(|place| place + 1) {
        return Err(Error::data(format!(
            "ground truth: it begins {first:?}: those are places in the order of WNIDs, not the challenge's identifiers, \
             which begin {GOLDEN:?}"
        ))
        .help("the file of the development kit itself: data/ILSVRC2012_validation_ground_truth.txt"));
    }
    Ok(())
}

fn is_meta(name: &str) -> bool {
    name == "meta.mat"
}

pub(in crate::data::source) fn is_truth(name: &str) -> bool {
    name.ends_with("validation_ground_truth.txt") && !name.starts_with('.')
}

/// The kit's files in the folder, in `data/` of it, or in a kit's folder of it.
fn unpacked(folder: &Path) -> Result<Option<Files>> {
    let mut places = vec![folder.to_path_buf(), folder.join("data")];
    let listed = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut kits: Vec<PathBuf> = listed.filter(|path| path.is_dir() && is_kit(path)).collect();
    kits.sort();
    // Some programs unpack an archive into a folder of its name, in which there is the archive's own.
    let inner: Vec<PathBuf> = kits.iter().filter_map(|kit| Some(kit.join(kit.file_name()?))).collect();
    places.extend(kits.iter().chain(&inner).flat_map(|kit| [kit.join("data"), kit.clone()]));
    let Some(place) = places.into_iter().find(|place| place.join("meta.mat").is_file()) else {
        return Ok(None);
    };
    let read = |path: &Path| -> Result<Vec<u8>> {
        let cannot =
            |error: std::io::Error| Error::data(format!("{}: cannot be read: {error}", path.display()));
        read_most(File::open(path).map_err(cannot)?).map_err(cannot)
    };
    let truth = std::fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.path());
    let truth =
        truth.into_iter().find(|path| path.file_name().is_some_and(|name| is_truth(&name.to_string_lossy())));
    let truth = truth.map(|path| read(&path)).transpose()?;
    Ok(Some(Files {
        origin: place.display().to_string(),
        meta: read(&place.join("meta.mat"))?,
        truth: truth.map(|bytes| text(&bytes)).transpose()?,
    }))
}

fn is_kit(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.contains("devkit") && !name.starts_with('.')
}

/// How a kit's archive is stored, by its bytes: browsers unpack `.gz` and keep the name, or the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Gzip,
    Tar,
}

impl Packing {
    fn of(path: &Path) -> Option<Self> {
        let mut head = Vec::new();
        File::open(path).ok()?.take(512).read_to_end(&mut head).ok()?;
        match head {
            _ if head.starts_with(&[0x1f, 0x8b]) => Some(Self::Gzip),
            _ if head.get(257..262) == Some(b"ustar") => Some(Self::Tar),
            // An empty or broken archive is still the kit, and reading it says what is wrong.
            _ if path.extension().is_some_and(|end| end == "tar") => Some(Self::Tar),
            _ if path.extension().is_some_and(|end| end == "gz" || end == "tgz") => Some(Self::Gzip),
            _ => None,
        }
    }
}

/// The archive of a kit.
fn archive(folder: &Path) -> Option<(PathBuf, Packing)> {
    let listed = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut kits: Vec<PathBuf> = listed.filter(|path| path.is_file() && is_kit(path)).collect();
    kits.sort();
    kits.into_iter().find_map(|path| Packing::of(&path).map(|packing| (path, packing)))
}

/// The kit's files in the archive that is handed out.
fn packed(folder: &Path) -> Result<Option<Files>> {
    let Some((path, packing)) = archive(folder) else { return Ok(None) };
    let cannot = |error: std::io::Error| {
        Error::data(format!("{}: not a whole archive: {error}", path.display())).help("download it again")
    };
    let file = File::open(&path).map_err(cannot)?;
    let reader: Box<dyn Read> = match packing {
        Packing::Tar => Box::new(file),
        Packing::Gzip => Box::new(flate2::read::GzDecoder::new(file).take(8 * MOST)),
    };
    let (mut meta, mut truth) = (None, None);
    for entry in tar::Archive::new(reader).entries().map_err(cannot)? {
        let mut entry = entry.map_err(cannot)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.rsplit('/').next().unwrap_or_default();
        if is_meta(name) {
            meta = Some(read_most(&mut entry).map_err(cannot)?);
        } else if is_truth(name) {
            truth = Some(
                text(&read_most(&mut entry).map_err(cannot)?)
                    .map_err(|error| error.context(path.display()))?,
            );
        }
    }
    let meta = meta.ok_or_else(|| Error::data(format!("{}: there is no meta.mat in it", path.display())))?;
    Ok(Some(Files { origin: path.display().to_string(), meta, truth }))
}

/// The ground truth's text.
fn text(bytes: &[u8]) -> Result<String> {
    Text::decode(bytes).map(|text| text.text).map_err(|error| error.context("the ground truth"))
}

/// A file's bytes, if they are not too many.
fn read_most(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MOST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST {
        true => Err(std::io::Error::other(format!("more than {MOST} bytes"))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand classes, whose identifiers lead where the official ones do as far as that is known.
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
    fn only_the_official_beginning_is_verified() {
        let classes = classes();
        let (places, verified) = labels(&classes, &lines(&GOLDEN), true).unwrap();
        assert_eq!((places, verified), (GOLDEN_SORTED.to_vec(), true));
        assert!(!labels(&classes, &lines(&GOLDEN[..9]), true).unwrap().1);
        assert!(!labels(&classes, &lines(&GOLDEN), false).unwrap().1);
        let mut other = GOLDEN;
        other.swap(0, 1);
        assert!(!labels(&classes, &lines(&other), true).unwrap().1);
        // The whole one has to be the official one.
        let mut whole = GOLDEN.to_vec();
        whole.resize(VALIDATION, 1);
        assert!(labels(&classes, &lines(&whole), true).unwrap().1);
        whole.swap(0, 1);
        assert!(labels(&classes, &lines(&whole), true).unwrap_err().message.contains("2012's begins"));
    }
}
