//! Packed squares: the same images and statistics, even if packing is interrupted.

use crate::images;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alexnet::data::loader::TrainingEpoch;
use alexnet::data::pack::{Manifest, PackConfig, SquaresUser, Storage, pack};
use alexnet::data::square::square;
use alexnet::data::{Dataset, LoadedBatch, Loader, Preprocess, Share, Statistics, checksums};
use alexnet::net::{Augment, Input, Mean, Orientation};
use alexnet::{Error, Result};
use images::{jpeg, put, tree};

const SIDE: usize = 12;

/// 2,100 training images (three shards), a few of them broken, and ten validation images.
fn source(root: &Path) -> Dataset {
    for i in 0..2100 {
        let bytes = jpeg(16 + (i % 5) as u16, 14, i);
        let bytes = if i % 700 == 3 { &bytes[..bytes.len() / 2] } else { &bytes };
        put(root, &format!("train/{}/{i:04}.jpg", ["cat", "dog"][i % 2]), bytes);
    }
    (0..10)
        .for_each(|i| put(root, &format!("val/{}/{i}.jpg", ["cat", "dog"][i % 2]), &jpeg(15, 15, 5000 + i)));
    Dataset::open(root).unwrap()
}

fn packed(set: &Dataset, out: &Path, store: Storage) -> Result<Manifest> {
    let config =
        PackConfig { out: out.to_owned(), store, side: SIDE, orientation: Orientation::Exif, workers: 2 };
    pack(set, &config, &|_| Ok(()))
}

#[test]
fn packed_images_are_those_of_the_source() {
    let dir = tempfile::tempdir().unwrap();
    let set = source(&dir.path().join("set"));
    for store in [Storage::Raw, Storage::Jpeg] {
        let out = dir.path().join(format!("{store:?}"));
        let manifest = packed(&set, &out, store).unwrap();
        assert_eq!(manifest.skipped.len(), 3);
        let images: Vec<usize> = manifest.splits[0].shards.iter().map(|shard| shard.images).collect();
        assert_eq!(images, [1024, 1021, 52]);
        let again = Dataset::open(&out).unwrap();
        assert_eq!(again.classes, set.classes);
        assert!(again.notes.iter().any(|note| note.contains("3 images")), "{:?}", again.notes);
        for (before, after) in set.splits.iter().zip(&again.splits) {
            assert_eq!(before.name, after.name);
            let usable = (0..before.len()).filter_map(|i| Some((i, before.image(i).unwrap().ok()?)));
            let mut count = 0;
            for (place, (index, image)) in usable.enumerate() {
                assert_eq!(
                    (before.file(index), before.label(index)),
                    (after.file(place), after.label(place))
                );
                let (one, other) = (square(&image, SIDE), after.image(place).unwrap().unwrap());
                let apart = one.pixels.iter().zip(&other.pixels).map(|(a, b)| u32::from(a.abs_diff(*b)));
                let mean = apart.sum::<u32>() as usize / one.pixels.len();
                // Colors that change from pixel to pixel are the worst case for JPEG; another image would differ by 60.
                assert!(mean <= if store == Storage::Raw { 0 } else { 32 }, "{}: {mean}", after.file(place));
                count += 1;
            }
            assert_eq!(count, after.len());
        }
        // The stored statistics are those of the packed images, and for raw pixels those of the source.
        let train = again.train().unwrap();
        let kept = Statistics::measure(train, SIDE, 1, &|_| Ok(())).unwrap();
        assert!(train.known_statistics(SIDE).is_some() && train.known_statistics(SIDE + 1).is_none());
        let plain = train.clone().relabel(&again.classes, &["dog".into(), "cat".into()]).unwrap();
        let looked_at = measured(&plain);
        assert_eq!(kept.mean_image(), looked_at.mean_image());
        assert_eq!(kept.covariance(), looked_at.covariance());
        if store == Storage::Raw {
            let before = Statistics::measure(set.train().unwrap(), SIDE, 2, &|_| Ok(())).unwrap();
            assert_eq!((before.mean_image(), before.covariance()), (kept.mean_image(), kept.covariance()));
        }
        assert!(checksums::verify(&out).unwrap().iter().all(|file| file.found == file.expected));
    }
}

