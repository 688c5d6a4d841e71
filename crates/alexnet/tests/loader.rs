//! What is made of images on the way to the network: statistics, batches in any number of threads, upright images.

use std::fs::{create_dir_all, write};
use std::sync::Arc;

use alexnet::data::loader::TrainingEpoch;
use alexnet::data::square::square;
use alexnet::data::{Dataset, Image, LoadedBatch, Loader, Preprocess, Share, Statistics, embedded};
use alexnet::net::{Augment, Input, Mean, Orientation, Views};
use tempfile::TempDir;

use crate::images::{class_folders, encode, jpeg};

fn input(square: usize, crop: usize, mean: Mean) -> Input {
    Input { square, crop, orientation: Orientation::Exif, mean, divisor: 1.0, std: None }
}

fn augment() -> Augment {
    Augment { random_crop: true, flip: true, color_noise: 0.1 }
}

fn epoch(set: &Dataset, batch: usize, first: usize, workers: usize, epoch: u64) -> Vec<LoadedBatch> {
    let split = set.train().unwrap();
    let statistics = Statistics::measure(split, 16, 2, &|_| Ok(())).unwrap();
    let preprocess = Arc::new(Preprocess::new(&input(16, 12, Mean::Image), &statistics));
    let basis = statistics.color_basis();
    let epoch = TrainingEpoch {
        split,
        usable: &statistics.usable,
        preprocess: &preprocess,
        augment: &augment(),
        basis: &basis,
        seed: 7,
        epoch,
        batch_size: batch,
        first_batch: first,
        share: Share::WHOLE,
    };
    Loader::training(&epoch, workers).map(Result::unwrap).collect()
}

#[test]
fn batches_do_not_depend_on_the_workers() {
    let dir = TempDir::new().unwrap();
    class_folders(dir.path(), &["cat", "dog", "owl"], 15);
    write(dir.path().join("cat/broken.jpg"), "text").unwrap();
    let set = Dataset::open(dir.path()).unwrap();
    let inline = epoch(&set, 8, 0, 0, 3);
    for workers in [1, 3] {
        assert!(epoch(&set, 8, 0, workers, 3) == inline, "{workers} workers");
    }
    assert!(epoch(&set, 8, 2, 2, 3) == inline[2..], "from the third batch");
    let mut seen: Vec<usize> = inline.iter().flat_map(|batch| batch.indices.clone()).collect();
    assert_eq!(seen.len(), set.train().unwrap().len() - 1);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), set.train().unwrap().len() - 1, "each image once");
    assert_ne!(epoch(&set, 8, 0, 0, 4)[0].indices, inline[0].indices, "another order in another epoch");
}

#[test]
fn broken_images_are_listed_and_skipped() {
    let dir = TempDir::new().unwrap();
    class_folders(dir.path(), &["cat", "dog"], 4);
    write(dir.path().join("cat/zero.jpg"), "").unwrap();
    let whole = jpeg(30, 30, 1);
    write(dir.path().join("dog/half.jpg"), &whole[..whole.len() / 2]).unwrap();
    let set = Dataset::open(dir.path()).unwrap();
    let all = set.split("all").unwrap();
    let statistics = Statistics::measure(all, 16, 2, &|_| Ok(())).unwrap();
    let files: Vec<&str> = statistics.skipped.iter().map(|skip| skip.file.as_str()).collect();
    assert_eq!((files, statistics.usable.len()), (vec!["cat/zero.jpg", "dog/half.jpg"], 8));
    let preprocess = Arc::new(Preprocess::new(&input(16, 12, Mean::Channels), &statistics));
    let batches: Vec<LoadedBatch> =
        Loader::evaluation(all, &preprocess, Views::Ten, 3, Share::WHOLE, 2).map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|b| b.skipped.len()).sum::<usize>(), 2);
    assert_eq!(batches[0].images.len(), batches[0].labels.len() * 10 * 12 * 12 * 3);

    let dir = TempDir::new().unwrap();
    create_dir_all(dir.path().join("cat")).unwrap();
    write(dir.path().join("cat/a.jpg"), "text").unwrap();
    let set = Dataset::open(dir.path()).unwrap();
    let error = Statistics::measure(set.split("all").unwrap(), 16, 1, &|_| Ok(())).unwrap_err();
    assert!(error.message.contains("none of the 1 images can be decoded"), "{error}");
}

