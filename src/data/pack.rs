//! Pictures of every shape to squares of one size, in files that are read fast: done once, before many epochs (paper,
//! section 2).
//!
//! A folder of packed squares holds `pack.json` ([`Manifest`]), `statistics.safetensors` (mean image, covariance of colours
//! and its eigenvectors) and shards `train-00000.safetensors`, ..., each with up to [`SHARD`] pictures: `labels`, `digests`
//! (SHA-256 of what the source holds), and `images` `[n, side, side, 3]` or JPEG files as `bytes` with `offsets`. Any reader of
//! safetensors opens them.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crossbeam_channel::bounded;
use rayon::prelude::*;
use safetensors::Dtype;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::square::RESIZE;
use super::{Dataset, Skip, Split, Statistics, decode, digests, encode, source, square};
use crate::files::container::{self, Array, Header, Values};
use crate::files::json;
use crate::{Error, Result};

/// Version of the format that this program writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Most pictures of a shard: 201 MB of bare pixels of 256 x 256.
pub const SHARD: usize = 1024;

/// Pictures that one thread makes in one go.
const TURN: usize = 16;

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
    /// How pictures were resized.
    pub resize: String,
    /// What decoded them.
    pub decoder: String,
    /// What was packed.
    pub source: String,
    /// SHA-256 of the source's list: classes, and each picture's name and label.
    pub source_digest: String,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// The splits with their shards.
    pub splits: Vec<PackedSplit>,
    /// Pictures that were left out.
    pub skipped: Vec<Skip>,
}

/// A split of packed squares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedSplit {
    /// `train`, `val` or `test`.
    pub name: String,
    /// Pictures in it.
    pub images: usize,
    /// Its files, in order.
    pub shards: Vec<PackedShard>,
}

/// A file of packed squares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedShard {
    /// Its name in the folder.
    pub file: String,
    /// Pictures in it.
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
    source: String,
    source_digest: String,
}

/// A shard that is made, not yet written.
struct Shard {
    path: PathBuf,
    split: String,
    files: Vec<String>,
    labels: Vec<i64>,
    digests: Vec<u8>,
    pieces: Vec<Vec<u8>>,
    statistics: Statistics,
}

/// What a written shard adds to the whole.
struct Written {
    shard: PackedShard,
    statistics: Statistics,
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

/// Packs every split of a data set, and returns what the folder then holds. What an interrupted packing finished is
/// kept; `progress` is told how many pictures more are done.
///
/// # Errors
/// When the folder holds something else, there is too little space, or a file cannot be read or written. Finished
/// shards stay.
pub fn pack(dataset: &Dataset, config: &Config, progress: &(dyn Fn(usize) + Sync)) -> Result<Manifest> {
    let splits: Vec<&Split> = dataset.splits.iter().filter(|split| split.name != "all").collect();
    let settings = Settings {
        format_version: FORMAT_VERSION,
        store: config.store,
        side: config.side,
        source: dataset.origin.clone(),
        source_digest: source_digest(dataset),
    };
    prepare(&config.out, &settings)?;
    check_space(&splits, config)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(config.workers.max(1)).build();
    let pool = pool.map_err(|error| Error::data(format!("no threads can be had: {error}")))?;
    let mut manifest = Manifest {
        format_version: FORMAT_VERSION,
        store: config.store,
        side: config.side,
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
        for Written { shard, statistics } in written {
            all.append(statistics);
            shards.push(shard);
        }
        manifest.skipped.extend(all.skipped.iter().cloned());
        let images = shards.iter().map(|shard| shard.images).sum();
        manifest.splits.push(PackedSplit { name: split.name.clone(), images, shards });
        statistics = statistics.or((split.name == "train").then_some(all));
    }
    if let Some(statistics) = statistics {
        statistics.save(&config.out)?;
    }
    json::write(&config.out.join(Manifest::FILE), &manifest)?;
    let _ = std::fs::remove_file(config.out.join(UNFINISHED));
    Ok(manifest)
}

/// Makes the folder, or finds it begun with the same settings.
fn prepare(out: &Path, settings: &Settings) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|error| Error::io(out, "make the folder", &error))?;
    let begun = out.join(UNFINISHED);
    if begun.is_file() {
        let before: Settings = read(&begun)?;
        if before != *settings {
            return Err(Error::usage(format!(
                "{}: another packing was begun there: {:?}, side {}, of {}{}",
                out.display(),
                before.store,
                before.side,
                before.source,
                if before.source_digest == settings.source_digest {
                    ""
                } else {
                    ", whose pictures were others"
                }
            ))
            .help("the same command as then, or another folder"));
        }
        return remove_leftovers(out);
    }
    if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(
            Error::usage(format!("{} is not empty", out.display())).help("a new folder, or an empty one")
        );
    }
    json::write(&begun, settings)
}