/// The statistics of the decoded squares, measured from files with the same pixels.
fn measured(split: &alexnet::data::Split) -> Statistics {
    let mut set = tempfile::tempdir().unwrap();
    let folder = set.path().join("png");
    for i in 0..split.len() {
        let image = split.image(i).unwrap().unwrap();
        let image = image::RgbImage::from_raw(SIDE as u32, SIDE as u32, image.pixels).unwrap();
        put(&folder, &format!("train/a/{i}.png"), &images::encode(&image::DynamicImage::ImageRgb8(image)));
    }
    let plain = Dataset::open(&folder).unwrap();
    let found = Statistics::measure(plain.train().unwrap(), SIDE, 2, &|_| Ok(())).unwrap();
    set.disable_cleanup(false);
    found
}

/// Whenever packing is interrupted, finished shards are kept, and the same command makes the rest.
#[test]
fn an_interrupted_packing_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let set = source(&dir.path().join("set"));
    let whole = dir.path().join("whole");
    packed(&set, &whole, Storage::Jpeg).unwrap();
    let expected = tree(&whole);
    for stop in [1, 600, 1100, 2050, 2105] {
        let out = dir.path().join(format!("stopped-{stop}"));
        let config = PackConfig {
            out: out.clone(),
            store: Storage::Jpeg,
            side: SIDE,
            orientation: Orientation::Exif,
            workers: 2,
        };
        let done = AtomicUsize::new(0);
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pack(&set, &config, &|more| {
                assert!(done.fetch_add(more, Ordering::Relaxed) + more < stop, "killed");
                Ok(())
            })
        }));
        assert!(died.is_err(), "packing was not interrupted");
        // A half-written file, as left by a killed process.
        std::fs::write(out.join(".train-00001.safetensors.1-0.tmp"), "half").unwrap();
        let error = Dataset::open(&out).unwrap_err().to_string();
        assert!(error.contains("not finished") && error.contains("data pack"), "{error}");
        let times = |name: &str| std::fs::metadata(out.join(name)).and_then(|found| found.modified()).ok();
        let before: BTreeMap<&String, _> = expected.keys().map(|name| (name, times(name))).collect();
        packed(&set, &out, Storage::Jpeg).unwrap();
        assert_eq!(tree(&out).keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        assert!(tree(&out) == expected, "stopped after {stop}: bytes differ");
        for (name, before) in
            before.into_iter().filter(|(name, before)| before.is_some() && name.contains("000"))
        {
            assert_eq!(times(name), before, "{name} was written again");
        }
    }
}

/// Training sees the same bits whether squares are made on the fly or were packed.
#[test]
fn batches_are_those_of_the_source() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    (0..40).for_each(|i| put(&root, &format!("train/{}/{i}.jpg", ["cat", "dog"][i % 2]), &jpeg(30, 24, i)));
    // Images that do not decode are not in the packed set.
    for name in ["cat/0.jpg", "cat/12.jpg", "dog/7.jpg"] {
        put(&root, &format!("train/{name}"), b"not an image");
    }
    let (set, out) = (Dataset::open(&root).unwrap(), dir.path().join("out"));
    packed(&set, &out, Storage::Raw).unwrap();
    let again = Dataset::open(&out).unwrap();
    let augment = Augment { random_crop: true, flip: true, color_noise: 0.1 };
    let input = Input {
        square: SIDE,
        crop: 10,
        orientation: Orientation::Exif,
        mean: Mean::Image,
        divisor: 1.0,
        std: None,
    };
    let batches = |set: &Dataset, workers: usize| -> Vec<LoadedBatch> {
        let split = set.train().unwrap();
        let found = Statistics::measure(split, SIDE, 2, &|_| Ok(())).unwrap();
        let preprocess = Arc::new(Preprocess::new(&input, &found));
        let basis = found.color_basis();
        let epoch = TrainingEpoch {
            split,
            usable: &found.usable,
            preprocess: &preprocess,
            augment: &augment,
            basis: &basis,
            seed: 3,
            epoch: 5,
            batch_size: 7,
            first_batch: 1,
            share: Share::WHOLE,
        };
        Loader::training(&epoch, workers).map(Result::unwrap).collect()
    };
    // The indices in the split differ.
    let without_indices = |batches: Vec<LoadedBatch>| -> Vec<LoadedBatch> {
        batches.into_iter().map(|batch| LoadedBatch { indices: Vec::new(), ..batch }).collect()
    };
    assert_eq!(without_indices(batches(&set, 2)), without_indices(batches(&again, 3)));
}

