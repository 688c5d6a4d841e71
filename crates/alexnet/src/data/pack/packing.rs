//! Packs a data set.

use std::collections::BTreeMap;
use std::path::Path;

use alexnet_kernels::memory::available;
use crossbeam_channel::bounded;

use super::config::{PackConfig, PackSettings};
use super::kept;
use super::manifest::{FORMAT_VERSION, Manifest, PackedSplit, Storage, images_per_shard, read_json};
use super::shard::{self, Shard, WrittenShard};
use super::squares::{SquaresUser, train_command};
use crate::data::own_files::UNFINISHED_PACK;
use crate::data::source::{Dataset, Split};
use crate::data::square::{self, RESIZE};
use crate::data::statistics::Statistics;
use crate::data::{check, decode, encode, identity};
use crate::error::{Kind, shell};
use crate::files::{atomic, json, real_path};
use crate::{Error, Result, threads};

/// Rejects an output folder inside the source, of which it would become a part.
///
/// # Errors
/// Returns an error if `out` is the source or inside it, with links resolved.
pub fn check_outside(source: &Path, out: &Path) -> Result<()> {
    let real = source.canonicalize().unwrap_or_else(|_| source.to_owned());
    if !real.is_dir() || !real_path(out).starts_with(&real) {
        return Ok(());
    }
    let name = real.file_name().map_or("images".into(), |name| name.to_string_lossy().into_owned());
    let beside = real.with_file_name(format!("{name}-packed"));
    Err(Error::usage(format!("{} is inside the source {}", out.display(), source.display())).help(format!(
        "pack to a folder outside it: `alexnet data pack {} {}`",
        shell(source),
        shell(beside)
    )))
}

/// Packs every split of a data set and returns the contents of the folder. Finished shards of an interrupted call are kept, unless
/// their images have changed since. `progress` receives the number of images just done, which may be 0, and stops the packing if it
/// returns an error.
///
/// # Errors
/// Returns an error if the folder is used for something else, there is not enough disk space, a file cannot be read or written,
/// or `progress` fails. Finished shards stay.
pub fn pack(
    dataset: &Dataset,
    config: &PackConfig,
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
        split.check_packed(config.side, config.orientation, SquaresUser::Packing)?;
    }
    let settings = PackSettings {
        format_version: FORMAT_VERSION,
        store: config.store,
        side: config.side,
        orientation: config.orientation,
        source: dataset.origin.clone(),
        source_digest: identity::digest(dataset),
    };
    check_memory(&splits, config, available())?;
    prepare(&config.out, &settings)?;
    check_space(&splits, config)?;
    // Only now: a call that is refused for lack of space must not fix the settings of the next.
    json::write(&config.out.join(UNFINISHED_PACK), &settings)?;
    let pool = threads::pool(config.workers.max(1))?;
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
        let (written, mut all) = pack_split(split, dataset, config, &settings, &pool, progress)?;
        let mut shards = Vec::new();
        for WrittenShard { shard, usable, skipped, rotated } in written {
            all.usable.extend(usable);
            all.skipped.extend(skipped);
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
            return Err(Error::data(format!("{}: no training images", dataset.origin)));
        }
        // Images that were left out have no index in the packed set.
        let (usable, skipped) = ((0..statistics.usable.len()).collect(), Vec::new());
        Statistics { usable, skipped, ..statistics }.save_packed(&config.out, &settings.source_digest)?;
    }
    json::write(&config.out.join(Manifest::FILE), &manifest)?;
    let _ = std::fs::remove_file(config.out.join(UNFINISHED_PACK));
    Ok(manifest)
}

/// Creates the folder, or finds it empty or started with the same settings.
fn prepare(out: &Path, settings: &PackSettings) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|error| Error::io(out, "create the folder", &error))?;
    let begun = out.join(UNFINISHED_PACK);
    if begun.is_file() {
        let before: PackSettings = read_json(&begun)?;
        if before != *settings {
            return Err(Error::usage(format!(
                "{}: packing was started with other settings: {:?}, side {}, orientation {}, of {}{}",
                out.display(),
                before.store,
                before.side,
                before.orientation.name(),
                before.source,
                if before.source_digest == settings.source_digest { "" } else { " with other images" }
            ))
            .help("use the settings of the first call, or another folder"));
        }
        return atomic::remove_leftovers(out);
    }
    if out.join(Manifest::FILE).is_file()
        && let Ok(packed) = Manifest::read(out)
    {
        return Err(already_packed(out, &packed, settings));
    }
    if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(
            Error::usage(format!("{} is not empty", out.display())).help("use a new or an empty folder")
        );
    }
    Ok(())
}

