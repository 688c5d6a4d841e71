//! Packed squares as written by [`crate::data::pack`]: shards in which the offset of each image is known.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::Dtype;

use super::archive::Archives;
use super::catalog::{ByteRange, Item, Location};
use super::dataset::{Advice, Dataset};
use super::split::Split;
use super::store::Store;
use crate::data::own_files::UNFINISHED_PACK;
use crate::data::pack::{
    FORMAT_VERSION, MAX_SIDE, Manifest, PackedShard, PackedSplit, PackedSquares, Storage,
};
use crate::data::statistics::Statistics;
use crate::files::container::Header;
use crate::format::counted;
use crate::{Error, Result};

/// What to do about a folder with files of two packings.
const ANOTHER_PACKING: &str =
    "copy the whole folder again, or pack the images again into a new folder: `alexnet data pack SRC OUT`";

/// Returns whether a folder holds packed squares, finished or not.
pub(super) fn is_packed(folder: &Path) -> bool {
    [Manifest::FILE, UNFINISHED_PACK].iter().any(|name| folder.join(name).is_file())
}

pub(super) fn open(folder: &Path) -> Result<Dataset> {
    let manifest = Manifest::read(folder)?;
    if manifest.format_version > FORMAT_VERSION {
        return Err(Error::data(format!(
            "{}: packed in format version {}, expected at most {FORMAT_VERSION}",
            folder.display(),
            manifest.format_version
        ))
        .help("use a newer version of alexnet, or pack the images again"));
    }
    if !(1..=MAX_SIDE).contains(&manifest.side) {
        return Err(Error::data(format!(
            "{}: squares of side {}, expected 1 to {MAX_SIDE}",
            folder.display(),
            manifest.side
        )));
    }
    if manifest.splits.is_empty() {
        return Err(Error::data(format!("{}: {} has no splits", folder.display(), Manifest::FILE))
            .help("pack the images again: `alexnet data pack SRC OUT`"));
    }
    let squares = Arc::new(PackedSquares::of(&manifest, folder));
    let mut splits = Vec::new();
    for packed in &manifest.splits {
        let mut split = split(folder, &manifest, &squares, packed)?;
        if packed.name == "train" {
            let digest = &manifest.source_digest;
            let statistics = Statistics::load_packed(folder, manifest.side, split.len(), digest)
                .map_err(|error| error.help(ANOTHER_PACKING))?;
            split.set_statistics(Arc::new(statistics));
        }
        splits.push(split);
    }
    let mut notes = Vec::new();
    if !manifest.skipped.is_empty() {
        notes.push(format!(
            "packing skipped {} of {}: {} lists them",
            counted(manifest.skipped.len(), "image"),
            manifest.source,
            folder.join(Manifest::FILE).display()
        ));
    }
    let to_train = "pack images with a training split: `alexnet data pack SRC OUT`".to_owned();
    let advice = Advice { to_train: Some(to_train), ..Advice::default() };
    let origin = folder.display().to_string();
    Ok(Dataset { classes: manifest.classes, splits, origin, notes, advice })
}

fn split(
    folder: &Path,
    manifest: &Manifest,
    squares: &Arc<PackedSquares>,
    packed: &PackedSplit,
) -> Result<Split> {
    let paths: Vec<PathBuf> = packed.shards.iter().map(|shard| folder.join(&shard.file)).collect();
    let mut items = Vec::new();
    for (archive, (path, shard)) in (0..).zip(paths.iter().zip(&packed.shards)) {
        let made = read_shard(path, archive, manifest, &packed.name, shard)
            .map_err(|error| error.context(path.display()))?;
        if made.len() != shard.images {
            return Err(Error::data(format!(
                "{}: {} images, but {} declares {}",
                path.display(),
                made.len(),
                Manifest::FILE,
                shard.images
            )));
        }
        items.extend(made);
    }
    let archives = Archives::new(paths);
    let store = match manifest.store {
        Storage::Raw => Store::Squares { files: archives, side: manifest.side },
        Storage::Jpeg => Store::Archives(archives),
    };
    Ok(Split::new(&packed.name, items, Arc::new(store)).packed(Arc::clone(squares)))
}

