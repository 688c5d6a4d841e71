//! One shard: made from images, and written.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::config::{PackConfig, PackSettings};
use super::manifest::{FORMAT_VERSION, PackedShard, Storage};
use crate::Result;
use crate::data::digest::FileDigest;
use crate::data::skip::Skip;
use crate::data::source::{Dataset, Split, Stored};
use crate::data::square::{self, RESIZE};
use crate::data::statistics::Statistics;
use crate::data::{decode, encode};
use crate::files::container::{self, Array, Values};

/// The most images that a thread processes at once.
const TURN: usize = 16;

/// A shard that is not yet written.
pub(super) struct Shard {
    path: PathBuf,
    split: String,
    images: Images,
    /// The sums over the images, without their lists.
    sums: Statistics,
}

/// Images of a shard, in order.
#[derive(Default)]
struct Images {
    files: Vec<String>,
    labels: Vec<i64>,
    digests: Vec<u8>,
    pieces: Vec<Vec<u8>>,
    /// The indices in the split of these images.
    usable: Vec<usize>,
    /// The images between them that do not decode.
    skipped: Vec<Skip>,
    /// The number of images whose EXIF orientation is not 1.
    rotated: usize,
}

/// A shard that is written.
pub(super) struct WrittenShard {
    pub(super) shard: PackedShard,
    /// The indices in the split of its images.
    pub(super) usable: Vec<usize>,
    /// The images between them that do not decode.
    pub(super) skipped: Vec<Skip>,
    /// The number of images whose EXIF orientation is not 1; `None` if the shard does not say.
    pub(super) rotated: Option<usize>,
}

pub(super) fn name(split: &Split, number: usize) -> String {
    format!("{}-{number:05}.safetensors", split.name)
}

/// The most bytes that a shard of `images` images takes while it is made, and the one before it while it is written: their pixels or
/// files, the sums of each thread, of both shards and of the split, and a square for each thread.
pub(super) fn memory(images: usize, config: &PackConfig) -> usize {
    let (square, threads) = (3 * config.side * config.side, config.workers.max(1));
    let piece = match config.store {
        Storage::Raw => square,
        Storage::Jpeg => square / 6,
    };
    2 * images * piece + (threads + 3) * square * size_of::<u64>() + 2 * threads * square
}

/// Decodes, crops and, if required, encodes the images of a shard, on the threads of the current pool.
pub(super) fn make(
    split: &Split,
    range: Range<usize>,
    path: PathBuf,
    config: &PackConfig,
    progress: &(dyn Fn(usize) -> Result<()> + Sync),
) -> Result<Shard> {
    // Several turns for each thread, also of a shard of few images.
    let turn = range.len().div_ceil(4 * rayon::current_num_threads()).clamp(1, TURN);
    let turns: Vec<Range<usize>> =
        range.clone().step_by(turn).map(|first| first..range.end.min(first + turn)).collect();
    // Sums of large squares take hundreds of megabytes: there are as many as threads, whatever the number of turns. They are of
    // integers, so it does not matter which images each of them has.
    let idle: Mutex<Vec<Statistics>> = Mutex::default();
    let lock = || idle.lock().unwrap_or_else(PoisonError::into_inner);
    let made = turns.into_par_iter().map(|turn| {
        let (mut images, count) = (Images::default(), turn.len());
        let before = lock().pop();
        let mut sums = before.unwrap_or_else(|| Statistics::empty(config.side));
        turn.into_iter().try_for_each(|index| images.add(split, index, config, &mut sums))?;
        lock().push(sums);
        progress(count)?;
        Ok(images)
    });
    let made: Vec<Images> = made.collect::<Result<_>>()?;
    let images = made.into_iter().fold(Images::default(), Images::append);
    let parts = idle.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter();
    let sums = parts.reduce(|mut all, part| {
        all.merge(part);
        all
    });
    let sums = sums.unwrap_or_else(|| Statistics::empty(config.side));
    Ok(Shard { path, split: split.name.clone(), images, sums })
}

impl Images {
    fn add(&mut self, split: &Split, index: usize, config: &PackConfig, sums: &mut Statistics) -> Result<()> {
        let stored = split.stored(index)?;
        let digest = digest(&stored);
        let rotated = split.exif_orientation(&stored) != 1;
        let square = match split.decode(stored) {
            Ok(image) => square::square(&image, config.side),
            Err(error) => {
                let file = split.file(index).to_owned();
                self.skipped.push(Skip { file, reason: error.message });
                return Ok(());
            }
        };
        let piece = match config.store {
            Storage::Raw => {
                sums.add_pixels(&square);
                square.pixels
            }
            Storage::Jpeg => {
                let bytes = encode::jpeg(&square)?;
                // The statistics are those of the images that training will see.
                sums.add_pixels(&decode::decode(&bytes)?);
                bytes
            }
        };
        self.usable.push(index);
        self.rotated += usize::from(rotated);
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
        self.usable.extend(other.usable);
        self.skipped.extend(other.skipped);
        self.rotated += other.rotated;
        self
    }
}

/// Returns the digest of an image as a shard stores it.
pub(super) fn digest(stored: &Stored) -> [u8; 32] {
    match stored {
        Stored::Pixels(image) => Sha256::digest(&image.pixels).into(),
        Stored::File(bytes) => Sha256::digest(bytes).into(),
        Stored::TooLarge(_) => Sha256::digest([]).into(),
    }
}

/// Writes a shard, and adds its sums to `total`.
pub(super) fn write(
    shard: Shard,
    config: &PackConfig,
    dataset: &Dataset,
    settings: &PackSettings,
    total: &mut Statistics,
) -> Result<WrittenShard> {
    let Shard { path, split, images, sums } = shard;
    let Images { files, labels, digests, pieces, usable, skipped, rotated } = images;
    let metadata = BTreeMap::from([
        ("format_version", FORMAT_VERSION.to_string()),
        ("split", split),
        ("classes", text(&dataset.classes)),
        ("files", text(&files)),
        ("skipped", text(&skipped)),
        ("orientation", settings.orientation.name().to_owned()),
        ("rotated", rotated.to_string()),
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
    let products: Vec<u64> = sums.products.iter().flatten().copied().collect();
    let (counts, triple, pairs) = ([count], [side, side, 3], [count, 32]);
    let (all, ends, bytes) = ([count, side, side, 3], [count + 1], [offsets[count] as usize]);
    let mut arrays = vec![
        Array { name: "labels", shape: &counts, values: Values::I64(&labels) },
        Array { name: "sums", shape: &triple, values: Values::U64(&sums.sums) },
        Array { name: "products", shape: &[3, 3], values: Values::U64(&products) },
        Array { name: "digests", shape: &pairs, values: Values::U8(&digests) },
    ];
    match config.store {
        Storage::Raw => arrays.push(Array { name: "images", shape: &all, values: Values::Chunks(&pieces) }),
        Storage::Jpeg => {
            arrays.push(Array { name: "offsets", shape: &ends, values: Values::U64(&offsets) });
            arrays.push(Array { name: "bytes", shape: &bytes, values: Values::Chunks(&pieces) });
        }
    }
    container::write(&path, &metadata, &arrays)?;
    total.merge(sums);
    Ok(WrittenShard { shard: describe(&path, count)?, usable, skipped, rotated: Some(rotated) })
}

/// Returns the name, size and digest of a written file.
pub(super) fn describe(path: &Path, images: usize) -> Result<PackedShard> {
    let FileDigest { bytes, hex: sha256 } = FileDigest::of::<Sha256>(path)?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(PackedShard { file, images, bytes, sha256 })
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers are JSON")
}
