//! Every kind of source and every invalid input, from generated files.

use std::fs::{create_dir_all, write};
use std::path::Path;
use std::sync::Arc;

use alexnet::data::decode::{decode, inspect};
use alexnet::data::loader::TrainingEpoch;
use alexnet::data::square::square;
use alexnet::data::{Dataset, Image, LoadedBatch, Loader, Preprocess, Share, Statistics, embedded};
use alexnet::net::{Augment, Input, Mean, Orientation, Views};
use jpeg_encoder::{ColorType, Encoder};
use proptest::prelude::*;
use tempfile::TempDir;

/// A JPEG of one color with some structure.
fn jpeg(width: u16, height: u16, color: [u8; 3]) -> Vec<u8> {
    let pixel = |i: usize| color.map(|c| c.saturating_add((i % 7) as u8));
    let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height)).flat_map(pixel).collect();
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, 95).encode(&pixels, width, height, ColorType::Rgb).unwrap();
    bytes
}

fn png(image: &image::DynamicImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// `classes` folders of `count` images each below `root`.
fn class_folders(root: &Path, classes: &[&str], count: usize) {
    for (i, class) in classes.iter().enumerate() {
        create_dir_all(root.join(class)).unwrap();
        for j in 0..count {
            let color = [50 * i as u8, 20 + j as u8, 200 - 40 * i as u8];
            write(root.join(class).join(format!("{j:03}.jpg")), jpeg(20, 16, color)).unwrap();
        }
    }
}

fn open_error(path: &Path) -> String {
    let error = Dataset::open(path).expect_err("opening must fail");
    assert_eq!(error.kind.exit_code(), 3, "{error}");
    error.to_string()
}

#[test]
fn class_folders_hold_out_a_tenth() {
    let dir = TempDir::new().unwrap();
    class_folders(dir.path(), &["zebra", "10", "2", "Ant"], 20);
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(set.classes, ["10", "2", "Ant", "zebra"], "lexicographic by bytes");
    let sizes: Vec<usize> = ["train", "val", "all"].map(|name| set.split(name).unwrap().len()).to_vec();
    assert_eq!(sizes, [72, 8, 80]);
    let (train, val) = (set.train().unwrap(), set.val().unwrap());
    let held: Vec<&str> = (0..val.len()).map(|i| val.file(i)).collect();
    assert!((0..train.len()).all(|i| !held.contains(&train.file(i))), "no image is on both sides");
    assert!(set.notes.iter().any(|note| note.contains("held out")), "{:?}", set.notes);
    assert!((0..4).all(|class| (0..val.len()).filter(|&i| val.label(i) == class).count() == 2));
}

#[test]
fn train_and_val_folders_and_their_tar_are_the_same_set() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("pets");
    class_folders(&root.join("train"), &["cat", "dog"], 3);
    class_folders(&root.join("validation"), &["cat", "dog"], 2);
    write(root.join("train/cat/notes.txt"), "hello").unwrap();
    write(root.join("train/cat/._000.jpg"), "resource fork").unwrap();
    let tar = dir.path().join("pets.tar");
    let mut builder = tar::Builder::new(std::fs::File::create(&tar).unwrap());
    builder.append_dir_all("./pets", &root).unwrap();
    builder.finish().unwrap();

    let (folder, archive) = (Dataset::open(&root).unwrap(), Dataset::open(&tar).unwrap());
    assert_eq!(folder.classes, archive.classes);
    for name in ["train", "val"] {
        let (a, b) = (folder.split(name).unwrap(), archive.split(name).unwrap());
        assert_eq!(a.len(), b.len());
        for i in 0..a.len() {
            assert_eq!((a.file(i), a.label(i)), (b.file(i), b.label(i)));
            assert_eq!(a.image(i).unwrap(), b.image(i).unwrap());
        }
    }
    assert!(folder.notes.iter().any(|note| note.contains("notes.txt")), "{:?}", folder.notes);
    assert!(folder.notes.iter().any(|note| note.contains("1 hidden or system file")), "{:?}", folder.notes);
}

