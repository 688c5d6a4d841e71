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
