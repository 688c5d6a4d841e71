//! Finished shards of an interrupted packing: kept as long as their images are those of the source.

use std::fs::File;
use std::mem::take;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use safetensors::Dtype;

use super::config::{PackConfig, PackSettings};
use super::shard::{self, WrittenShard};
use crate::data::skip::Skip;
use crate::data::source::Split;
use crate::data::statistics::Statistics;
use crate::files::container::Header;
use crate::files::read_at;
use crate::format::counted;
use crate::{Error, Result};

/// A finished shard, as it was written.
struct Finished {
    /// The sums over its images, which of the split they are, and the images between them that were skipped.
    statistics: Statistics,
    /// The digests of its images.
    digests: Vec<u8>,
    /// The number of images whose EXIF orientation is not 1; `None` if the shard does not say.
    rotated: Option<usize>,
}

/// Reads back a finished shard and the sums over its images. Returns `None` if it has to be made again: images have changed, or
/// those that were skipped can be decoded now.
///
/// # Errors
/// Returns an error if the shard is not one of these images, an image cannot be read, or `progress` fails.
pub(super) fn read_back(
    path: &Path,
    split: &Split,
    range: Range<usize>,
    config: &PackConfig,
    settings: &PackSettings,
    progress: &(dyn Fn(usize) -> Result<()> + Sync),
) -> Result<Option<(WrittenShard, Statistics)>> {
    let finished = Finished::read(path, split, range.clone(), config, settings)
        .map_err(|error| error.context(path.display()).help("delete this file; it will be created again"))?;
    let changed = finished.changed(split, range.clone(), progress)?;
    if let Some(&first) = changed.first() {
        log::info!(
            "{}: made again: {} changed since, such as {}",
            path.display(),
            counted(changed.len(), "image"),
            split.file(first)
        );
        return Ok(None);
    }
    progress(range.len())?;
    let Finished { mut statistics, rotated, .. } = finished;
    let (usable, skipped) = (take(&mut statistics.usable), take(&mut statistics.skipped));
    let shard = shard::describe(path, usable.len())?;
    Ok(Some((WrittenShard { shard, usable, skipped, rotated }, statistics)))
}

impl Finished {
    fn read(
        path: &Path,
        split: &Split,
        range: Range<usize>,
        config: &PackConfig,
        settings: &PackSettings,
    ) -> Result<Self> {
        let cannot = |error: std::io::Error| Error::io(path, "read the file", &error);
        let file = File::open(path).map_err(cannot)?;
        let header = Header::read(&file, file.metadata().map_err(cannot)?.len())?;
        if header.text("source_digest")? != settings.source_digest {
            return Err(Error::data("packed from other images"));
        }
        let broken = |error: serde_json::Error| Error::data(format!("broken metadata: {error}"));
        let files: Vec<String> = serde_json::from_str(header.text("files")?).map_err(broken)?;
        let skipped: Vec<Skip> = serde_json::from_str(header.text("skipped")?).map_err(broken)?;
        if files.len() + skipped.len() != range.len() {
            return Err(Error::data(format!(
                "{} images, expected {}",
                files.len() + skipped.len(),
                range.len()
            )));
        }
        let (_, sums) = header.integers(&file, "sums", Dtype::U64)?;
        let (_, products) = header.integers(&file, "products", Dtype::U64)?;
        let (shape, start, len) = header.place("digests", Dtype::U8)?;
        if shape != [files.len(), 32] {
            return Err(Error::data(format!(
                "tensor `digests` has shape {shape:?}, expected [{}, 32]",
                files.len()
            )));
        }
        let mut digests = vec![0; len];
        read_at(&file, start, &mut digests).map_err(cannot)?;
        let mut packed = files.iter().peekable();
        let usable: Vec<usize> =
            range.filter(|&index| packed.next_if(|file| *file == split.file(index)).is_some()).collect();
        if packed.next().is_some() {
            return Err(Error::data("packed from other images, or in another order"));
        }
        let statistics = Statistics::of_sums(config.side, usable, skipped, sums, &products)?;
        let rotated = header.text("rotated").ok().and_then(|count| count.parse().ok());
        Ok(Self { statistics, digests, rotated })
    }

    /// Returns the images that are no longer what they were when they were packed or skipped. Reading them takes a fraction of the
    /// time of packing them.
    fn changed(
        &self,
        split: &Split,
        range: Range<usize>,
        progress: &(dyn Fn(usize) -> Result<()> + Sync),
    ) -> Result<Vec<usize>> {
        let Statistics { usable, skipped, .. } = &self.statistics;
        let (digests, first) = (self.digests.as_chunks::<32>().0, range.start);
        let has_changed = |index: usize| -> Result<bool> {
            // None is done, but a signal may end it.
            progress(0)?;
            Ok(match usable.binary_search(&index) {
                Ok(at) => shard::digest(&split.stored(index)?) != digests[at],
                // So many before it were packed.
                Err(packed) => split.image(index)?.err().as_ref() != skipped.get(index - first - packed),
            })
        };
        let changed = range.into_par_iter().map(|index| Ok(has_changed(index)?.then_some(index)));
        let changed: Vec<Option<usize>> = changed.collect::<Result<_>>()?;
        Ok(changed.into_iter().flatten().collect())
    }
}