#[test]
fn splits_with_other_classes_are_reported() {
    let dir = TempDir::new().unwrap();
    class_folders(&dir.path().join("train"), &["cat", "dog"], 2);
    class_folders(&dir.path().join("val"), &["cat"], 2);
    let set = Dataset::open(dir.path()).unwrap();
    assert!(
        set.notes.iter().any(|note| note.contains("no images of 1 class in val/: dog")),
        "{:?}",
        set.notes
    );
    class_folders(&dir.path().join("val"), &["horse"], 2);
    assert!(open_error(dir.path()).contains("horse"));
}

#[test]
fn split_folders_ignore_case_and_training_needs_training_images() {
    let dir = TempDir::new().unwrap();
    class_folders(&dir.path().join("Test"), &["cat", "dog"], 2);
    class_folders(&dir.path().join("Val"), &["cat", "dog"], 2);
    let error = Dataset::open(dir.path()).unwrap().train().unwrap_err().to_string();
    assert!(error.contains("no training images, only val and test"), "{error}");
    class_folders(&dir.path().join("Train"), &["cat", "dog"], 2);
    let set = Dataset::open(dir.path()).unwrap();
    let names: Vec<&str> = set.splits.iter().map(|split| split.name.as_str()).collect();
    assert_eq!((set.classes.len(), names), (2, vec!["train", "val", "test"]));
}

#[cfg(unix)]
#[test]
fn broken_links_are_skipped_and_reported() {
    let dir = TempDir::new().unwrap();
    class_folders(dir.path(), &["cat", "dog"], 3);
    std::os::unix::fs::symlink("nowhere", dir.path().join("cat/link.jpg")).unwrap();
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(set.split("all").unwrap().len(), 6);
    assert!(set.notes.iter().any(|note| note.contains("cat/link.jpg")), "{:?}", set.notes);
}

#[test]
fn labels_follow_a_models_classes() {
    let dir = TempDir::new().unwrap();
    class_folders(dir.path(), &["cat", "dog"], 2);
    let set = Dataset::open(dir.path()).unwrap();
    let model = ["ant", "dog", "cat"].map(str::to_owned);
    let all = set.split("all").unwrap().relabel(&set.classes, &model).unwrap();
    assert_eq!((0..4).map(|i| all.label(i)).collect::<Vec<_>>(), [2, 2, 1, 1]);
    let error = set.split("all").unwrap().relabel(&set.classes, &model[..2]).unwrap_err();
    assert!(error.message.contains("cat"), "{error}");
}

#[test]
fn sources_without_images_are_rejected() {
    let dir = TempDir::new().unwrap();
    assert!(open_error(&dir.path().join("nowhere")).contains("nowhere"));
    assert!(open_error(dir.path()).contains("it is empty"));
    write(dir.path().join("1.jpg"), jpeg(8, 8, [1, 2, 3])).unwrap();
    assert!(open_error(dir.path()).contains("in no class folder"));
    class_folders(dir.path(), &["cat"], 1);
    create_dir_all(dir.path().join("dog")).unwrap();
    let message = open_error(dir.path());
    assert!(message.contains("no images: dog") && message.contains("help"), "{message}");
    let text = dir.path().join("set.tar");
    write(&text, "not a tar at all").unwrap();
    assert!(open_error(&text).contains("set.tar"));
}

#[test]
fn a_truncated_tar_is_rejected() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("set");
    class_folders(&root, &["cat", "dog"], 4);
    let path = dir.path().join("set.tar");
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(".", &root).unwrap();
    let bytes = builder.into_inner().unwrap();
    let last = bytes.iter().rposition(|&b| b != 0).unwrap();
    write(&path, &bytes[..last - 20]).unwrap();
    assert!(open_error(&path).contains("not a complete tar archive"));
    write(&path, &bytes[..bytes.len() / 2 / 512 * 512 + 100]).unwrap();
    open_error(&path);
}

