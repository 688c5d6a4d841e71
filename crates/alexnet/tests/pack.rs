//! Packed squares: the same images, the same statistics, whatever interrupts the packing.

#[path = "support/images.rs"]
mod images;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alexnet::data::pack::{Asker, Coding, Config, Manifest, pack};
use alexnet::data::square::square;
use alexnet::data::{Batch, Dataset, Loader, Preprocess, Statistics, digests};
use alexnet::net::{Augment, Input, Mean, Orientation};
use alexnet::{Error, Result};
use images::{jpeg, put, tree};

const SIDE: usize = 12;

/// 2,100 training images, so that there are three shards, a few of them broken, and ten to validate on.
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

fn packed(set: &Dataset, out: &Path, store: Coding) -> Result<Manifest> {
    let config =
        Config { out: out.to_owned(), store, side: SIDE, orientation: Orientation::Exif, workers: 2 };
    pack(set, &config, &|_| Ok(()))
}

#[test]
fn what_is_packed_is_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let set = source(&dir.path().join("set"));
    for store in [Coding::Raw, Coding::Jpeg] {
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
                // Colors that change from pixel to pixel are the hardest there are for JPEG; another image is 60 off.
                assert!(mean <= if store == Coding::Raw { 0 } else { 32 }, "{}: {mean}", after.file(place));
                count += 1;
            }
            assert_eq!(count, after.len());
        }
        // What was kept is what looking at every image finds, and for bare pixels what the source has.
        let train = again.train().unwrap();
        let kept = Statistics::measure(train, SIDE, 1, &|_| Ok(())).unwrap();
        assert!(train.known_statistics(SIDE).is_some() && train.known_statistics(SIDE + 1).is_none());
        let plain = train.clone().relabel(&again.classes, &["dog".into(), "cat".into()]).unwrap();
        let looked_at = looked_at(&plain);
        assert_eq!(kept.mean_image(), looked_at.mean_image());
        assert_eq!(kept.covariance(), looked_at.covariance());
        if store == Coding::Raw {
            let before = Statistics::measure(set.train().unwrap(), SIDE, 2, &|_| Ok(())).unwrap();
            assert_eq!((before.mean_image(), before.covariance()), (kept.mean_image(), kept.covariance()));
        }
        assert!(digests::compare(&out).unwrap().iter().all(|file| file.found == file.expected));
    }
}

