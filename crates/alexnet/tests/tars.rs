//! Folders of tars: splits in the names of the tars, shards of one class each, and images that only their bytes show.

use crate::images;

use std::collections::BTreeMap;

use alexnet::data::{Dataset, ProblemKind};
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

/// Training and validation images stay apart, whatever wraps the class folders in the tars.
#[test]
fn splits_are_in_the_names_of_the_tars() {
    let two = BTreeMap::from([("cat", 1), ("dog", 1)]);
    for (names, folders) in [
        (["train-000.tar", "val-000.tar"], ["", ""]),
        (["pets_train.tar", "pets_val.tar"], ["pets/", "pets/"]),
        (["pets_train.tar", "pets_val.tar"], ["pets_train/", "pets_val/"]),
        (["pets-train.tar", "pets-valid.tar"], ["pets/train/", "pets/val/"]),
        (["train.tar", "val.tar"], ["train/", ""]),
        (["train/0.tar", "val/0.tar"], ["./pets/", "./pets/"]),
    ] {
        let members =
            folders.map(|folder| ["cat/1.jpg", "dog/1.jpg"].map(|image| format!("{folder}{image}")));
        let [train, val] = members.each_ref().map(|members| members.each_ref().map(String::as_str));
        let set = open(&folder(&[(names[0], &train), (names[1], &val)]));
        let splits: Vec<&str> = set.splits.iter().map(|split| split.name.as_str()).collect();
        assert_eq!(splits, ["train", "val"], "{names:?} {folders:?}: {:?}", set.notes);
        assert_eq!([counts(&set, "train"), counts(&set, "val")], [two.clone(), two.clone()], "{folders:?}");
    }
    // A tar that holds all splits says so itself, and a shard may hold one class.
    let set =
        open(&folder(&[("trainval-test.tar", &["train/cat/1.jpg", "val/cat/1.jpg", "test/cat/1.jpg"])]));
    assert_eq!(set.splits.len(), 3, "{:?}", set.notes);
    let set = open(&folder(&[
        ("train-0.tar", &["cat/1.jpg", "cat/2.jpg"]),
        ("train-1.tar", &["dog/1.jpg"]),
        ("val-0.tar", &["cat/3.jpg", "dog/3.jpg"]),
    ]));
    assert_eq!([counts(&set, "train"), counts(&set, "val")], [BTreeMap::from([("cat", 2), ("dog", 1)]), two]);
    // Words in the name of a class are no split.
    let set = open(&folder(&[("test_tube.tar", &["1.jpg"]), ("beaker.tar", &["beaker/1.jpg"])]));
    assert_eq!(counts(&set, "all"), BTreeMap::from([("beaker", 1), ("test_tube", 1)]));
}

#[test]
fn tars_without_a_split_next_to_others_are_left_out_or_refused() {
    let pets: &[&str] = &["cat/1.jpg", "dog/1.jpg"];
    let dir = folder(&[("train-0.tar", pets), ("val-0.tar", pets), ("more.tar", pets)]);
    let set = open(&dir);
    assert_eq!([set.train().unwrap().len(), set.val().unwrap().len()], [2, 2]);
    says(&set, "not used, because their names contain no split, unlike those of others: more.tar");
    says(&set, "2 tars, read as one tree");
    let (_, problems) = Dataset::examine(dir.path()).unwrap();
    let of_more = problems.iter().find(|problem| problem.file == "more.tar");
    assert_eq!(of_more.map(|problem| problem.kind), Some(ProblemKind::NotUsed), "{problems:?}");
    let dir = folder(&[("train-0.tar", pets), ("train-1.tar", pets), ("more.tar", pets)]);
    let error = Dataset::open(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("no split in the names of more.tar, unlike those of train-0.tar, train-1.tar"),
        "{error}"
    );
    assert!(error.contains("for example `train-more.tar`"), "{error}");
}