#[test]
fn names_that_leave_an_archive_are_skipped_and_nothing_is_written() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("evil.tar");
    let mut builder = tar::Builder::new(std::fs::File::create(&path).unwrap());
    for name in ["../escape/1.jpg", "/absolute/1.jpg", "cat/1.jpg", "dog/1.jpg"] {
        let data = jpeg(8, 8, [9, 9, 9]);
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append(&header, &data[..]).unwrap();
    }
    builder.finish().unwrap();
    let set = Dataset::open(&path).unwrap();
    assert_eq!(set.classes, ["cat", "dog"]);
    assert!(set.notes.iter().any(|note| note.contains("../escape/1.jpg")), "{:?}", set.notes);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn cifar_binaries_are_read_and_checked() {
    let dir = TempDir::new().unwrap();
    let record =
        |label: u8, value: u8| [vec![label], vec![value; 1024], vec![2; 1024], vec![3; 1024]].concat();
    let names: String = (0..10).map(|i| format!("class{i}\n")).collect();
    write(dir.path().join("batches.meta.txt"), names).unwrap();
    for i in 1..=5 {
        write(dir.path().join(format!("data_batch_{i}.bin")), [record(i, i), record(9, 40 + i)].concat())
            .unwrap();
    }
    write(dir.path().join("test_batch.bin"), record(0, 7)).unwrap();
    let set = Dataset::open(dir.path()).unwrap();
    let train = set.train().unwrap();
    assert_eq!((set.classes.len(), train.len(), set.val().unwrap().len()), (10, 10, 1));
    assert_eq!(train.label(2), 2);
    assert_eq!(train.image(3).unwrap().unwrap().pixels[..6], [42, 2, 3, 42, 2, 3]);

    write(dir.path().join("test_batch.bin"), &record(0, 7)[..3000]).unwrap();
    assert!(open_error(dir.path()).contains("truncated"));
    write(dir.path().join("test_batch.bin"), record(10, 7)).unwrap();
    assert!(open_error(dir.path()).contains("label 10"));
    write(dir.path().join("batches.meta.txt"), "\n").unwrap();
    assert!(open_error(dir.path()).contains("no class names"));
}

#[test]
fn cifar_100_uses_fine_labels() {
    let dir = TempDir::new().unwrap();
    let names: String = (0..100).map(|i| format!("class{i}\n")).collect();
    write(dir.path().join("fine_label_names.txt"), names).unwrap();
    let record = [vec![3, 77], vec![5; 3072]].concat();
    write(dir.path().join("train.bin"), &record).unwrap();
    write(dir.path().join("test.bin"), &record).unwrap();
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.classes.len(), set.train().unwrap().label(0)), (100, 77));
}

fn idx(magic: u8, extents: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, magic];
    extents.iter().for_each(|extent| bytes.extend(extent.to_be_bytes()));
    bytes.extend(values);
    bytes
}

#[test]
fn idx_files_are_read_and_checked() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str| dir.path().join(name);
    write(file("train-images-idx3-ubyte"), idx(3, &[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]))
        .unwrap();
    write(file("train-labels-idx1-ubyte"), idx(1, &[2], &[4, 1])).unwrap();
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(set.classes, ["0", "1", "2", "3", "4"]);
    let image = set.train().unwrap().image(1).unwrap().unwrap();
    assert_eq!((image.width, image.height, &image.pixels[..6]), (3, 2, &[7, 7, 7, 8, 8, 8][..]));

    write(file("classes.txt"), "a\nb\nc\nd\n").unwrap();
    assert!(open_error(dir.path()).contains("`4`"));
    write(file("train-labels-idx1-ubyte"), idx(1, &[3], &[4, 1, 0])).unwrap();
    assert!(open_error(dir.path()).contains("3 labels"));
    write(file("train-labels-idx1-ubyte"), idx(1, &[200], &[4, 1])).unwrap();
    assert!(open_error(dir.path()).contains("truncated"));
    write(file("train-images-idx3-ubyte"), idx(3, &[u32::MAX, u32::MAX, u32::MAX], &[])).unwrap();
    assert!(open_error(dir.path()).contains("truncated"));
    write(file("train-images-idx3-ubyte"), "text").unwrap();
    assert!(open_error(dir.path()).contains("not an IDX file"));
    std::fs::remove_file(file("train-labels-idx1-ubyte")).unwrap();
    assert!(open_error(dir.path()).contains("train-labels"));
}