/// Statistics of the decoded squares, by a look at each: packed into bare pixels again, nothing is resized.
fn looked_at(split: &alexnet::data::Split) -> Statistics {
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

/// Whenever it ends, what was finished is kept as it is, and the same command makes the rest.
#[test]
fn an_interrupted_packing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let set = source(&dir.path().join("set"));
    let whole = dir.path().join("whole");
    packed(&set, &whole, Coding::Jpeg).unwrap();
    let expected = tree(&whole);
    for stop in [1, 600, 1100, 2050, 2105] {
        let out = dir.path().join(format!("stopped-{stop}"));
        let config = Config {
            out: out.clone(),
            store: Coding::Jpeg,
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
        assert!(died.is_err(), "it went through");
        // As a killed process leaves them: a half-written file.
        std::fs::write(out.join(".train-00001.safetensors.1-0.tmp"), "half").unwrap();
        let error = Dataset::open(&out).unwrap_err().to_string();
        assert!(error.contains("not finished") && error.contains("data pack"), "{error}");
        let times = |name: &str| std::fs::metadata(out.join(name)).and_then(|found| found.modified()).ok();
        let before: BTreeMap<&String, _> = expected.keys().map(|name| (name, times(name))).collect();
        packed(&set, &out, Coding::Jpeg).unwrap();
        assert_eq!(tree(&out).keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        assert!(tree(&out) == expected, "stopped after {stop}: other bytes");
        for (name, before) in
            before.into_iter().filter(|(name, before)| before.is_some() && name.contains("000"))
        {
            assert_eq!(times(name), before, "{name} was written again");
        }
    }
}

/// Training sees the same bits, whether squares are made before each use or were packed once.
#[test]
fn batches_are_those_of_the_source() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    (0..40).for_each(|i| put(&root, &format!("train/{}/{i}.jpg", ["cat", "dog"][i % 2]), &jpeg(30, 24, i)));
    // What does not decode has no place in the packed set.
    for name in ["cat/0.jpg", "cat/12.jpg", "dog/7.jpg"] {
        put(&root, &format!("train/{name}"), b"not an image");
    }
    let (set, out) = (Dataset::open(&root).unwrap(), dir.path().join("out"));
    packed(&set, &out, Coding::Raw).unwrap();
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
    let batches = |set: &Dataset, workers: usize| -> Vec<Batch> {
        let split = set.train().unwrap();
        let found = Statistics::measure(split, SIDE, 2, &|_| Ok(())).unwrap();
        let preprocess = Arc::new(Preprocess::new(&input, &found));
        let basis = found.color_basis();
        let loader =
            Loader::training(split, &found.usable, &preprocess, &augment, &basis, (3, 5), 7, 1, workers);
        loader.map(Result::unwrap).collect()
    };
    // Where an image stands in the split is another matter.
    let without_indices = |batches: Vec<Batch>| -> Vec<Batch> {
        batches.into_iter().map(|batch| Batch { indices: Vec::new(), ..batch }).collect()
    };
    assert_eq!(without_indices(batches(&set, 2)), without_indices(batches(&again, 3)));
}

#[test]
fn another_packing_is_not_mixed_in() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    for i in 0..4 {
        put(&root, &format!("{}/{i}.jpg", ["cat", "dog"][i % 2]), &jpeg(16, 14, i));
    }
    let (set, out) = (Dataset::open(&root).unwrap(), dir.path().join("out"));
    packed(&set, &out, Coding::Raw).unwrap();
    let says = |result: Result<Manifest>, what: &str| {
        let error: Error = result.expect_err("it is refused");
        assert!(error.to_string().contains(what), "{error}");
    };
    says(packed(&set, &out, Coding::Raw), "is not empty");
    // Begun with other settings, or of other images.
    std::fs::remove_file(out.join(Manifest::FILE)).unwrap();
    let begun = serde_json::json!({
        "format_version": 1, "store": "raw", "side": SIDE, "source": set.origin, "source_digest": "other",
    });
    std::fs::write(out.join("packing.json"), begun.to_string()).unwrap();
    says(packed(&set, &out, Coding::Raw), "whose images were others");
    says(packed(&set, &out, Coding::Jpeg), "another packing was begun");
    std::fs::write(out.join("packing.json"), "{").unwrap();
    says(packed(&set, &out, Coding::Raw), "not what `alexnet data pack` writes");
}

#[test]
fn nothing_to_train_on_is_no_pack() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    put(&root, "train/cat/1.jpg", b"no image");
    put(&root, "train/dog/1.jpg", b"no image");
    put(&root, "val/cat/1.jpg", &jpeg(16, 14, 1));
    let (set, out) = (Dataset::open(&root).unwrap(), dir.path().join("out"));
    let error = packed(&set, &out, Coding::Raw).unwrap_err();
    assert!(
        error.message.contains("no training image of these classes decodes: `cat` (1), `dog` (1)"),
        "{error}"
    );
    // A manifest of squares that nobody has.
    put(&root, "train/cat/1.jpg", &jpeg(16, 14, 2));
    put(&root, "train/dog/1.jpg", &jpeg(16, 14, 3));
    let (set, out) = (Dataset::open(&root).unwrap(), dir.path().join("sound"));
    packed(&set, &out, Coding::Raw).unwrap();
    let manifest = std::fs::read_to_string(out.join(Manifest::FILE)).unwrap();
    for side in ["0", "4097", "9223372036854775807"] {
        let changed = manifest.replacen("\"side\": 12", &format!("\"side\": {side}"), 1);
        std::fs::write(out.join(Manifest::FILE), changed).unwrap();
        let error = Dataset::open(&out).unwrap_err();
        assert!(error.message.contains(&format!("squares of side {side}")), "{error}");
    }
}

/// Any byte of a shard, the manifest or the statistics changed, or the rest cut off: refused, or read within its bounds.
#[test]
fn damaged_packs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    for i in 0..4 {
        put(&root, &format!("{}/{i}.jpg", ["cat", "dog"][i % 2]), &jpeg(16, 14, i));
    }
    let set = Dataset::open(&root).unwrap();
    for store in [Coding::Raw, Coding::Jpeg] {
        let out = dir.path().join(format!("{store:?}"));
        let config = Config { out: out.clone(), store, side: 4, orientation: Orientation::Exif, workers: 1 };
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
        // What reading cannot notice, the digests do.
        let shard = out.join("train-00000.safetensors");
        let mut bytes = std::fs::read(&shard).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&shard, bytes).unwrap();
        let compared = digests::compare(&out).unwrap();
        let bad: Vec<&str> =
            compared.iter().filter(|f| f.found != f.expected).map(|f| f.file.as_str()).collect();
        assert_eq!(bad, ["train-00000.safetensors"]);
    }
}

