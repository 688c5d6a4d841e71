//! Lists that leave room for guesses: no image gets the label of another, and none is lost without a word.

use crate::images;

use alexnet::data::{Dataset, ProblemKind};
use images::{jpeg, put};

/// A folder with these images.
fn folder(images: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    images.iter().zip(0..).for_each(|(image, salt)| put(dir.path(), image, &jpeg(20, 16, salt)));
    dir
}

/// The names of numbered images in a folder.
fn numbered(folder: &str, numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    numbers.map(|i| format!("{folder}/{i}.jpg")).collect()
}

fn says(set: &Dataset, what: &str) {
    assert!(set.notes.iter().any(|note| note.contains(what)), "no note contains {what:?}: {:#?}", set.notes);
}

/// Test images often have the names of training images.
#[test]
fn a_missing_image_gives_its_label_to_no_other() {
    let images = [numbered("train", 1..=6), numbered("test", 1..=9)].concat();
    let dir = folder(&images.iter().map(String::as_str).collect::<Vec<_>>());
    let list: String = (1..=7).map(|i| format!("train/{i}.jpg,{}\n", ["cat", "dog"][i % 2])).collect();
    put(dir.path(), "labels.csv", list.as_bytes());
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.splits.len(), set.train().unwrap().len()), (1, 6));
    says(&set, "labels.csv lists 1 missing file: line 7 (train/7.jpg)");
    let (_, problems) = Dataset::examine(dir.path()).unwrap();
    let is_missing = |file: &str| {
        problems.iter().any(|problem| problem.kind == ProblemKind::Missing && problem.file == file)
    };
    assert!(is_missing("train/7.jpg"), "{problems:?}");
}
