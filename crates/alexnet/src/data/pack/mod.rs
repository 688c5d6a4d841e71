//! Images of every shape to squares of one size, in files that are read fast: done once, before many epochs (paper,
//! section 2).
//!
//! A folder of packed squares holds `pack.json` ([`Manifest`]), `statistics.safetensors` (mean image, covariance of colors
//! and its eigenvectors) and shards `train-00000.safetensors`, ..., each with up to [`SHARD`] images: `labels`, `digests`
//! (SHA-256 of what the source holds), and `images` `[n, side, side, 3]` or JPEG files as `bytes` with `offsets`. Any reader of
//! safetensors opens them.

mod shard;
mod squares;

use std::path::{Path, PathBuf};

use crossbeam_channel::bounded;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::square::RESIZE;
use super::{Dataset, Skip, Split, Statistics, check, decode, encode, identity, square};
use crate::error::shell;
use crate::files::{atomic, json};
use crate::net::Orientation;
use crate::{Error, Result};
use shard::{Shard, Written};
pub use squares::{Asker, Squares, recipe_of};

/// Version of the format that this program writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Most images of a shard: 201 MB of bare pixels of 256 x 256.
pub const SHARD: usize = 1024;

/// Largest side of squares.
pub const MOST_SIDE: usize = 4096;

/// Says what a folder is being filled with, until [`Manifest::FILE`] says what it holds.
pub(super) const UNFINISHED: &str = "packing.json";

/// How squares are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    /// Pixel by pixel.
    Raw,
    /// As JPEG files of quality 95.
    Jpeg,
}

/// What is packed, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder to fill.
    pub out: PathBuf,
    /// How squares are stored.
    pub store: Coding,
    /// Side of the squares (the paper's is 256).
    pub side: usize,
    /// Which way up users' own images are packed; ImageNet's archives are always packed as stored.
    pub orientation: Orientation,
    /// Threads that work.
    pub workers: usize,
}

/// What a folder of packed squares holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// How squares are stored.
    pub store: Coding,
    /// Side of the squares.
    pub side: usize,
    /// Which way up images are; as stored where the file does not say.
    #[serde(default)]
    pub orientation: Orientation,
    /// Images that `orientation` makes a difference to: their EXIF orientation is not that of the pixels. Absent in
    /// sets packed before it was counted; 0 for ImageNet's archives, whose EXIF is never followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<usize>,
    /// How images were resized.
    pub resize: String,
    /// What decoded them.
    pub decoder: String,
    /// What was packed.
    pub source: String,
    /// SHA-256 of the source's list: classes, and each image's name and label.
    pub source_digest: String,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// The splits with their shards.
    pub splits: Vec<PackedSplit>,
    /// Images that were left out.
    pub skipped: Vec<Skip>,
}

/// A split of packed squares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedSplit {
    /// `train`, `val` or `test`.
    pub name: String,
    /// Images in it.
    pub images: usize,
    /// Its files, in order.
    pub shards: Vec<PackedShard>,
}

/// A file of packed squares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedShard {
    /// Its name in the folder.
    pub file: String,
    /// Images in it.
    pub images: usize,
    /// Bytes of it.
    pub bytes: u64,
    /// SHA-256 of it.
    pub sha256: String,
}

/// What is fixed when packing begins; a folder is only filled further with the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Settings {
    format_version: u32,
    store: Coding,
    side: usize,
    /// Absent in a packing that an earlier version began.
    #[serde(default)]
    orientation: Orientation,
    source: String,
    source_digest: String,
}

impl Manifest {
    /// The file's name.
    pub const FILE: &'static str = "pack.json";

    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// When packing was not finished, or the file is not a manifest.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(Self::FILE);
        if !path.is_file() && folder.join(UNFINISHED).is_file() {
            return Err(Error::data(format!("{}: packing was not finished", folder.display()))
                .help("run the same `alexnet data pack` again: it goes on where it stopped"));
        }
        read(&path)
    }
}

/// Refuses to pack a source into a folder of its own: it would become part of the source.
///
/// # Errors
/// When `out` is the source or lies in it, links followed.
pub fn check_outside(source: &Path, out: &Path) -> Result<()> {
    let real = source.canonicalize().unwrap_or_else(|_| source.to_owned());
    if !real.is_dir() || !crate::files::real_path(out).starts_with(&real) {
        return Ok(());
    }
    let name = real.file_name().map_or("images".into(), |name| name.to_string_lossy().into_owned());
    let beside = real.with_file_name(format!("{name}-packed"));
    Err(Error::usage(format!("{} is in the source itself, {}", out.display(), source.display())).help(
        format!("pack into a folder outside it: alexnet data pack {} {}", shell(source), shell(beside)),
    ))
}