/// Reads the list of images in a shard of this split.
fn read_shard(
    path: &Path,
    archive: u32,
    manifest: &Manifest,
    split: &str,
    shard: &PackedShard,
) -> Result<Vec<Item>> {
    let cannot = |error: std::io::Error| Error::data(format!("cannot read the file: {error}"));
    let file = File::open(path).map_err(cannot)?;
    let size = file.metadata().map_err(cannot)?.len();
    let header = Header::read(&file, size)?;
    check_packing(&header, size, manifest, split, shard)?;
    let files: Vec<String> = serde_json::from_str(header.text("files")?)
        .map_err(|error| Error::data(format!("invalid list of files: {error}")))?;
    let (_, labels) = header.integers(&file, "labels", Dtype::I64)?;
    let ranges = match manifest.store {
        Storage::Raw => squares(&header, manifest.side, archive)?,
        Storage::Jpeg => pieces(&header, &file, archive)?,
    };
    if labels.len() != files.len() || ranges.len() != files.len() {
        return Err(Error::data(format!(
            "{} names, {} labels and {} images",
            files.len(),
            labels.len(),
            ranges.len()
        )));
    }
    let classes = manifest.classes.len() as u64;
    if let Some(label) = labels.iter().find(|&&label| label >= classes) {
        return Err(Error::data(format!("label {label}, expected less than {classes}")));
    }
    let item = |((file, label), range): ((String, u64), ByteRange)| Item {
        file,
        label: label as u32,
        location: Location::Bytes(range),
    };
    Ok(files.into_iter().zip(labels).zip(ranges).map(item).collect())
}

/// Checks that a shard is the one in the manifest. A folder that was copied over another, but not to the end, has files of both, and
/// the labels of one do not index the classes of the other.
fn check_packing(
    header: &Header,
    size: u64,
    manifest: &Manifest,
    split: &str,
    shard: &PackedShard,
) -> Result<()> {
    // A fuzzer cannot guess sizes.
    let size = if cfg!(fuzzing) { shard.bytes } else { size };
    let (size, bytes) = (size.to_string(), shard.bytes.to_string());
    let pairs = [
        ("source_digest", header.text("source_digest")?, manifest.source_digest.as_str()),
        ("split", header.text("split")?, split),
        ("size", size.as_str(), bytes.as_str()),
    ];
    match pairs.into_iter().find(|(_, found, expected)| found != expected) {
        None => Ok(()),
        Some((what, found, expected)) => Err(Error::data(format!(
            "of another packing: {what} {found}, but {} declares {expected}",
            Manifest::FILE
        ))
        .help(ANOTHER_PACKING)),
    }
}

/// Returns the bytes of each square of raw pixels.
fn squares(header: &Header, side: usize, archive: u32) -> Result<Vec<ByteRange>> {
    let (shape, start, _) = header.place("images", Dtype::U8)?;
    let [count, height, width, 3] = shape[..] else {
        return Err(Error::data(format!(
            "tensor `images` has shape {shape:?}, expected [n, {side}, {side}, 3]"
        )));
    };
    let len = u32::try_from(3 * side * side).ok().filter(|&len| len > 0 && height == side && width == side);
    let len = len.ok_or_else(|| Error::data(format!("squares of {height} x {width}, expected {side}")))?;
    Ok((0..count as u64).map(|i| ByteRange { archive, offset: start + i * u64::from(len), len }).collect())
}

/// Returns the bytes of each JPEG file.
fn pieces(header: &Header, file: &File, archive: u32) -> Result<Vec<ByteRange>> {
    let (_, start, len) = header.place("bytes", Dtype::U8)?;
    let (_, offsets) = header.integers(file, "offsets", Dtype::U64)?;
    let piece = |pair: &[u64]| {
        let bytes = pair[1].checked_sub(pair[0]).and_then(|bytes| u32::try_from(bytes).ok());
        let bytes = bytes.filter(|_| pair[1] <= len as u64);
        bytes
            .map(|len| ByteRange { archive, offset: start + pair[0], len })
            .ok_or_else(|| Error::data(format!("an image is at bytes {} to {} of {len}", pair[0], pair[1])))
    };
    offsets.windows(2).map(piece).collect()
}