/// Returns the error for a folder with a complete packed set, which says whether it is the requested one.
fn already_packed(out: &Path, packed: &Manifest, asked: &PackSettings) -> Error {
    let is_same = packed.source_digest == asked.source_digest;
    let as_asked =
        (packed.store, packed.side, packed.orientation) == (asked.store, asked.side, asked.orientation);
    let what = match (is_same, packed.source == asked.source) {
        (true, _) if as_asked => "these images are packed there already",
        (true, _) => "these images are packed there already, with other settings",
        (false, true) => {
            "an earlier state of the source is packed there: the names of its images or classes differ"
        }
        (false, false) => "another source is packed there",
    };
    let Manifest { store, side, orientation, source, .. } = packed;
    let error = Error::usage(format!(
        "{}: {what}: {store:?}, side {side}, orientation {}, of {source}",
        out.display(),
        orientation.name()
    ));
    let use_it = format!("`{}`", train_command(out, *side));
    error.help(match is_same && as_asked {
        true => format!("to use it: {use_it}"),
        false => format!("to use it as it is: {use_it}; to pack these images, use a new folder"),
    })
}

/// Rejects packing without enough memory: the system grants memory that it does not have, and kills a program that uses it.
fn check_memory(splits: &[&Split], config: &PackConfig, available: Option<usize>) -> Result<()> {
    let most = splits.iter().map(|split| split.len()).max().unwrap_or(0);
    let needed = shard::memory(most.min(images_per_shard(config.side)), config);
    match available.filter(|&available| available < needed) {
        None => Ok(()),
        Some(_) => Err(Error::out_of_memory(needed, available)
            .context(format!(
                "packing squares of {0} x {0} pixels on {1} threads",
                config.side, config.workers
            ))
            .help("use fewer threads: `--workers 1`; or smaller squares: `--side 256`")),
    }
}

/// Rejects packing without enough disk space.
fn check_space(splits: &[&Split], config: &PackConfig) -> Result<()> {
    let images: usize = splits.iter().map(|split| split.len()).sum();
    let each = match config.store {
        Storage::Raw => 3 * config.side * config.side,
        Storage::Jpeg => typical_jpeg(splits, config.side),
    };
    let there = |split: &&Split| -> u64 {
        let shards = 0..split.len().div_ceil(images_per_shard(config.side));
        let size =
            |k| std::fs::metadata(config.out.join(shard::name(split, k))).map_or(0, |found| found.len());
        shards.map(size).sum()
    };
    let done: u64 = splits.iter().map(there).sum();
    let needed = (images as u64 * (each as u64 + 100)).saturating_sub(done);
    let free = fs4::available_space(&config.out)
        .map_err(|error| Error::io(&config.out, "determine the free space", &error))?;
    enough(&config.out, needed, free, config.out.join(UNFINISHED_PACK).is_file())
}

/// `is_begun` is whether packing was started in the folder, where it is only continued with the same settings.
fn enough(out: &Path, needed: u64, free: u64, is_begun: bool) -> Result<()> {
    if needed <= free {
        return Ok(());
    }
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    Err(Error::new(
        Kind::Runtime,
        format!(
            "{}: {:.1} GB free, packing requires about {:.1} GB",
            out.display(),
            gigabytes(free),
            gigabytes(needed)
        ),
    )
    .help(match is_begun {
        false => "use a folder on a larger disk, or --store jpeg, which requires about a sixth of --store raw",
        true => {
            "free space there; or start again in another folder, on a larger disk or with --store jpeg, which requires about a sixth of \
             --store raw"
        }
    }))
}

/// Estimates the size of a packed JPEG from a sample, with a margin.
fn typical_jpeg(splits: &[&Split], side: usize) -> usize {
    let some =
        splits.iter().flat_map(|split| (0..split.len()).step_by(split.len() / 16 + 1).map(|i| (*split, i)));
    let sizes: Vec<usize> = some
        .filter_map(|(split, i)| split.image(i).ok()?.ok())
        .filter_map(|image| Some(encode::jpeg(&square::square(&image, side)).ok()?.len()))
        .collect();
    sizes.iter().sum::<usize>() / sizes.len().max(1) * 11 / 10
}