/// A JPEG whose EXIF orientation is 6: stored on its side.
fn on_its_side(salt: usize) -> Vec<u8> {
    let bytes = jpeg(30, 20, salt);
    let tiff = [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".as_slice(), &[0; 4]].concat();
    let exif = [b"Exif\0\0".as_slice(), &tiff].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&bytes[..2], &[0xff, 0xe1], &length, &exif, &bytes[2..]].concat()
}

/// Photos are packed upright, the folder says so, and whoever needs them otherwise is told.
#[test]
fn photos_are_packed_upright_and_it_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    for i in 0..6 {
        let bytes = if i == 2 { on_its_side(i) } else { jpeg(30, 20, i) };
        put(&root, &format!("train/{}/{i}.jpg", ["cat", "dog"][i % 2]), &bytes);
    }
    let set = Dataset::open(&root).unwrap();
    let train = set.train().unwrap();
    for orientation in [Orientation::Exif, Orientation::Stored] {
        let out = dir.path().join(orientation.name());
        let config = Config { out: out.clone(), store: Coding::Raw, side: SIDE, orientation, workers: 2 };
        let manifest = pack(&set, &config, &|_| Ok(())).unwrap();
        assert_eq!((manifest.orientation, manifest.rotated), (orientation, Some(1)));
        let again = Dataset::open(&out).unwrap();
        let packed = again.train().unwrap();
        for index in 0..train.len() {
            let image = train.oriented(orientation).image(index).unwrap().unwrap();
            assert_eq!(packed.image(index).unwrap().unwrap(), square(&image, SIDE));
        }
        for asked in [Orientation::Exif, Orientation::Stored] {
            let fits = packed.check_packed(SIDE, asked, Asker::Recipe);
            assert_eq!(fits.is_ok(), asked == orientation, "{fits:?}");
        }
        let error = packed.check_packed(SIDE + 1, orientation, Asker::Model).unwrap_err().to_string();
        assert!(
            error.contains("12 x 12 pixels, the model needs 13 x 13") && error.contains("--side 13"),
            "{error}"
        );
        // Squares are not packed again at another size.
        let config = Config { out: dir.path().join("again"), side: SIDE + 1, ..config };
        assert!(
            pack(&again, &config, &|_| Ok(())).unwrap_err().message.contains("the new packing needs 13 x 13")
        );
    }
    // What an earlier version packed does not say; it is told, and read as before.
    let old = dir.path().join("stored");
    let text = std::fs::read_to_string(old.join(Manifest::FILE)).unwrap();
    let lines =
        text.lines().filter(|line| !line.contains("\"orientation\"") && !line.contains("\"rotated\""));
    std::fs::write(old.join(Manifest::FILE), lines.collect::<Vec<_>>().join("\n")).unwrap();
    let again = Dataset::open(&old).unwrap();
    let told = again.train().unwrap().check_packed(SIDE, Orientation::Exif, Asker::Recipe).unwrap();
    assert!(told.is_some_and(|note| note.contains("earlier version")));
    assert_eq!(again.train().unwrap().check_packed(SIDE, Orientation::Stored, Asker::Recipe).unwrap(), None);
    // Where no image is rotated, either will do.
    let plain = dir.path().join("plain");
    std::fs::remove_file(root.join("train/cat/2.jpg")).unwrap();
    let config = Config {
        out: plain.clone(),
        store: Coding::Jpeg,
        side: SIDE,
        orientation: Orientation::Exif,
        workers: 1,
    };
    assert_eq!(pack(&Dataset::open(&root).unwrap(), &config, &|_| Ok(())).unwrap().rotated, Some(0));
    let plain = Dataset::open(&plain).unwrap();
    assert_eq!(plain.train().unwrap().check_packed(SIDE, Orientation::Stored, Asker::Model).unwrap(), None);
}
