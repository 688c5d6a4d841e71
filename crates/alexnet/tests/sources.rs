//! Flat folders with labels, WebDataset tars, and ImageNet's validation images in a folder.

use crate::images;

use std::path::Path;

use alexnet::data::{Dataset, Split};
use images::{archive, jpeg, put};

fn error(path: &Path) -> String {
    let error = Dataset::open(path).expect_err("opening must fail");
    assert_eq!(error.kind.exit_code(), 3, "{error}");
    error.to_string()
}

/// The names and classes of the images of a split.
fn listed(set: &Dataset, split: &Split) -> Vec<(String, String)> {
    let pair = |i: usize| (split.file(i).to_owned(), set.classes[split.label(i) as usize].clone());
    (0..split.len()).map(pair).collect()
}

fn flat(folder: &Path, count: usize) {
    (0..count).for_each(|i| put(folder, &format!("{i}.jpg"), &jpeg(20, 16, i)));
}

#[test]
fn an_image_and_an_unknown_split_are_named() {
    let dir = tempfile::tempdir().unwrap();
    for class in ["bag", "boot"] {
        (0..4).for_each(|i| put(dir.path(), &format!("{class}/{i}.jpg"), &jpeg(20, 16, i)));
    }
    let message = error(&dir.path().join("bag/1.jpg"));
    assert!(
        message.contains("1.jpg: an image (JPEG), expected a folder with one folder of images"),
        "{message}"
    );
    assert!(message.ends_with(&format!("such as {}", dir.path().display())), "{message}");
    let set = Dataset::open(dir.path()).unwrap();
    let error = set.split("dev").unwrap_err();
    assert_eq!(error.help.unwrap(), "--split val", "the training images are no test");
}

#[test]
fn a_folder_of_images_needs_labels() {
    let dir = tempfile::tempdir().unwrap();
    flat(dir.path(), 4);
    let message = error(dir.path());
    assert!(message.contains("4 images") && message.contains("they have no labels"), "{message}");
    // Class names, a heading, quotes, a folder in the name, an image that is not listed.
    put(dir.path(), "labels.csv", b"file,class\n\"0.jpg\",dog\n1.jpg,cat\nimages/2.jpg,dog\n9.jpg,cat\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(set.classes, ["cat", "dog"]);
    let all = listed(&set, set.split("all").unwrap());
    assert_eq!(
        all,
        [("0.jpg", "dog"), ("1.jpg", "cat"), ("2.jpg", "dog")].map(|(f, c)| (f.into(), c.into()))
    );
    let notes = set.notes.join("\n");
    assert!(notes.contains("3.jpg") && notes.contains("1 missing file: line 5 (9.jpg)"), "{notes}");
    // Two files.
    put(dir.path(), "more.txt", b"0.jpg 1\n");
    assert!(error(dir.path()).contains("several files may label the images"));
}

#[test]
fn numbered_classes_have_names_in_a_list() {
    let dir = tempfile::tempdir().unwrap();
    flat(dir.path(), 3);
    put(dir.path(), "val.txt", b"0.jpg 2\n1.jpg 0\n2.jpg 10\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.classes.len(), set.classes[10].as_str()), (11, "10"));
    assert!(set.notes.iter().any(|note| note.contains("classes.txt")), "{:?}", set.notes);
    put(dir.path(), "classes.txt", b"a\nb\nc\n");
    assert!(error(dir.path()).contains("class `10` is not one of the 3"));
    put(dir.path(), "val.txt", b"0.jpg 2\n1.jpg 0\n2.jpg b\n");
    let set = Dataset::open(dir.path()).unwrap();
    let classes: Vec<String> =
        listed(&set, set.split("all").unwrap()).into_iter().map(|pair| pair.1).collect();
    assert_eq!(classes, ["c", "a", "b"]);
    for (text, what) in [
        ("0.jpg 2\n0.jpg 1\n", "two classes"),
        ("0.jpg 99999999\n", "not one of the 3"),
        ("x.jpg 1\n", "none of its files"),
        ("0.jpg\n", "expected a file and its class"),
    ] {
        put(dir.path(), "val.txt", text.as_bytes());
        assert!(error(dir.path()).contains(what), "{text}: {}", error(dir.path()));
    }
    std::fs::remove_file(dir.path().join("classes.txt")).unwrap();
    put(dir.path(), "val.txt", b"0.jpg 99999999\n");
    assert!(error(dir.path()).contains("99999999, expected at most"));
}

/// Names without extensions, with or without a heading; classes named by numbers.
#[test]
fn lists_may_omit_extensions() {
    let dir = tempfile::tempdir().unwrap();
    flat(dir.path(), 3);
    put(dir.path(), "classes.txt", b"2\n1\n0\n");
    for text in ["id,class\n0,0\n1,1\n2,2\n", "0 0\n1 1\n2 2\n"] {
        put(dir.path(), "labels.csv", text.as_bytes());
        let set = Dataset::open(dir.path()).unwrap();
        let classes: Vec<String> =
            listed(&set, set.split("all").unwrap()).into_iter().map(|pair| pair.1).collect();
        assert_eq!(classes, ["2", "1", "0"], "{text}");
    }
}

/// ImageNet's training archive alone is not a data set.
#[test]
fn an_archive_of_archives_points_to_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let inner = archive([("n01440764_1.JPEG", jpeg(20, 16, 1).as_slice())]);
    put(dir.path(), "ILSVRC2012_img_train.tar", &archive([("n01440764.tar", inner.as_slice())]));
    let message = error(&dir.path().join("ILSVRC2012_img_train.tar"));
    assert!(message.contains("holds archives") && message.contains("folder"), "{message}");
}

/// ImageNet's validation images, unpacked, with the kit next to them.
#[test]
fn the_kit_labels_a_folder_too() {
    let dir = tempfile::tempdir().unwrap();
    for i in 1..=7 {
        put(dir.path(), &format!("ILSVRC2012_val_{i:08}.JPEG"), &jpeg(20, 16, i));
    }
    put(dir.path(), "devkit/data/meta.mat", include_bytes!("ilsvrc/meta.mat"));
    put(dir.path(), "devkit/data/ILSVRC2012_validation_ground_truth.txt", b"1\n2\n3\n4\n5\n6\n1\n");
    let set = Dataset::open(dir.path()).unwrap();
    let classes: Vec<String> = listed(&set, set.val().unwrap()).into_iter().map(|pair| pair.1).collect();
    assert_eq!(
        classes[..4],
        ["kit fox, Vulpes macrotis", "English setter", "Siberian husky", "Australian terrier"]
    );
    assert_eq!(classes[6], classes[0]);
    put(dir.path(), "ILSVRC2012_val_00000008.JPEG", &jpeg(20, 16, 8));
    assert!(error(dir.path()).contains("none for ILSVRC2012_val_00000008.JPEG"));
}

fn shard(first: usize, count: usize) -> Vec<u8> {
    let mut files = Vec::new();
    for i in first..first + count {
        files.push((format!("{i:06}.jpg"), jpeg(20, 16, i)));
        files.push((format!("{i:06}.cls"), format!("{}\n", i % 3).into_bytes()));
        files.push((format!("{i:06}.json"), b"{}".to_vec()));
    }
    archive(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())))
}