#[test]
fn different_packings_are_not_mixed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    for i in 0..4 {
        put(&root, &format!("{}/{i}.jpg", ["cat", "dog"][i % 2]), &jpeg(16, 14, i));
    }
    let (set, out) = (Dataset::open(&root).unwrap(), dir.path().join("out"));
    packed(&set, &out, Storage::Raw).unwrap();
    let says = |result: Result<Manifest>, what: &str| {
        let error: Error = result.expect_err("packing must fail");
        assert!(error.to_string().contains(what), "{error}");
    };
    says(packed(&set, &out, Storage::Raw), "these images are packed there already: Raw, side 12");
    let command = format!("to use it: `alexnet train {} --recipe ", out.display());
    says(packed(&set, &out, Storage::Raw), &command);
    says(packed(&set, &out, Storage::Jpeg), "packed there already, with other settings: Raw, side 12");
    says(packed(&set, &out, Storage::Jpeg), "use a new folder");
    // Another source, and the same one with one more image.
    put(&dir.path().join("other"), "cat/1.jpg", &jpeg(16, 14, 90));
    put(&dir.path().join("other"), "dog/1.jpg", &jpeg(16, 14, 91));
    let other = Dataset::open(&dir.path().join("other")).unwrap();
    says(packed(&other, &out, Storage::Raw), "another source is packed there");
    put(&root, "cat/new.jpg", &jpeg(16, 14, 92));
    says(packed(&Dataset::open(&root).unwrap(), &out, Storage::Raw), "an earlier state of the source");
    put(dir.path(), "taken/mine.txt", b"mine");
    says(packed(&set, &dir.path().join("taken"), Storage::Raw), "is not empty");
    // Started with other settings, or with other images.
    std::fs::remove_file(out.join(Manifest::FILE)).unwrap();
    let begun = serde_json::json!({
        "format_version": 1, "store": "raw", "side": SIDE, "source": set.origin, "source_digest": "other",
    });
    std::fs::write(out.join("packing.json"), begun.to_string()).unwrap();
    says(packed(&set, &out, Storage::Raw), "with other images");
    says(packed(&set, &out, Storage::Jpeg), "packing was started with other settings");
    std::fs::write(out.join("packing.json"), "{").unwrap();
    says(packed(&set, &out, Storage::Raw), "invalid file of `alexnet data pack`");
}

#[test]
fn packing_without_training_images_fails() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    put(&root, "train/cat/1.jpg", b"no image");
    put(&root, "train/dog/1.jpg", b"no image");
    put(&root, "val/cat/1.jpg", &jpeg(16, 14, 1));
    let (set, out) = (Dataset::open(&root).unwrap(), dir.path().join("out"));
    let error = packed(&set, &out, Storage::Raw).unwrap_err();
    assert!(
        error.message.contains("no training image of these classes can be decoded: `cat` (1), `dog` (1)"),
        "{error}"
    );
    // A manifest with an invalid side.
    put(&root, "train/cat/1.jpg", &jpeg(16, 14, 2));
    put(&root, "train/dog/1.jpg", &jpeg(16, 14, 3));
    let (set, out) = (Dataset::open(&root).unwrap(), dir.path().join("sound"));
    packed(&set, &out, Storage::Raw).unwrap();
    let manifest = std::fs::read_to_string(out.join(Manifest::FILE)).unwrap();
    for side in ["0", "4097", "9223372036854775807"] {
        let changed = manifest.replacen("\"side\": 12", &format!("\"side\": {side}"), 1);
        std::fs::write(out.join(Manifest::FILE), changed).unwrap();
        let error = Dataset::open(&out).unwrap_err();
        assert!(error.message.contains(&format!("squares of side {side}")), "{error}");
    }
}

/// A shard, manifest or statistics file with any byte changed or truncated is rejected, or read within bounds.
#[test]
fn damaged_packs_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    for i in 0..4 {
        put(&root, &format!("{}/{i}.jpg", ["cat", "dog"][i % 2]), &jpeg(16, 14, i));
    }
    let set = Dataset::open(&root).unwrap();
    for store in [Storage::Raw, Storage::Jpeg] {
        let out = dir.path().join(format!("{store:?}"));
        let config =
            PackConfig { out: out.clone(), store, side: 4, orientation: Orientation::Exif, workers: 1 };
        pack(&set, &config, &|_| Ok(())).unwrap();
        let read = || -> Result<()> {
            let set = Dataset::open(&out)?;
            for split in &set.splits {
                for index in 0..split.len() {
                    let _ = split.image(index)?;
                }
            }
            Ok(())
        };
        read().unwrap();
        for (name, whole) in tree(&out) {
            let path = out.join(&name);
            for len in (0..whole.len()).step_by(7) {
                std::fs::write(&path, &whole[..len]).unwrap();
                assert!(read().is_err(), "{name}: {len} of {} bytes", whole.len());
            }
            for at in (0..whole.len()).step_by(3) {
                for change in [0x01, 0x80, 0x13] {
                    let mut bytes = whole.clone();
                    bytes[at] ^= change;
                    std::fs::write(&path, &bytes).unwrap();
                    let _ = read();
                }
            }
            std::fs::write(&path, &whole).unwrap();
        }
        read().unwrap();
        // Checksums detect what reading cannot.
        let shard = out.join("train-00000.safetensors");
        let mut bytes = std::fs::read(&shard).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&shard, bytes).unwrap();
        let compared = checksums::verify(&out).unwrap();
        let bad: Vec<&str> =
            compared.iter().filter(|f| f.found != f.expected).map(|f| f.file.as_str()).collect();
        assert_eq!(bad, ["train-00000.safetensors"]);
    }
}