#[test]
fn a_deleted_image_ends_the_epoch() {
    let dir = TempDir::new().unwrap();
    class_folders(dir.path(), &["cat", "dog"], 6);
    let set = Dataset::open(dir.path()).unwrap();
    let all = set.split("all").unwrap();
    let statistics = Statistics::measure(all, 16, 1, &|_| Ok(())).unwrap();
    let preprocess = Arc::new(Preprocess::new(&input(16, 12, Mean::Image), &statistics));
    std::fs::remove_file(dir.path().join("dog/005.jpg")).unwrap();
    for workers in [0, 2] {
        let mut loader = Loader::evaluation(all, &preprocess, Views::Center, 4, Share::WHOLE, workers);
        assert!(loader.next().unwrap().is_ok() && loader.next().unwrap().is_ok());
        let error = loader.next().unwrap().unwrap_err();
        assert!(error.message.contains("dog/005.jpg"), "{error}");
        assert!(loader.next().is_none(), "an error ends the epoch");
    }
}

#[test]
fn statistics_match_a_plain_sum() {
    let set = embedded::fashion_mnist().unwrap();
    let split = set.val().unwrap();
    let statistics = Statistics::measure(split, 28, 3, &|_| Ok(())).unwrap();
    assert_eq!(statistics, Statistics::measure(split, 28, 1, &|_| Ok(())).unwrap(), "any number of workers");
    let images: Vec<Image> = (0..split.len()).map(|i| split.image(i).unwrap().unwrap()).collect();
    let mean: f64 = images.iter().map(|p| f64::from(p.pixels[3 * 400])).sum::<f64>() / 2000.0;
    assert!((f64::from(statistics.mean_image()[3 * 400]) - mean).abs() < 1e-4);
    let grays = || images.iter().flat_map(|p| p.pixels.iter().step_by(3).map(|&v| f64::from(v)));
    let count = (2000 * 28 * 28) as f64;
    let mean = grays().sum::<f64>() / count;
    let variance = grays().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
    assert!((statistics.covariance()[0][1] / variance - 1.0).abs() < 1e-9);
    let basis = statistics.color_basis();
    assert!((basis.deviations[0] - (3.0 * variance).sqrt()).abs() < 1e-6, "gray varies along (1, 1, 1)");
    assert!(basis.vectors[0].iter().all(|v| (v - 1.0 / 3f64.sqrt()).abs() < 1e-9));
}

/// A training run that is interrupted resumes with the remaining batches: each image once per epoch.
#[test]
fn every_image_is_used_once_in_each_of_50_interrupted_epochs() {
    let dir = TempDir::new().unwrap();
    class_folders(dir.path(), &["cat", "dog", "owl"], 15);
    let (set, batch) = (Dataset::open(dir.path()).unwrap(), 3);
    let images = set.train().unwrap().len();
    for number in 1..=50 {
        let mut seen = vec![0; images];
        let mut first = 0;
        let mut interruptions = 0;
        while first < images.div_ceil(batch) {
            let chance = alexnet_kernels::hash::combine(number, first as u64);
            let workers = [0, 1, 2, 3, 7][(chance % 5) as usize];
            let used = 1 + (chance >> 8) as usize % 4;
            let batches = epoch(&set, batch, first, workers, number).into_iter().take(used);
            let batches: Vec<LoadedBatch> = batches.collect();
            batches.iter().flat_map(|batch| &batch.indices).for_each(|&index| seen[index] += 1);
            first += batches.len();
            interruptions += 1;
        }
        assert!(seen.iter().all(|&times| times == 1), "epoch {number}: {seen:?}");
        assert!(interruptions > 1, "epoch {number} was not interrupted");
    }
}

/// The pixels of an image as a camera would store them with an EXIF orientation of 1 to 8, and the stored width.
fn as_stored(upright: &[u8], width: usize, height: usize, orientation: u8) -> (Vec<u8>, usize) {
    let (stored_width, stored_height) = if orientation < 5 { (width, height) } else { (height, width) };
    // What the stored first row and column are, by the table of orientations in the EXIF standard.
    let shown = |row: usize, column: usize| match orientation {
        1 => (column, row),
        2 => (width - 1 - column, row),
        3 => (width - 1 - column, height - 1 - row),
        4 => (column, height - 1 - row),
        5 => (row, column),
        6 => (width - 1 - row, column),
        7 => (width - 1 - row, height - 1 - column),
        _ => (row, height - 1 - column),
    };
    let places = (0..stored_height).flat_map(|row| (0..stored_width).map(move |column| shown(row, column)));
    let pixels = places.flat_map(|(x, y)| upright[3 * (y * width + x)..][..3].to_vec()).collect();
    (pixels, stored_width)
}