#[test]
fn samples_with_label_files() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "toy-train-000000.tar", &shard(0, 6));
    put(dir.path(), "toy-train-000001.tar", &shard(6, 5));
    put(dir.path(), "val/0.tar", &shard(20, 3));
    put(dir.path(), "classes.txt", b"ant\nbee\ncat\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(set.classes, ["ant", "bee", "cat"]);
    let (train, val) = (set.train().unwrap(), set.val().unwrap());
    assert_eq!((train.len(), val.len()), (11, 3));
    assert_eq!((train.file(6), val.file(0)), ("toy-train-000001.tar/000006.jpg", "val/0.tar/000020.jpg"));
    for (split, first) in [(train, 0), (val, 20)] {
        for i in 0..split.len() {
            assert_eq!(split.label(i) as usize, (first + i) % 3);
            let expected = alexnet::data::decode::decode(&jpeg(20, 16, first + i)).unwrap();
            assert_eq!(split.image(i).unwrap().unwrap(), expected);
        }
    }
    // A single tar: a tenth is held out.
    let set = Dataset::open(&dir.path().join("toy-train-000000.tar")).unwrap();
    assert_eq!(set.split("all").unwrap().len(), 6);
}

#[test]
fn samples_without_a_label_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    let image = jpeg(20, 16, 1);
    let files = [("a.jpg", image.as_slice()), ("a.cls", b"dog"), ("b.jpg", &image), ("c.cls", b"cat")];
    put(dir.path(), "some.tar", &archive(files));
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.classes.len(), set.split("all").unwrap().len()), (1, 1));
    assert!(
        set.notes.iter().any(|note| note.contains("(no label)") && note.contains("b.jpg")),
        "{:?}",
        set.notes
    );
    put(dir.path(), "some.tar", &archive([("a.cls", b"4000000000".as_slice()), ("a.jpg", &image)]));
    assert!(error(dir.path()).contains("expected at most"));
    put(dir.path(), "some.tar", &archive([("a.cls", [b'9'; 5000].as_slice()), ("a.jpg", &image)]));
    assert!(error(dir.path()).contains("too many for a class"));
}

/// An archive without an end-of-archive mark may be truncated between two members.
#[test]
fn an_archive_without_an_end_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let image = jpeg(20, 16, 1);
    let whole = archive([("cat/1.jpg", image.as_slice()), ("cat/2.jpg", &image), ("dog/1.jpg", &image)]);
    let path = dir.path().join("pets.tar");
    std::fs::write(&path, &whole).unwrap();
    assert!(!Dataset::open(&path).unwrap().notes.iter().any(|note| note.contains("no end-of-archive")));
    let members = (whole.len() - 1024) / 3;
    std::fs::write(&path, &whole[..2 * members]).unwrap();
    let set = Dataset::open(&path).unwrap();
    assert_eq!(set.split("all").unwrap().len(), 2);
    assert!(set.notes.iter().any(|note| note.contains("no end-of-archive mark")), "{:?}", set.notes);
}
