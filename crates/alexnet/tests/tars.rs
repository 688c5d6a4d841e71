//! Folders of tars: splits in the names of the tars, shards of one class each, and images that only their bytes show.

use crate::images;

use std::collections::BTreeMap;

use alexnet::data::Dataset;
use images::{archive, jpeg, put};

/// A folder of tars with these members, each an image of its own; those with `README` in their names are texts.
fn folder(tars: &[(&str, &[&str])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut salt = 0;
    for (tar, names) in tars {
        let members: Vec<(&str, Vec<u8>)> = names
            .iter()
            .map(|&name| {
                salt += 1;
                (name, if name.contains("README") { b"about".to_vec() } else { jpeg(20, 16, salt) })
            })
            .collect();
        put(dir.path(), tar, &archive(members.iter().map(|(name, bytes)| (*name, bytes.as_slice()))));
    }
    dir
}

fn open(dir: &tempfile::TempDir) -> Dataset {
    Dataset::open(dir.path()).unwrap_or_else(|error| panic!("{error}"))
}

/// The number of images of each class in a split.
fn counts<'s>(set: &'s Dataset, split: &str) -> BTreeMap<&'s str, usize> {
    let counts = set.split(split).unwrap().images_per_class(set.classes.len());
    set.classes.iter().map(String::as_str).zip(counts).collect()
}

fn says(set: &Dataset, what: &str) {
    assert!(set.notes.iter().any(|note| note.contains(what)), "no note contains {what:?}: {:#?}", set.notes);
}

/// A tar whose images have no extension, or another one, is not taken for one without images.
#[test]
fn images_without_an_extension_count() {
    let dir = folder(&[
        ("cat.tar", &["1.jpg", "2.jpg"]),
        ("cow.tar", &["cow/README", "cow/1.jpg?size=large", "cow/2.jpg?size=large"]),
        ("dog.tar", &["IMG_1", "IMG_2"]),
        ("ewe.tar", &["photo.txt"]),
        ("about.tar", &["README", "docs/README.txt"]),
    ]);
    let set = open(&dir);
    assert_eq!(counts(&set, "all"), BTreeMap::from([("cat", 2), ("cow", 2), ("dog", 2), ("ewe", 1)]));
    says(&set, "4 tars, each of one class");
    says(&set, "not used, because they hold no images: about.tar");
    // Class folders, one of which has no image by name.
    let dir = folder(&[("pets.tar", &["cat/1.jpg", "dog/README", "dog/1", "dog/2"])]);
    assert_eq!(counts(&open(&dir), "all"), BTreeMap::from([("cat", 1), ("dog", 2)]));
}

/// Shards of one class each: the folders in them are the classes, unless they are the same in all or only wrap the images.
#[test]
fn shards_of_one_class_are_named_by_their_folders() {
    let shards: [(&str, &[&str]); 3] = [
        ("part1.tar", &["cat/1.jpg", "cat/2.jpg"]),
        ("part2.tar", &["cat/3.jpg"]),
        ("part3.tar", &["dog/1.jpg", "dog/2.jpg"]),
    ];
    let set = open(&folder(&shards));
    assert_eq!(counts(&set, "all"), BTreeMap::from([("cat", 3), ("dog", 2)]));
    says(&set, "3 tars, each of one class");
    says(
        &set,
        "the classes are the folders in the tars, not the tars: part1.tar (cat), part2.tar (cat), part3",
    );
    // In a folder that wraps them, as of `tar cf part1.tar pets/cat`.
    let set = open(&folder(&[("part1.tar", &["./pets/cat/1.jpg"]), ("part2.tar", &["./pets/dog/1.jpg"])]));
    assert_eq!(counts(&set, "all"), BTreeMap::from([("cat", 1), ("dog", 1)]));
    says(&set, "using the folder pets/");
    // Next to a tar of several classes.
    let set = open(&folder(&[("part1.tar", &["cat/1.jpg", "dog/1.jpg"]), ("part2.tar", &["dog/2.jpg"])]));
    assert_eq!(counts(&set, "all"), BTreeMap::from([("cat", 1), ("dog", 2)]));
    says(&set, "2 tars, read as one tree");
    for (cat, dog) in [
        ("images/1.jpg", "images/1.jpg"),
        ("images/1.jpg", "img/1.jpg"),
        ("photos of pets/1.jpg", "photos of pets/1.jpg"),
        ("data/cat/1.jpg", "dog/1.jpg"),
        ("cat/1.jpg", "1.jpg"),
    ] {
        let set = open(&folder(&[("cat.tar", &[cat]), ("dog.tar", &[dog])]));
        assert_eq!(counts(&set, "all"), BTreeMap::from([("cat", 1), ("dog", 1)]), "{cat} {dog}");
        assert!(!set.notes.iter().any(|note| note.contains("the classes are")), "{:?}", set.notes);
    }
}