/// Removes what was being written when an earlier packing was killed.
fn remove_leftovers(out: &Path) -> Result<()> {
    for entry in std::fs::read_dir(out).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && name.ends_with(".tmp") {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(|error| Error::io(&path, "remove it", &error))?;
        }
    }
    Ok(())
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
            |k| std::fs::metadata(config.out.join(shard_name(split, k))).map_or(0, |found| found.len());
        shards.map(size).sum()
    };
    let done: u64 = splits.iter().map(there).sum();
    let needed = (images as u64 * (each as u64 + 100)).saturating_sub(done);
    let free = fs4::available_space(&config.out)
        .map_err(|error| Error::io(&config.out, "ask for the free space", &error))?;
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

/// Bytes of a packed JPEG, from some pictures, with a margin.
fn typical_jpeg(splits: &[&Split], side: usize) -> usize {
    let some =
        splits.iter().flat_map(|split| (0..split.len()).step_by(split.len() / 16 + 1).map(|i| (*split, i)));
    let sizes: Vec<usize> = some
        .filter_map(|(split, i)| split.picture(i).ok()?.ok())
        .filter_map(|picture| Some(encode::jpeg(&square::square(&picture, side)).ok()?.len()))
        .collect();
    sizes.iter().sum::<usize>() / sizes.len().max(1) * 11 / 10
}

fn shard_name(split: &Split, number: usize) -> String {
    format!("{}-{number:05}.safetensors", split.name)
}

/// Makes what is missing of a split's shards. One is written while the next is made.
fn pack_split(
    split: &Split,
    dataset: &Dataset,
    config: &Config,
    settings: &Settings,
    pool: &rayon::ThreadPool,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Written>> {
    let numbers = 0..split.len().div_ceil(SHARD);
    let path = |number: usize| config.out.join(shard_name(split, number));
    let range = |number: usize| number * SHARD..split.len().min((number + 1) * SHARD);
    let (send, shards) = bounded::<Shard>(0);
    let mut fresh = std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            shards
                .into_iter()
                .map(|shard| write_shard(shard, config, dataset, settings))
                .collect::<Result<Vec<_>>>()
        });
        let mut failed = None;
        for number in numbers.clone().filter(|&number| !path(number).is_file()) {
            let made = pool.install(|| make_shard(split, range(number), path(number), config, progress));
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
        let name = shard_name(split, number);
        if fresh.as_slice().first().is_some_and(|written| written.shard.file == name) {
            all.extend(fresh.next());
        } else {
            let path = path(number);
            let kept = read_back(&path, range(number), config, settings);
            all.push(
                kept.map_err(|error| {
                    error.context(path.display()).help("delete this file: it is made anew")
                })?,
            );
            progress(range(number).len());
        }
    }
    Ok(all)
}