/// A PNG that is `upright` after applying its EXIF orientation.
fn oriented_png(upright: &[u8], width: usize, height: usize, orientation: u8) -> Vec<u8> {
    let (pixels, stored_width) = as_stored(upright, width, height, orientation);
    let stored_height = pixels.len() / 3 / stored_width;
    let image = image::RgbImage::from_raw(stored_width as u32, stored_height as u32, pixels).unwrap();
    let bytes = encode(&image::DynamicImage::ImageRgb8(image));
    let tiff = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation, 0, 0], &[0; 4]]
        .concat();
    let mut crc = flate2::Crc::new();
    crc.update(b"eXIf");
    crc.update(&tiff);
    let chunk = [&(tiff.len() as u32).to_be_bytes()[..], b"eXIf", &tiff, &crc.sum().to_be_bytes()].concat();
    // After the 8 + 25 bytes of the header.
    [&bytes[..33], &chunk, &bytes[33..]].concat()
}

/// Every orientation yields the upright image wherever pixels are used; as stored, they stay unchanged.
#[test]
fn images_are_upright_if_the_recipe_requires_it() {
    const WIDTH: usize = 13;
    const HEIGHT: usize = 9;
    let dir = TempDir::new().unwrap();
    let upright: Vec<u8> = (0..3 * WIDTH * HEIGHT).map(|i| (i * 37 % 251) as u8).collect();
    for class in ["cat", "dog"] {
        create_dir_all(dir.path().join("train").join(class)).unwrap();
        for orientation in 1..=8 {
            let bytes = oriented_png(&upright, WIDTH, HEIGHT, orientation);
            write(dir.path().join(format!("train/{class}/{orientation}.png")), bytes).unwrap();
        }
    }
    let set = Dataset::open(dir.path()).unwrap();
    let stored = set.train().unwrap();
    let split = stored.oriented(Orientation::Exif);
    let image = Image::new(WIDTH, HEIGHT, upright.clone());
    for index in 0..split.len() {
        assert_eq!(split.image(index).unwrap().unwrap(), image, "{}", split.file(index));
        let orientation = 1 + (index % 8) as u8;
        let (pixels, width) = as_stored(&upright, WIDTH, HEIGHT, orientation);
        let as_it_is = Image::new(width, pixels.len() / 3 / width, pixels);
        assert_eq!(stored.image(index).unwrap().unwrap(), as_it_is);
        let again = split.oriented(Orientation::Stored);
        assert_eq!(again.image(index).unwrap().unwrap(), as_it_is);
    }
    // The mean of equal squares is the square.
    let found = Statistics::measure(&split, 8, 2, &|_| Ok(())).unwrap();
    let expected: Vec<f32> = square(&image, 8).pixels.iter().map(|&value| f32::from(value)).collect();
    assert_eq!(found.mean_image(), expected);
    assert_ne!(Statistics::measure(stored, 8, 2, &|_| Ok(())).unwrap().mean_image(), expected);
    // The loader uses the orientation of the preprocessing, not of the split.
    let augment = Augment { random_crop: false, flip: false, color_noise: 0.0 };
    let first = |split, orientation| -> Vec<Vec<f32>> {
        let preprocess =
            Preprocess::new(&Input { orientation, ..input(8, 8, Mean::Fixed([0.0; 3])) }, &found);
        let (preprocess, basis) = (Arc::new(preprocess), found.color_basis());
        let epoch = TrainingEpoch {
            split,
            usable: &found.usable,
            preprocess: &preprocess,
            augment: &augment,
            basis: &basis,
            seed: 1,
            epoch: 1,
            batch_size: 4,
            first_batch: 0,
            share: Share::WHOLE,
        };
        let training = Loader::training(&epoch, 2);
        let evaluation = Loader::evaluation(split, &preprocess, Views::Center, 4, Share::WHOLE, 0);
        let images = training.chain(evaluation).flat_map(|batch| batch.unwrap().images);
        images.collect::<Vec<f32>>().chunks(8 * 8 * 3).map(<[f32]>::to_vec).collect()
    };
    for split in [stored, &split] {
        let images = first(split, Orientation::Exif);
        assert!(images.len() == 32 && images.iter().all(|image| *image == expected));
        assert!(first(split, Orientation::Stored).iter().any(|image| *image != expected));
    }
}
