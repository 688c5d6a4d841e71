//! Packed squares, as [`crate::data::pack`] writes them: shards in which each image's bytes have a known place.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::Dtype;

use super::archive::Archives;
use super::{Dataset, Exif, Item, Place, Split, Store};
use crate::data::Statistics;
use crate::data::pack::{Coding, FORMAT_VERSION, MOST_SIDE, Manifest, PackedSplit, Squares, UNFINISHED};
use crate::files::container::Header;
use crate::{Error, Result};

/// Whether a folder holds packed squares, finished or not.
pub(super) fn is_packed(folder: &Path) -> bool {
    [Manifest::FILE, UNFINISHED].iter().any(|name| folder.join(name).is_file())
}

pub(super) fn open(folder: &Path) -> Result<Dataset> {
    let manifest = Manifest::read(folder)?;
    if manifest.format_version > FORMAT_VERSION {
        return Err(Error::data(format!(
            "{}: packed in format {}, this program reads up to {FORMAT_VERSION}",
            folder.display(),
            manifest.format_version
        ))
        .help("a newer version of the program, or pack the images again"));
    }
    if !(1..=MOST_SIDE).contains(&manifest.side) {
        return Err(Error::data(format!(
            "{}: squares of side {}, expected 1 to {MOST_SIDE}",
            folder.display(),
            manifest.side
        )));
    }
    let squares = Arc::new(Squares::of(&manifest, folder));
    let mut splits = Vec::new();
    for packed in &manifest.splits {
        let mut split = split(folder, &manifest, &squares, packed)?;
        if packed.name == "train" {
            split.statistics = Some(Arc::new(Statistics::load(folder, manifest.side, split.len())?));
        }
        splits.push(split);
    }
    let mut notes = Vec::new();
    if !manifest.skipped.is_empty() {
        notes.push(format!(
            "{} images of {} were left out when it was packed: {} lists them",
            manifest.skipped.len(),
            manifest.source,
            folder.join(Manifest::FILE).display()
        ));
    }
    Ok(Dataset { classes: manifest.classes, splits, origin: folder.display().to_string(), notes })
}

fn split(folder: &Path, manifest: &Manifest, squares: &Arc<Squares>, packed: &PackedSplit) -> Result<Split> {
    let paths: Vec<PathBuf> = packed.shards.iter().map(|shard| folder.join(&shard.file)).collect();
    let mut items = Vec::new();
    for (archive, (path, shard)) in (0..).zip(paths.iter().zip(&packed.shards)) {
        let made = read_shard(path, archive, manifest).map_err(|error| error.context(path.display()))?;
        if made.len() != shard.images {
            return Err(Error::data(format!(
                "{}: {} images, but {} says {}",
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
        Coding::Raw => Store::Squares(archives, manifest.side),
        Coding::Jpeg => Store::Archives(archives),
    };
    let exif = Exif::Packed(Arc::clone(squares));
    Ok(Split { exif, ..Split::new(&packed.name, items, Arc::new(store)) })
}

/// The images of a shard.
fn read_shard(path: &Path, archive: u32, manifest: &Manifest) -> Result<Vec<Item>> {
    let cannot = |error: std::io::Error| Error::data(format!("cannot be read: {error}"));
    let file = File::open(path).map_err(cannot)?;
    let size = file.metadata().map_err(cannot)?.len();
    let header = Header::read(&file, size)?;
    let files: Vec<String> = serde_json::from_str(header.text("files")?)
        .map_err(|error| Error::data(format!("its list of files is broken: {error}")))?;
    let (_, labels) = header.integers(&file, "labels", Dtype::I64)?;
    let places = match manifest.store {
        Coding::Raw => squares(&header, manifest.side)?,
        Coding::Jpeg => pieces(&header, &file)?,
    };
    if labels.len() != files.len() || places.len() != files.len() {
        return Err(Error::data(format!(
            "{} names, {} labels and {} images",
            files.len(),
            labels.len(),
            places.len()
        )));
    }
    let classes = manifest.classes.len() as u64;
    if let Some(label) = labels.iter().find(|&&label| label >= classes) {
        return Err(Error::data(format!("a label is {label}, expected less than {classes}")));
    }
    let item = |((file, label), (offset, len)): ((String, u64), (u64, u32))| Item {
        file,
        label: label as u32,
        place: Place::Bytes { archive, offset, len },
    };
    Ok(files.into_iter().zip(labels).zip(places).map(item).collect())
}

/// Where each of the squares of bare pixels begins, and its bytes.
fn squares(header: &Header, side: usize) -> Result<Vec<(u64, u32)>> {
    let (shape, start, _) = header.place("images", Dtype::U8)?;
    let [count, height, width, 3] = shape[..] else {
        return Err(Error::data(format!(
            "tensor `images` has shape {shape:?}, expected [n, {side}, {side}, 3]"
        )));
    };
    let len = u32::try_from(3 * side * side).ok().filter(|&len| len > 0 && height == side && width == side);
    let len = len.ok_or_else(|| Error::data(format!("squares of {height} x {width}, expected {side}")))?;
    Ok((0..count as u64).map(|i| (start + i * u64::from(len), len)).collect())
}

/// Where each of the JPEG files begins, and its bytes.
fn pieces(header: &Header, file: &File) -> Result<Vec<(u64, u32)>> {
    let (_, start, len) = header.place("bytes", Dtype::U8)?;
    let (_, offsets) = header.integers(file, "offsets", Dtype::U64)?;
    let piece = |pair: &[u64]| {
        let bytes = pair[1].checked_sub(pair[0]).and_then(|bytes| u32::try_from(bytes).ok());
        let bytes = bytes.filter(|_| pair[1] <= len as u64);
        bytes
            .map(|bytes| (start + pair[0], bytes))
            .ok_or_else(|| Error::data(format!("an image is at bytes {} to {} of {len}", pair[0], pair[1])))
    };
    offsets.windows(2).map(piece).collect()
}