/// Decodes, squares and, if asked for, encodes the pictures of a shard.
fn make_shard(
    split: &Split,
    range: Range<usize>,
    path: PathBuf,
    config: &Config,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Shard> {
    let empty = || Shard {
        path: path.clone(),
        split: split.name.clone(),
        files: Vec::new(),
        labels: Vec::new(),
        digests: Vec::new(),
        pieces: Vec::new(),
        statistics: Statistics::empty(config.side),
    };
    let turns: Vec<Range<usize>> =
        range.clone().step_by(TURN).map(|first| first..range.end.min(first + TURN)).collect();
    let made = turns.into_par_iter().map(|turn| {
        let (mut shard, count) = (empty(), turn.len());
        turn.into_iter().try_for_each(|index| shard.add(split, index, config))?;
        progress(count);
        Ok(shard)
    });
    let made: Vec<Shard> = made.collect::<Result<_>>()?;
    Ok(made.into_iter().fold(empty(), Shard::append))
}

impl Shard {
    fn add(&mut self, split: &Split, index: usize, config: &Config) -> Result<()> {
        let stored = split.stored(index)?;
        let digest = match &stored {
            source::Stored::Pixels(picture) => Sha256::digest(&picture.pixels),
            source::Stored::File(bytes) => Sha256::digest(bytes),
            source::Stored::TooLarge(_) => Sha256::digest([]),
        };
        let square = match stored.decode() {
            Ok(picture) => square::square(&picture, config.side),
            Err(error) => {
                let file = split.file(index).to_owned();
                self.statistics.skipped.push(Skip { file, reason: error.message });
                return Ok(());
            }
        };
        let piece = match config.store {
            Coding::Raw => {
                self.statistics.add_square(index, &square);
                square.pixels
            }
            Coding::Jpeg => {
                let bytes = encode::jpeg(&square)?;
                // What training will see is what the file decodes to.
                self.statistics.add_square(index, &decode::decode(&bytes)?);
                bytes
            }
        };
        self.files.push(split.file(index).to_owned());
        self.labels.push(split.label(index).into());
        self.digests.extend(digest);
        self.pieces.push(piece);
        Ok(())
    }

    fn append(mut self, other: Self) -> Self {
        self.files.extend(other.files);
        self.labels.extend(other.labels);
        self.digests.extend(other.digests);
        self.pieces.extend(other.pieces);
        self.statistics.append(other.statistics);
        self
    }
}

fn write_shard(shard: Shard, config: &Config, dataset: &Dataset, settings: &Settings) -> Result<Written> {
    let Shard { path, split, files, labels, digests, pieces, statistics } = shard;
    let metadata = BTreeMap::from([
        ("format_version", FORMAT_VERSION.to_string()),
        ("split", split),
        ("classes", text(&dataset.classes)),
        ("files", text(&files)),
        ("skipped", text(&statistics.skipped)),
        ("source", settings.source.clone()),
        ("source_digest", settings.source_digest.clone()),
        ("decoder", decode::DECODER.to_owned()),
        ("resize", RESIZE.to_owned()),
    ]);
    let (count, side) = (files.len(), config.side);
    let offsets: Vec<u64> = std::iter::once(0)
        .chain(pieces.iter().scan(0, |end, piece| {
            *end += piece.len() as u64;
            Some(*end)
        }))
        .collect();
    let products: Vec<u64> = statistics.products.iter().flatten().copied().collect();
    let (counts, triple, pairs) = ([count], [side, side, 3], [count, 32]);
    let (all, ends, bytes) = ([count, side, side, 3], [count + 1], [offsets[count] as usize]);
    let mut arrays = vec![
        Array { name: "labels", shape: &counts, values: Values::I64(&labels) },
        Array { name: "sums", shape: &triple, values: Values::U64(&statistics.sums) },
        Array { name: "products", shape: &[3, 3], values: Values::U64(&products) },
        Array { name: "digests", shape: &pairs, values: Values::U8(&digests) },
    ];
    match config.store {
        Coding::Raw => arrays.push(Array { name: "images", shape: &all, values: Values::Pieces(&pieces) }),
        Coding::Jpeg => {
            arrays.push(Array { name: "offsets", shape: &ends, values: Values::U64(&offsets) });
            arrays.push(Array { name: "bytes", shape: &bytes, values: Values::Pieces(&pieces) });
        }
    }
    container::write(&path, &metadata, &arrays)?;
    Ok(Written { shard: describe(&path, count)?, statistics })
}

/// Name, size and digest of a written file.
fn describe(path: &Path, images: usize) -> Result<PackedShard> {
    let (bytes, sha256) = digests::of::<Sha256>(path)?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(PackedShard { file, images, bytes, sha256 })
}

/// What a shard of an earlier, interrupted packing holds.
fn read_back(path: &Path, range: Range<usize>, config: &Config, settings: &Settings) -> Result<Written> {
    let cannot = |error: std::io::Error| Error::io(path, "read it", &error);
    let file = File::open(path).map_err(cannot)?;
    let header = Header::read(&file, file.metadata().map_err(cannot)?.len())?;
    if header.text("source_digest")? != settings.source_digest {
        return Err(Error::data("packed from other pictures"));
    }
    let broken = |error: serde_json::Error| Error::data(format!("its metadata is broken: {error}"));
    let files: Vec<String> = serde_json::from_str(header.text("files")?).map_err(broken)?;
    let skipped: Vec<Skip> = serde_json::from_str(header.text("skipped")?).map_err(broken)?;
    if files.len() + skipped.len() != range.len() {
        return Err(Error::data(format!(
            "{} pictures, expected {}",
            files.len() + skipped.len(),
            range.len()
        )));
    }
    let (_, sums) = header.words(&file, "sums", Dtype::U64)?;
    let (_, products) = header.words(&file, "products", Dtype::U64)?;
    // Places among those that were packed are all that statistics of squares need.
    let usable = (0..files.len()).collect();
    let statistics = Statistics::of_sums(config.side, usable, skipped, sums, &products)?;
    Ok(Written { shard: describe(path, files.len())?, statistics })
}

/// What tells a source from another: classes, names and labels.
fn source_digest(dataset: &Dataset) -> String {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    };
    dataset.classes.iter().for_each(|class| add(class));
    for split in &dataset.splits {
        add(&split.name);
        for index in 0..split.len() {
            add(split.file(index));
            add(&split.label(index).to_string());
        }
    }
    source::hex(&digest.finalize())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let help = "pack the pictures again, into a new folder";
    json::read(path, "what `alexnet data pack` writes").map_err(|error| error.help(help))
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers are JSON")
}