/// Packs every split of a data set, and returns what the folder then holds. What an interrupted packing finished is
/// kept; `progress` is told how many images more are done, and ends the packing with the error that it returns.
///
/// # Errors
/// When the folder holds something else, there is too little space, a file cannot be read or written, or `progress` says so.
/// Finished shards stay.
pub fn pack(
    dataset: &Dataset,
    config: &Config,
    progress: &(dyn Fn(usize) -> Result<()> + Sync),
) -> Result<Manifest> {
    let splits: Vec<Split> = dataset
        .splits
        .iter()
        .filter(|split| split.name != "all")
        .map(|split| split.oriented(config.orientation))
        .collect();
    let splits: Vec<&Split> = splits.iter().collect();
    for split in &splits {
        split.check_packed(config.side, config.orientation, Asker::Packing)?;
    }
    let settings = Settings {
        format_version: FORMAT_VERSION,
        store: config.store,
        side: config.side,
        orientation: config.orientation,
        source: dataset.origin.clone(),
        source_digest: identity::digest(dataset),
    };
    prepare(&config.out, &settings)?;
    check_space(&splits, config)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(config.workers.max(1)).build();
    let pool = pool.map_err(|error| Error::data(format!("no threads can be had: {error}")))?;
    let mut manifest = Manifest {
        format_version: FORMAT_VERSION,
        store: config.store,
        side: config.side,
        orientation: config.orientation,
        rotated: Some(0),
        resize: RESIZE.to_owned(),
        decoder: decode::DECODER.to_owned(),
        source: dataset.origin.clone(),
        source_digest: settings.source_digest.clone(),
        classes: dataset.classes.clone(),
        splits: Vec::new(),
        skipped: Vec::new(),
    };
    let mut statistics = None;
    for split in splits {
        let written = pack_split(split, dataset, config, &settings, &pool, progress)?;
        let mut all = Statistics::empty(config.side);
        let mut shards = Vec::new();
        for Written { shard, statistics, rotated } in written {
            all.append(statistics);
            manifest.rotated = manifest.rotated.zip(rotated).map(|(sum, more)| sum + more);
            shards.push(shard);
        }
        if split.name == "train" {
            check::every_class_decodes(split, &all.usable, &dataset.classes)?;
        }
        manifest.skipped.extend(all.skipped.iter().cloned());
        let images = shards.iter().map(|shard| shard.images).sum();
        manifest.splits.push(PackedSplit { name: split.name.clone(), images, shards });
        statistics = statistics.or((split.name == "train").then_some(all));
    }
    if let Some(statistics) = statistics {
        if statistics.usable.is_empty() {
            return Err(Error::data(format!("{}: there are no training images", dataset.origin)));
        }
        // What was left out has no place in the packed set.
        let (usable, skipped) = ((0..statistics.usable.len()).collect(), Vec::new());
        Statistics { usable, skipped, ..statistics }.save(&config.out)?;
    }
    json::write(&config.out.join(Manifest::FILE), &manifest)?;
    let _ = std::fs::remove_file(config.out.join(UNFINISHED));
    Ok(manifest)
}

/// Makes the folder, or finds it begun with the same settings.
fn prepare(out: &Path, settings: &Settings) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|error| Error::io(out, "create the folder", &error))?;
    let begun = out.join(UNFINISHED);
    if begun.is_file() {
        let before: Settings = read(&begun)?;
        if before != *settings {
            return Err(Error::usage(format!(
                "{}: another packing was begun there: {:?}, side {}, orientation {}, of {}{}",
                out.display(),
                before.store,
                before.side,
                before.orientation.name(),
                before.source,
                if before.source_digest == settings.source_digest {
                    ""
                } else {
                    ", whose images were others"
                }
            ))
            .help("the same command as then, or another folder"));
        }
        return atomic::remove_leftovers(out);
    }
    if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(
            Error::usage(format!("{} is not empty", out.display())).help("a new folder, or an empty one")
        );
    }
    json::write(&begun, settings)
}