/// As of EMNIST's letters: labels 1 to 26, and a list with numbers.
#[test]
fn idx_labels_count_from_the_first_number_of_the_classes() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str| dir.path().join(name);
    for split in ["train", "t10k"] {
        write(file(&format!("{split}-images-idx3-ubyte")), idx(3, &[3, 1, 1], &[1, 2, 3])).unwrap();
    }
    write(file("train-labels-idx1-ubyte"), idx(1, &[3], &[1, 3, 1])).unwrap();
    write(file("t10k-labels-idx1-ubyte"), idx(1, &[3], &[1, 2, 1])).unwrap();
    write(file("classes.txt"), "1 a\n2 b\n3 c\n").unwrap();
    let set = Dataset::open(dir.path()).unwrap();
    let labels = |name: &str| {
        let split = set.split(name).unwrap();
        (0..split.len()).map(|i| split.label(i)).collect::<Vec<_>>()
    };
    assert_eq!(set.classes, ["a", "b", "c"]);
    assert_eq!((labels("train"), labels("test")), (vec![0, 2, 0], vec![0, 1, 0]));

    // A number before the first.
    write(file("t10k-labels-idx1-ubyte"), idx(1, &[3], &[1, 0, 1])).unwrap();
    let error = Dataset::open(dir.path()).unwrap_err();
    assert!(error.message.contains("class `0` is not one of the 3"), "{error}");
    assert!(error.help.as_deref().is_some_and(|help| help.contains("`0 cat`, `1 dog`")), "{error:?}");
}

#[test]
fn the_embedded_set_is_complete() {
    let set = embedded::fashion_mnist().unwrap();
    assert_eq!((set.train().unwrap().len(), set.val().unwrap().len()), (10_000, 2_000));
    for (split, each) in [(set.train().unwrap(), 1000), (set.val().unwrap(), 200)] {
        for class in 0..10 {
            assert_eq!((0..split.len()).filter(|&i| split.label(i) == class).count(), each);
        }
    }
}