/// Makes the missing shards of a split, and those whose images have changed, and returns all of them with the sums over their images.
/// One is written while the next is made.
fn pack_split(
    split: &Split,
    dataset: &Dataset,
    config: &PackConfig,
    settings: &PackSettings,
    pool: &rayon::ThreadPool,
    progress: &(dyn Fn(usize) -> Result<()> + Sync),
) -> Result<(Vec<WrittenShard>, Statistics)> {
    let each = images_per_shard(config.side);
    let path = |number: usize| config.out.join(shard::name(split, number));
    let range = |number: usize| number * each..split.len().min((number + 1) * each);
    let (mut all, mut missing) = (BTreeMap::new(), Vec::new());
    let mut total = Statistics::empty(config.side);
    for number in 0..split.len().div_ceil(each) {
        let path = path(number);
        let read = || kept::read_back(&path, split, range(number), config, settings, progress);
        let kept = if path.is_file() { pool.install(read)? } else { None };
        match kept {
            Some((shard, sums)) => {
                all.insert(number, shard);
                total.merge(sums);
            }
            None => missing.push(number),
        }
    }
    let (send, shards) = bounded::<Shard>(0);
    let sums = &mut total;
    let made = std::thread::scope(|scope| {
        let write = move || {
            shards
                .into_iter()
                .map(|shard| shard::write(shard, config, dataset, settings, sums))
                .collect::<Result<Vec<_>>>()
        };
        let writer = threads::spawn_scoped(scope, write)?;
        let mut failed = None;
        for &number in &missing {
            let made = pool.install(|| shard::make(split, range(number), path(number), config, progress));
            let sent = match made {
                // If the channel is closed, the writer has failed and returns the error.
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
            writer.join().unwrap_or_else(|_| Err(Error::data("the thread that writes shards panicked")));
        failed.map_or(written, Err)
    })?;
    all.extend(missing.into_iter().zip(made));
    Ok((all.into_values().collect(), total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Orientation;

    #[test]
    fn too_little_memory_is_reported_before_it_is_used() {
        let config = |side: usize, workers: usize| PackConfig {
            out: "packed".into(),
            store: Storage::Raw,
            side,
            orientation: Orientation::Exif,
            workers,
        };
        // Two shards of pixels, and sums of eight bytes for each value.
        assert_eq!(shard::memory(1024, &config(256, 2)), 3 * 256 * 256 * (2 * 1024 + 5 * 8 + 4));
        let needed = shard::memory(0, &config(4096, 16));
        assert!(check_memory(&[], &config(4096, 16), Some(needed)).is_ok());
        assert!(check_memory(&[], &config(4096, 16), None).is_ok());
        let error = check_memory(&[], &config(4096, 16), Some(needed - 1)).unwrap_err();
        assert!(
            error.message.contains("squares of 4096 x 4096 pixels on 16 threads: not enough memory"),
            "{error}"
        );
        assert!(error.help.is_some_and(|help| help.contains("--workers 1")));
    }

    #[test]
    fn too_small_disk_is_reported_with_both_sizes() {
        let out = Path::new("packed");
        assert!(enough(out, 5_000_000_000, 5_000_000_000, false).is_ok());
        for (is_begun, help) in [
            (false, "use a folder on a larger disk, or --store jpeg"),
            (true, "start again in another folder"),
        ] {
            let error = enough(out, 252_000_000_000, 69_000_000_000, is_begun).unwrap_err();
            assert!(error.message.contains("69.0 GB free, packing requires about 252.0 GB"), "{error}");
            assert!(error.help.is_some_and(|text| text.contains(help)), "{}", error.message);
        }
    }

    /// As the help of a disk that is too small suggests.
    #[test]
    fn settings_are_fixed_once_packing_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("packed");
        let settings = |store| PackSettings {
            format_version: FORMAT_VERSION,
            store,
            side: 256,
            orientation: Orientation::Exif,
            source: "pets".into(),
            source_digest: "0".into(),
        };
        prepare(&out, &settings(Storage::Raw)).unwrap();
        prepare(&out, &settings(Storage::Jpeg)).unwrap();
        json::write(&out.join(UNFINISHED_PACK), &settings(Storage::Jpeg)).unwrap();
        prepare(&out, &settings(Storage::Jpeg)).unwrap();
        let error = prepare(&out, &settings(Storage::Raw)).unwrap_err();
        assert!(error.message.contains("packing was started with other settings: Jpeg"), "{error}");
    }
}