/// Refuses to begin what the disk has no room for.
fn check_space(splits: &[&Split], config: &Config) -> Result<()> {
    let images: usize = splits.iter().map(|split| split.len()).sum();
    let each = match config.store {
        Coding::Raw => 3 * config.side * config.side,
        Coding::Jpeg => typical_jpeg(splits, config.side),
    };
    let there = |split: &&Split| -> u64 {
        let shards = 0..split.len().div_ceil(SHARD);
        let size =
            |k| std::fs::metadata(config.out.join(shard::name(split, k))).map_or(0, |found| found.len());
        shards.map(size).sum()
    };
    let done: u64 = splits.iter().map(there).sum();
    let needed = (images as u64 * (each as u64 + 100)).saturating_sub(done);
    let free = fs4::available_space(&config.out)
        .map_err(|error| Error::io(&config.out, "determine the free space", &error))?;
    enough(&config.out, needed, free)
}

fn enough(out: &Path, needed: u64, free: u64) -> Result<()> {
    if needed <= free {
        return Ok(());
    }
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    Err(Error::new(
        crate::error::Kind::Runtime,
        format!(
            "{}: {:.1} GB free, packing needs about {:.1} GB",
            out.display(),
            gigabytes(free),
            gigabytes(needed)
        ),
    )
    .help("a folder on a larger disk, or --store jpeg, which needs about a sixth of --store raw"))
}

/// Bytes of a packed JPEG, from some images, with a margin.
fn typical_jpeg(splits: &[&Split], side: usize) -> usize {
    let some =
        splits.iter().flat_map(|split| (0..split.len()).step_by(split.len() / 16 + 1).map(|i| (*split, i)));
    let sizes: Vec<usize> = some
        .filter_map(|(split, i)| split.image(i).ok()?.ok())
        .filter_map(|image| Some(encode::jpeg(&square::square(&image, side)).ok()?.len()))
        .collect();
    sizes.iter().sum::<usize>() / sizes.len().max(1) * 11 / 10
}

/// Makes what is missing of a split's shards. One is written while the next is made.
fn pack_split(
    split: &Split,
    dataset: &Dataset,
    config: &Config,
    settings: &Settings,
    pool: &rayon::ThreadPool,
    progress: &(dyn Fn(usize) -> Result<()> + Sync),
) -> Result<Vec<Written>> {
    let numbers = 0..split.len().div_ceil(SHARD);
    let path = |number: usize| config.out.join(shard::name(split, number));
    let range = |number: usize| number * SHARD..split.len().min((number + 1) * SHARD);
    let (send, shards) = bounded::<Shard>(0);
    let mut fresh = std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            shards
                .into_iter()
                .map(|shard| shard::write(shard, config, dataset, settings))
                .collect::<Result<Vec<_>>>()
        });
        let mut failed = None;
        for number in numbers.clone().filter(|&number| !path(number).is_file()) {
            let made = pool.install(|| shard::make(split, range(number), path(number), config, progress));
            let sent = match made {
                // Where nobody receives it, the writer has failed, and says with what.
                Ok(shard) => send.send(shard).is_ok(),
                Err(error) => {
                    failed = Some(error);
                    false
                }
            };
            if !sent {
                break;
            }
        }
        drop(send);
        let written =
            writer.join().unwrap_or_else(|_| Err(Error::data("the thread that writes shards failed")));
        failed.map_or(written, Err)
    })?
    .into_iter();
    let mut all = Vec::new();
    for number in numbers {
        // Those that were there before are not in `fresh`, which has the others in their order.
        let name = shard::name(split, number);
        if fresh.as_slice().first().is_some_and(|written| written.shard.file == name) {
            all.extend(fresh.next());
        } else {
            let path = path(number);
            let kept = shard::read_back(&path, split, range(number), config, settings);
            all.push(
                kept.map_err(|error| {
                    error.context(path.display()).help("delete this file: it is made anew")
                })?,
            );
            progress(range(number).len())?;
        }
    }
    Ok(all)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let help = "pack the images again, into a new folder";
    json::read(path, "what `alexnet data pack` writes").map_err(|error| error.help(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_small_a_disk_is_told_with_both_sizes() {
        let out = Path::new("packed");
        assert!(enough(out, 5_000_000_000, 5_000_000_000).is_ok());
        let error = enough(out, 252_000_000_000, 69_000_000_000).unwrap_err();
        assert!(error.message.contains("69.0 GB free, packing needs about 252.0 GB"), "{error}");
        assert!(error.help.is_some_and(|help| help.contains("--store jpeg")), "{}", error.message);
    }
}