/// A JPEG with EXIF orientation 6.
fn sideways(salt: usize) -> Vec<u8> {
    let bytes = jpeg(30, 20, salt);
    let tiff = [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".as_slice(), &[0; 4]].concat();
    let exif = [b"Exif\0\0".as_slice(), &tiff].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&bytes[..2], &[0xff, 0xe1], &length, &exif, &bytes[2..]].concat()
}

/// Photos are packed upright, the folder records it, and a different requirement is an error.
#[test]
fn photos_are_packed_upright_and_it_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    for i in 0..6 {
        let bytes = if i == 2 { sideways(i) } else { jpeg(30, 20, i) };
        put(&root, &format!("train/{}/{i}.jpg", ["cat", "dog"][i % 2]), &bytes);
    }
    let set = Dataset::open(&root).unwrap();
    let train = set.train().unwrap();
    for orientation in [Orientation::Exif, Orientation::Stored] {
        let out = dir.path().join(orientation.name());
        let config =
            PackConfig { out: out.clone(), store: Storage::Raw, side: SIDE, orientation, workers: 2 };
        let manifest = pack(&set, &config, &|_| Ok(())).unwrap();
        assert_eq!((manifest.orientation, manifest.rotated), (orientation, Some(1)));
        let again = Dataset::open(&out).unwrap();
        let packed = again.train().unwrap();
        for index in 0..train.len() {
            let image = train.oriented(orientation).image(index).unwrap().unwrap();
            assert_eq!(packed.image(index).unwrap().unwrap(), square(&image, SIDE));
        }
        for asked in [Orientation::Exif, Orientation::Stored] {
            let fits = packed.check_packed(SIDE, asked, SquaresUser::Recipe);
            assert_eq!(fits.is_ok(), asked == orientation, "{fits:?}");
        }
        let error = packed.check_packed(SIDE + 1, orientation, SquaresUser::Model).unwrap_err().to_string();
        assert!(
            error.contains("12 x 12 pixels, but the model requires 13 x 13") && error.contains("--side 13"),
            "{error}"
        );
        // Squares are not packed again with another side.
        let config = PackConfig { out: dir.path().join("again"), side: SIDE + 1, ..config };
        assert!(pack(&again, &config, &|_| Ok(())).unwrap_err().message.contains("packing requires 13 x 13"));
    }
    // Sets packed by an earlier version do not record it: there is a note.
    let old = dir.path().join("stored");
    let text = std::fs::read_to_string(old.join(Manifest::FILE)).unwrap();
    let lines =
        text.lines().filter(|line| !line.contains("\"orientation\"") && !line.contains("\"rotated\""));
    std::fs::write(old.join(Manifest::FILE), lines.collect::<Vec<_>>().join("\n")).unwrap();
    let again = Dataset::open(&old).unwrap();
    let reported = again.train().unwrap().check_packed(SIDE, Orientation::Exif, SquaresUser::Recipe).unwrap();
    assert!(reported.is_some_and(|note| note.contains("earlier version")));
    assert_eq!(
        again.train().unwrap().check_packed(SIDE, Orientation::Stored, SquaresUser::Recipe).unwrap(),
        None
    );
    // If no image is rotated, both orientations fit.
    let plain = dir.path().join("plain");
    std::fs::remove_file(root.join("train/cat/2.jpg")).unwrap();
    let config = PackConfig {
        out: plain.clone(),
        store: Storage::Jpeg,
        side: SIDE,
        orientation: Orientation::Exif,
        workers: 1,
    };
    assert_eq!(pack(&Dataset::open(&root).unwrap(), &config, &|_| Ok(())).unwrap().rotated, Some(0));
    let plain = Dataset::open(&plain).unwrap();
    assert_eq!(
        plain.train().unwrap().check_packed(SIDE, Orientation::Stored, SquaresUser::Model).unwrap(),
        None
    );
}
