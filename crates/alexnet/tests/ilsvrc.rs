//! Small versions of ImageNet's challenges as distributed: archives of archives and a development kit whose `meta.mat`
//! was written by scipy (`tests/ilsvrc/generate.py`).

use std::path::Path;

use alexnet::data::Dataset;

const META: &[u8] = include_bytes!("ilsvrc/meta.mat");
/// The classes in WNID order, and their identifiers in the challenge.
const WNIDS: [&str; 6] = ["n02012849", "n02096294", "n02100735", "n02110185", "n02119789", "n03126707"];
const IDS: [u32; 6] = [5, 4, 2, 3, 1, 6];
const TRUTH: &str = "1\n2\n3\n4\n5\n6\n1\n";

/// An image of one color, which depends on `salt`.
fn image(salt: usize) -> Vec<u8> {
    let pixels = vec![(30 * salt % 256) as u8; 3 * 20 * 24];
    let mut bytes = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    encoder.encode(&pixels, 24, 20, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

fn archive(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A challenge with two training images per class and seven validation images, colored by their numbers.
fn challenge(folder: &Path) {
    let classes = WNIDS.iter().enumerate().map(|(class, wnid)| {
        let images = (0..2).map(|i| (format!("{wnid}_{i}.JPEG"), image(class)));
        (format!("{wnid}.tar"), archive(&images.collect::<Vec<_>>()))
    });
    std::fs::write(folder.join("ILSVRC2012_img_train.tar"), archive(&classes.collect::<Vec<_>>())).unwrap();
    let val = (1..8).map(|i| (format!("ILSVRC2012_val_{i:08}.JPEG"), image(i)));
    // Archives may be unordered.
    let val: Vec<_> = val.rev().collect();
    std::fs::write(folder.join("ILSVRC2012_img_val.tar"), archive(&val)).unwrap();
}

fn unpacked_kit(folder: &Path, truth: &str) {
    let data = folder.join("ILSVRC2012_devkit_t12/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("meta.mat"), META).unwrap();
    std::fs::write(data.join("ILSVRC2012_validation_ground_truth.txt"), truth).unwrap();
}

fn error(folder: &Path) -> String {
    Dataset::open(folder).expect_err("opening must fail").to_string()
}

#[test]
fn a_challenge_is_read_in_place() {
    let folder = tempfile::tempdir().unwrap();
    challenge(folder.path());
    unpacked_kit(folder.path(), TRUTH);
    let set = Dataset::open(folder.path()).unwrap();
    assert_eq!(
        set.classes,
        [
            "crane (n02012849)",
            "Australian terrier",
            "English setter",
            "Siberian husky",
            "kit fox, Vulpes macrotis",
            "crane (n03126707)"
        ]
    );
    let train = set.train().unwrap();
    assert_eq!((train.len(), train.file(0), train.label(11)), (12, "n02012849/n02012849_0.JPEG", 5));
    for index in 0..train.len() {
        let image = train.image(index).unwrap().unwrap();
        assert!(image.pixels[0].abs_diff((30 * train.label(index) as usize % 256) as u8) <= 2);
    }
    let val = set.val().unwrap();
    for index in 0..val.len() {
        // Line `i` of the ground truth is the identifier of image `i`.
        let id: u32 = TRUTH.lines().nth(index).unwrap().parse().unwrap();
        assert_eq!(IDS[val.label(index) as usize], id);
        let image = val.image(index).unwrap().unwrap();
        assert!(image.pixels[0].abs_diff((30 * (index + 1) % 256) as u8) <= 2, "image {index}");
    }
}

/// Published results use the pixels as stored: no EXIF orientation is applied, in the archives or in a folder.
#[test]
fn images_of_a_challenge_stay_as_stored() {
    let folder = tempfile::tempdir().unwrap();
    challenge(folder.path());
    unpacked_kit(folder.path(), TRUTH);
    let turned = |salt: usize| {
        let bytes = image(salt);
        let tiff = [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".as_slice(), &[0; 4]].concat();
        let exif = [b"Exif\0\0".as_slice(), &tiff].concat();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        [&bytes[..2], &[0xff, 0xe1], &length, &exif, &bytes[2..]].concat()
    };
    assert_eq!(alexnet::data::decode::orientation(&turned(1)), 6);
    let val: Vec<_> = (1..8).map(|i| (format!("ILSVRC2012_val_{i:08}.JPEG"), turned(i))).collect();
    std::fs::write(folder.path().join("ILSVRC2012_img_val.tar"), archive(&val)).unwrap();
    let flat = tempfile::tempdir().unwrap();
    unpacked_kit(flat.path(), TRUTH);
    val.iter().for_each(|(name, bytes)| std::fs::write(flat.path().join(name), bytes).unwrap());
    for folder in [folder.path(), flat.path()] {
        let set = Dataset::open(folder).unwrap();
        let val = set.val().unwrap().oriented(alexnet::net::Orientation::Exif);
        for index in 0..val.len() {
            let image = val.image(index).unwrap().unwrap();
            assert_eq!((image.width, image.height), (24, 20), "{}", folder.display());
        }
    }
}

#[test]
fn the_kit_may_stay_packed() {
    let folder = tempfile::tempdir().unwrap();
    challenge(folder.path());
    let kit = archive(&[
        ("kit/data/meta.mat".into(), META.to_vec()),
        ("kit/data/ILSVRC2012_validation_ground_truth.txt".into(), TRUTH.into()),
    ]);
    let file = std::fs::File::create(folder.path().join("ILSVRC2012_devkit_t12.tar.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &kit).unwrap();
    packed.finish().unwrap();
    let set = Dataset::open(folder.path()).unwrap();
    assert_eq!((set.classes.len(), set.val().unwrap().len()), (6, 7));
}

#[test]
fn without_a_kit_the_training_images_open() {
    let folder = tempfile::tempdir().unwrap();
    challenge(folder.path());
    let set = Dataset::open(folder.path()).unwrap();
    assert_eq!(set.classes, WNIDS);
    assert!(set.val().is_none());
    let notes = set.notes.join("\n");
    assert!(notes.contains("ILSVRC2012_img_val.tar is not used") && notes.contains("devkit"), "{notes}");
    std::fs::remove_file(folder.path().join("ILSVRC2012_img_train.tar")).unwrap();
    assert!(error(folder.path()).contains("ILSVRC2012_img_val.tar is not used"));
}

/// The help names the archive that is missing, and a command with the folder, which is not the name of the data set.
#[test]
fn training_without_the_training_archive_says_so() {
    let folder = tempfile::tempdir().unwrap();
    challenge(folder.path());
    unpacked_kit(folder.path(), TRUTH);
    std::fs::remove_file(folder.path().join("ILSVRC2012_img_train.tar")).unwrap();
    let help = Dataset::open(folder.path()).unwrap().train().unwrap_err().help.unwrap();
    let path = folder.path().display();
    let expected = [
        format!("to train, add ILSVRC2012_img_train.tar, which is missing, to {path}; "),
        format!("`alexnet eval MODEL --data {} --split val`", alexnet::error::shell(folder.path())),
    ];
    assert!(expected.iter().all(|text| help.contains(text)), "{help}");
}

#[test]
fn inconsistent_files_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    challenge(path);
    unpacked_kit(path, "1\n2\n3\n");
    let message = error(path);
    assert!(message.contains("7 images") && message.contains("3 lines"), "{message}");
    unpacked_kit(path, "1\n2\n3\n4\n5\n6\n70\n");
    assert!(error(path).contains("70 is not the identifier of a class"));
    unpacked_kit(path, "1\ntwo\n");
    assert!(error(path).contains("`two` is not a number"));
    // Indices in WNID order under the name of the ground truth, from 0 and from 1.
    for first in [0, 1] {
        let places =
            [65, 970, 230, 809, 516, 57, 334, 415, 674, 332].map(|place| (place + first).to_string());
        unpacked_kit(path, &places.join("\n"));
        assert!(error(path).contains("indices in WNID order"));
    }
    // As many lines as in 2012, but others.
    unpacked_kit(path, &"1\n".repeat(50_000));
    assert!(error(path).contains("that of 2012 starts with [490, 361"));
}

/// Files that are not images and missing classes are reported.
#[test]
fn everything_skipped_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    challenge(folder.path());
    unpacked_kit(folder.path(), TRUTH);
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "n09999999.tar", "/etc/passwd").unwrap();
    for (name, bytes) in
        [("README", b"text".to_vec()), ("n02012849.tar", archive(&[("1.JPEG".into(), image(1))]))]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    std::fs::write(folder.path().join("ILSVRC2012_img_train.tar"), builder.into_inner().unwrap()).unwrap();
    let set = Dataset::open(folder.path()).unwrap();
    assert_eq!(set.train().unwrap().len(), 1);
    let notes = set.notes.join("\n");
    assert!(notes.contains("skipped 2 entries, not regular files: n09999999.tar, README"), "{notes}");
    assert!(
        notes.contains("no images of 5 classes in ILSVRC2012_img_train.tar: Australian terrier"),
        "{notes}"
    );
}

/// Files that macOS adds to archives are skipped and reported, not taken for an incomplete download.
#[test]
fn hidden_members_are_skipped_and_reported() {
    const DOUBLE: &[u8] = b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ";
    let folder = tempfile::tempdir().unwrap();
    challenge(folder.path());
    unpacked_kit(folder.path(), TRUTH);
    let content = |set: &Dataset| -> Vec<(String, u32, Option<Vec<u8>>)> {
        let all = set.splits.iter().flat_map(|split| (0..split.len()).map(move |index| (split, index)));
        let pixels = |(split, index): (&alexnet::data::Split, usize)| {
            let image = split.image(index).unwrap().ok();
            (split.file(index).to_owned(), split.label(index), image.map(|image| image.pixels))
        };
        all.map(pixels).collect()
    };
    let plain = content(&Dataset::open(folder.path()).unwrap());
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    for (class, wnid) in WNIDS.iter().enumerate() {
        members.push((format!("train/._{wnid}.tar"), DOUBLE.to_vec()));
        let inner = (0..2).flat_map(|i| {
            let name = format!("{wnid}_{i}.JPEG");
            [(format!("._{name}"), DOUBLE.to_vec()), (name, image(class))]
        });
        members.push((format!("train/{wnid}.tar"), archive(&inner.collect::<Vec<_>>())));
    }
    members.push(("train/.DS_Store".into(), b"\0\0\0\x01Bud1".to_vec()));
    members.push(("__MACOSX/train/x.tar".into(), DOUBLE.to_vec()));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    builder.append_data(&mut header, "train/", &[][..]).unwrap();
    builder.append_pax_extensions([("LIBARCHIVE.xattr.com.apple.quarantine", &b"x"[..])]).unwrap();
    for (name, bytes) in &members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    std::fs::write(folder.path().join("ILSVRC2012_img_train.tar"), builder.into_inner().unwrap()).unwrap();
    let val = (1..8).flat_map(|i| {
        let name = format!("ILSVRC2012_val_{i:08}.JPEG");
        [(format!("./._{name}"), DOUBLE.to_vec()), (format!("./{name}"), image(i))]
    });
    std::fs::write(folder.path().join("ILSVRC2012_img_val.tar"), archive(&val.collect::<Vec<_>>())).unwrap();
    let (set, problems) = Dataset::examine(folder.path()).unwrap();
    let found = content(&set);
    assert!(found == plain && found.len() == 19 && found.iter().all(|(.., pixels)| pixels.is_some()));
    // Twelve training images, six archives, the folder, `__MACOSX`, and seven validation images.
    let notes = set.notes.join("\n");
    assert!(notes.contains("skipped 27 hidden or system files: train/._n02012849.tar, "), "{notes}");
    let junk = problems.iter().filter(|problem| problem.kind == alexnet::data::ProblemKind::Junk).count();
    assert_eq!(junk, 27, "{problems:?}");
    // Incomplete archives are still rejected, but not called an incomplete download if they are larger than the official one.
    let broken = [("n02012849.tar".to_owned(), DOUBLE.to_vec())];
    std::fs::write(folder.path().join("ILSVRC2012_img_train.tar"), archive(&broken)).unwrap();
    assert!(error(folder.path()).contains("n02012849.tar"));
}

#[test]
fn an_empty_or_missing_ground_truth_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    challenge(folder.path());
    for empty in ["", "\n \n"] {
        unpacked_kit(folder.path(), empty);
        let message = error(folder.path());
        assert!(message.contains("the ground truth is empty"), "{message}");
        assert!(!message.contains("there is no"), "{message}");
    }
    std::fs::remove_file(
        folder.path().join("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"),
    )
    .unwrap();
    let set = Dataset::open(folder.path()).unwrap();
    assert!(set.val().is_none());
    let notes = set.notes.join("\n");
    assert!(notes.contains("the development kit has no ground truth"), "{notes}");
}

/// Of several files, the one with the name in the kit is used, or the first, in whatever order the folder is listed.
#[test]
fn the_ground_truth_of_the_kit_is_used() {
    let folder = tempfile::tempdir().unwrap();
    challenge(folder.path());
    unpacked_kit(folder.path(), TRUTH);
    let kit = folder.path().join("ILSVRC2012_devkit_t12/data");
    for name in ["z", "ILSVRC2010", "A"] {
        std::fs::write(kit.join(format!("{name}_validation_ground_truth.txt")), "6\n".repeat(7)).unwrap();
    }
    for (expected, used) in [
        ([1, 2, 3, 4, 5, 6, 1], "ILSVRC2012_validation_ground_truth.txt is used for the labels, not A_valid"),
        ([6; 7], "A_validation_ground_truth.txt is used for the labels, not ILSVRC2010_valid"),
    ] {
        let set = Dataset::open(folder.path()).unwrap();
        let val = set.val().unwrap();
        let ids: Vec<u32> = (0..7).map(|image| IDS[val.label(image) as usize]).collect();
        assert_eq!(ids, expected);
        assert!(set.notes.iter().any(|note| note.contains(used)), "{:?}", set.notes);
        let _ = std::fs::remove_file(kit.join("ILSVRC2012_validation_ground_truth.txt"));
    }
}

/// A ground truth that does not start like the official one may be in another order; assuming the official one is reported.
#[test]
fn assumptions_about_other_kits_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    challenge(folder.path());
    unpacked_kit(folder.path(), TRUTH);
    let notes = Dataset::open(folder.path()).unwrap().notes.join("\n");
    assert!(notes.contains("is assumed to hold the identifiers in meta.mat"), "{notes}");
    // The same for validation images in a folder.
    let flat = tempfile::tempdir().unwrap();
    for i in 1..8 {
        std::fs::write(flat.path().join(format!("ILSVRC2012_val_{i:08}.JPEG")), image(i)).unwrap();
    }
    unpacked_kit(flat.path(), TRUTH);
    let notes = Dataset::open(flat.path()).unwrap().notes.join("\n");
    assert!(notes.contains("could not be verified"), "{notes}");
}

#[test]
fn incomplete_downloads_are_rejected_with_the_expected_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    challenge(path);
    unpacked_kit(path, TRUTH);
    for name in ["ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"] {
        let whole = std::fs::read(path.join(name)).unwrap();
        for len in [whole.len() / 3, 700] {
            std::fs::write(path.join(name), &whole[..len]).unwrap();
            let message = error(path);
            assert!(message.contains(&format!("{len} bytes")) && message.contains("expected"), "{message}");
        }
        std::fs::write(path.join(name), &whole).unwrap();
    }
}

/// 2010: other names, test images with public labels, replacements of blank images, and gzip-compressed images.
#[test]
fn the_challenge_of_2010_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let gzip = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, bytes).unwrap();
        packed.finish().unwrap()
    };
    let classes = WNIDS.iter().enumerate().map(|(class, wnid)| {
        let members =
            [(format!("{wnid}_1.JPEG"), image(class)), (format!("{wnid}_2.JPEG"), gzip(&image(class)))];
        (format!("{wnid}.tar"), archive(&members))
    });
    let put = |name: &str, bytes: Vec<u8>| std::fs::write(path.join(name), bytes).unwrap();
    put("ILSVRC2010_images_train.tar", archive(&classes.collect::<Vec<_>>()));
    let numbered = |split: &str| {
        let images: Vec<_> =
            (1..8).map(|i| (format!("{split}/ILSVRC2010_{split}_{i:08}.JPEG"), image(i))).collect();
        archive(&images)
    };
    put("ILSVRC2010_images_val.tar", numbered("val"));
    put("ILSVRC2010_images_test.tar", numbered("test"));
    put("ILSVRC2010_test_ground_truth.txt", b"6\n5\n4\n3\n2\n1\n1\n".to_vec());
    let replaced = format!("{}_1.JPEG", WNIDS[3]);
    put("patch_images.tar", archive(&[(format!("patch_images/{replaced}"), image(7))]));
    let data = path.join("devkit-1.0/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("meta.mat"), META).unwrap();
    std::fs::write(data.join("ILSVRC2010_validation_ground_truth.txt"), TRUTH).unwrap();

    let set = Dataset::open(path).unwrap();
    assert!(set.origin.starts_with("ILSVRC2010"), "{}", set.origin);
    let sizes: Vec<(&str, usize)> =
        set.splits.iter().map(|split| (split.name.as_str(), split.len())).collect();
    assert_eq!(sizes, [("train", 12), ("val", 7), ("test", 7)]);
    let train = set.train().unwrap();
    for index in 0..train.len() {
        let shade = if train.file(index).ends_with(&replaced) { 7 } else { train.label(index) as usize };
        let image = train.image(index).unwrap().unwrap();
        assert!(image.pixels[0].abs_diff((30 * shade % 256) as u8) <= 2, "{}", train.file(index));
    }
    let test = set.split("test").unwrap();
    let ids: Vec<u32> = (0..7).map(|index| IDS[test.label(index) as usize]).collect();
    assert_eq!(ids, [6, 5, 4, 3, 2, 1, 1]);
    assert!(
        set.notes.iter().any(|note| note.contains("patch_images.tar replaces 1 image")),
        "{:?}",
        set.notes
    );
    put("ILSVRC2010_test_ground_truth.txt", b"6\n".to_vec());
    assert!(error(path).contains("has 1 lines"));
}

/// A kit that is truncated anywhere or has any byte changed is read or rejected, in little time and memory.
#[test]
fn broken_kits_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    challenge(path);
    unpacked_kit(path, TRUTH);
    let meta = path.join("ILSVRC2012_devkit_t12/data/meta.mat");
    for len in 0..META.len() {
        std::fs::write(&meta, &META[..len]).unwrap();
        assert!(Dataset::open(path).is_err(), "{len} of {} bytes", META.len());
    }
    for at in 0..META.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = META.to_vec();
            bytes[at] ^= change;
            std::fs::write(&meta, &bytes).unwrap();
            let _ = Dataset::open(path);
        }
    }
}