#[test]
fn undecodable_images_report_the_reason() {
    let whole = jpeg(40, 30, [200, 100, 50]);
    let says = |bytes: &[u8], what: &str| {
        let message = decode(bytes).expect_err("decoding must fail").message;
        assert!(message.contains(what), "{message} does not say {what}");
    };
    says(b"", "empty");
    says(b"Hello, this is no image", "starts with `Hello, t`");
    says(&whole[..whole.len() / 2], "truncated JPEG");
    says(&whole[..3], "truncated JPEG");
    says(&whole[..whole.len() - 8], "truncated JPEG");
    // The end marker alone is not part of the image.
    assert_eq!(decode(&whole[..whole.len() - 2]).unwrap(), decode(&whole).unwrap());
    says(&png(&image::DynamicImage::new_rgb8(9, 9))[..50], "broken PNG");

    // A gzip file in a gzip file, a broken one, and a valid one.
    let gzip = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, bytes).unwrap();
        packed.finish().unwrap()
    };
    says(&gzip(b""), "empty gzip file");
    says(&gzip(&gzip(&whole)), "gzip file inside a gzip file");
    assert!(inspect(&gzip(&gzip(&whole))).is_err());
    says(&gzip(&whole)[..40], "broken gzip file");
    says(&gzip(&vec![0; 65 << 20]), "gzip file decompresses to more than");
    assert_eq!(decode(&gzip(&whole)).unwrap(), decode(&whole).unwrap());

    // Palettes with an extra byte, and with more than 256 colors.
    for length in [4, 258 * 3] {
        let rest = [(b"PLTE", vec![7; length]), (b"IDAT", Vec::new())].map(|(kind, data)| {
            let mut crc = flate2::Crc::new();
            crc.update(kind);
            crc.update(&data);
            [&(data.len() as u32).to_be_bytes()[..], kind, &data, &crc.sum().to_be_bytes()].concat()
        });
        let mut paletted = png(&image::DynamicImage::new_luma8(1, 1))[..33].to_vec();
        paletted[25] = 3;
        let mut crc = flate2::Crc::new();
        crc.update(&paletted[12..29]);
        paletted[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        says(&[paletted, rest.concat()].concat(), &format!("palette of {length} bytes"));
    }

    // A JPEG and a PNG whose headers claim 20,000 x 20,000 pixels.
    let mut huge = whole.clone();
    let frame = huge.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    huge[frame + 5..frame + 9].copy_from_slice(&[0x4e, 0x20, 0x4e, 0x20]);
    says(&huge, "20000 x 20000 pixels");
    let mut huge = png(&image::DynamicImage::new_rgb8(1, 1));
    huge[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]);
    let mut crc = flate2::Crc::new();
    crc.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    says(&huge, "20000 x 20000 pixels");
}

#[test]
fn unusual_images_decode_as_in_pillow() {
    let close = |bytes: &[u8], expected: [u8; 3]| {
        let Image { pixels, .. } = decode(bytes).unwrap();
        let worst = pixels.chunks(3).flat_map(|p| (0..3).map(move |c| p[c].abs_diff(expected[c]))).max();
        assert!(worst <= Some(3), "{:?} is not {expected:?}", &pixels[..3]);
    };
    // Adobe's CMYK is inverted: 255 is no ink.
    let mut cmyk = Vec::new();
    let ink: Vec<u8> = [255, 128, 0, 255].repeat(256);
    Encoder::new(&mut cmyk, 100).encode(&ink, 16, 16, ColorType::Cmyk).unwrap();
    let image = decode(&cmyk).unwrap();
    assert_eq!((image.width, image.height), (16, 16));
    let mut ycck = Vec::new();
    Encoder::new(&mut ycck, 100).encode(&ink, 16, 16, ColorType::CmykAsYcck).unwrap();
    let same = decode(&ycck).unwrap();
    let worst = image.pixels.iter().zip(&same.pixels).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(4), "CMYK {:?} and YCCK {:?}", &image.pixels[..3], &same.pixels[..3]);

    let mut gray = Vec::new();
    Encoder::new(&mut gray, 95).encode(&[77; 64], 8, 8, ColorType::Luma).unwrap();
    close(&gray, [77; 3]);
    let sixteen = image::ImageBuffer::from_pixel(4, 4, image::Rgb([257u16 * 10, 257 * 20, 65535]));
    close(&png(&image::DynamicImage::ImageRgb16(sixteen)), [10, 20, 255]);
    let gray = image::ImageBuffer::from_pixel(4, 4, image::Luma([257u16 * 99]));
    close(&png(&image::DynamicImage::ImageLuma16(gray)), [99; 3]);
    let alpha = image::ImageBuffer::from_pixel(4, 4, image::Rgba([10u8, 20, 30, 0]));
    close(&png(&image::DynamicImage::ImageRgba8(alpha)), [10, 20, 30]);
    // A PNG named JPEG is a PNG.
    close(
        &png(&image::DynamicImage::ImageRgb8(image::RgbImage::from_pixel(1, 1, image::Rgb([1, 2, 3])))),
        [1, 2, 3],
    );
}

/// The mean and largest difference of the values of two images.
fn difference(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let apart = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (apart().map(f64::from).sum::<f64>() / a.len() as f64, apart().max().unwrap_or(0))
}

/// Unusual encodings, and squares, compared with Pillow (`tests/data/make.py`).
#[test]
fn unusual_images_and_squares_match_pillow() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let file = std::fs::read(folder.join("expected.safetensors")).unwrap();
    let expected = safetensors::SafeTensors::deserialize(&file).unwrap();
    let (mut images, mut squares) = (0, 0);
    for (name, tensor) in expected.iter() {
        let (height, width) = (tensor.shape()[0], tensor.shape()[1]);
        if let Some(source) = name.strip_suffix(".square") {
            let whole = expected.tensor(source).unwrap();
            let image = Image::new(whole.shape()[1], whole.shape()[0], whole.data().to_vec());
            let (mean, most) = difference(&square(&image, width).pixels, tensor.data());
            eprintln!("{name}: mean {mean:.3}, most {most}");
            assert!(mean <= 1.0 && most <= 2, "{name}: mean {mean}, most {most}");
            squares += 1;
        } else if !name.contains("-to-") {
            let image = decode(&std::fs::read(folder.join("odd").join(name)).unwrap()).unwrap();
            assert_eq!((image.width, image.height), (width, height), "{name}");
            let (mean, most) = difference(&image.pixels, tensor.data());
            eprintln!("{name}: mean {mean:.3}, most {most}");
            // PNG is exact; JPEG decoders differ in rounding and chroma upsampling.
            let limit = if name.ends_with(".png") { 0.0 } else { 2.0 };
            assert!(mean <= limit, "{name}: mean {mean}, most {most}");
            // Check of the test itself: without inversion, CMYK differs a lot.
            let inverted: Vec<u8> = image.pixels.iter().map(|value| 255 - value).collect();
            assert!(difference(&inverted, tensor.data()).0 > 20.0, "{name}");
            images += 1;
        }
    }
    assert_eq!((images, squares), (23, 5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_images_never_panic(at in 0usize..2000, value: u8, cut in 0usize..2000) {
        for whole in [jpeg(24, 17, [90, 100, 110]), png(&image::DynamicImage::new_rgba16(13, 7))] {
            let mut bytes = whole.clone();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = decode(&bytes);
            let _ = decode(&whole[..cut % whole.len()]);
        }
    }
}

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
    let whole = jpeg(30, 30, [5, 5, 5]);
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

/// A file of real images in `ALEXNET_SHARED` or next to the repository, if it exists.
fn real_images(name: &str) -> Option<std::path::PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("ALEXNET_SHARED").map_or(beside, Into::into);
    let path = folder.join(name);
    if !path.is_file() {
        println!("skipped: no {name}; set ALEXNET_SHARED to the folder that holds it");
        return None;
    }
    Some(path)
}

#[test]
fn imagenette_is_read_from_its_tar() {
    let Some(path) = real_images("imagenette.tar") else { return };
    let set = Dataset::open(&path).unwrap();
    let (train, val) = (set.train().unwrap(), set.val().unwrap());
    assert_eq!((set.classes.len(), train.len(), val.len()), (10, 9469, 3925));
    assert_eq!(set.classes[0], "n01440764");
    for index in (0..train.len()).step_by(500) {
        let image = train.image(index).unwrap().unwrap();
        assert_eq!((image.width, image.height), (224, 224), "{}", train.file(index));
    }
}

#[test]
fn cifar_10_is_read_from_a_tar_of_jpegs() {
    let Some(path) = real_images("cifar10.tar") else { return };
    let set = Dataset::open(&path).unwrap();
    let (train, test) = (set.train().unwrap(), set.val().unwrap());
    assert_eq!((set.classes.len(), train.len(), test.len()), (10, 50_000, 10_000));
    assert_eq!((test.name.as_str(), test.file(0)), ("test", "test/airplane/0000.jpg"));
    assert_eq!(test.image(0).unwrap().unwrap().width, 32);
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
    let bytes = png(&image::DynamicImage::ImageRgb8(image));
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
