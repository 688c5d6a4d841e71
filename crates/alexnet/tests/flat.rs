//! Lists that leave room for guesses: no image gets the label of another, and none is lost without a word.

use crate::images;
use crate::lists::{error, listed};

use alexnet::data::check::check;
use alexnet::data::fix::FixPlan;
use alexnet::data::{Dataset, ProblemKind};
use images::{jpeg, png, put, tree};

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

/// Boxes and captions are in a text next to each image.
#[test]
fn texts_of_single_images_are_no_lists() {
    let dir = folder(&["0.jpg", "1.jpg", "2.jpg", "3.jpg"]);
    (0..4).for_each(|i| put(dir.path(), &format!("{i}.txt"), b"1 cat\n"));
    let message = error(dir.path());
    assert!(message.contains("its 4 images are in no class folders, so they have no labels"), "{message}");
    put(dir.path(), "labels.csv", b"0.jpg,ant\n1.jpg,bee\n2.jpg,ant\n3.jpg,bee\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(
        (set.classes.as_slice(), set.split("all").unwrap().len()),
        (&["ant", "bee"].map(str::to_owned)[..], 4)
    );
    says(&set, "skipped 4 files that are not images (4 .txt): 0.txt, 1.txt, 2.txt, 3.txt");
    // Lists that happen to have the names of images.
    let dir = folder(&["bus.jpg", "labels.jpg", "test.jpg", "train.jpg"]);
    put(dir.path(), "labels.csv", b"bus.jpg,road\nlabels.jpg,rail\ntest.jpg,road\ntrain.jpg,rail\n");
    put(dir.path(), "notes.txt", b"nothing\n");
    assert_eq!(Dataset::open(dir.path()).unwrap().split("all").unwrap().len(), 4);
    std::fs::remove_file(dir.path().join("labels.csv")).unwrap();
    put(dir.path(), "train.txt", b"bus.jpg road\ntrain.jpg rail\n");
    put(dir.path(), "test.txt", b"test.jpg road\nlabels.jpg rail\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.train().unwrap().len(), set.split("test").unwrap().len()), (2, 2));
}

/// As a program sorts lines by their bytes.
#[test]
fn numbers_of_classes_may_be_in_any_order() {
    let names: Vec<String> = (0..12).map(|i| format!("{i}.jpg")).collect();
    let dir = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let list: String = (0..12).map(|i| format!("{i}.jpg,{i}\n")).collect();
    put(dir.path(), "labels.csv", list.as_bytes());
    let mut classes: Vec<String> = (0..12).map(|i| format!("{i} class-{i}")).collect();
    classes.sort();
    put(dir.path(), "classes.txt", classes.join("\n").as_bytes());
    let set = Dataset::open(dir.path()).unwrap();
    let all = listed(&set, set.split("all").unwrap());
    let expected: Vec<(String, String)> =
        (0..12).map(|i| (format!("{i}.jpg"), format!("class-{i}"))).collect();
    assert!(
        all.len() == 12
            && expected.iter().all(|(file, class)| all.contains(&(file.as_str(), class.as_str()))),
        "{all:?}"
    );
    says(&set, "classes.txt: classes are in the order of these numbers, not of the lines");
    put(dir.path(), "classes.txt", b"0 ant\n2 cat\n");
    assert!(error(dir.path()).contains("classes.txt: line 2 has number 2, but no line has 1"));
}

/// Class folders, and three validation images in one folder with a list.
fn with_val_list(folders: &[&str], list: &[u8]) -> tempfile::TempDir {
    let train = folders.iter().enumerate().map(|(i, class)| format!("train/{class}/{i}.jpg"));
    let images: Vec<String> = train.chain(numbered("val", 0..=2)).collect();
    let dir = folder(&images.iter().map(String::as_str).collect::<Vec<_>>());
    put(dir.path(), "val.txt", list);
    dir
}

/// The classes of the validation images.
fn val(set: &Dataset) -> Vec<&str> {
    listed(set, set.val().unwrap()).into_iter().map(|(_, class)| class).collect()
}

/// From a number that is too large nobody can tell whether the others are right, so that not even a check takes them as labels.
#[test]
fn numbers_that_may_be_shifted_label_no_image() {
    let dir = with_val_list(&["ant", "bee", "cat"], b"0.jpg 1\n1.jpg 2\n2.jpg 3\n");
    let fails = |what: &str| {
        let checked = Dataset::examine(dir.path()).expect_err("checking must fail");
        for message in [error(dir.path()), checked.to_string()] {
            assert!(
                message.contains("classes that train/ does not have: 3; ") && message.contains(what),
                "{message}"
            );
        }
    };
    fails("indices of the sorted folders of train/, from 0 (`ant`) to 2 (`cat`)");
    put(dir.path(), "classes.txt", b"ant\nbee\ncat\n");
    fails("line numbers of classes.txt, counted from 0");
    // The help works.
    put(dir.path(), "classes.txt", b"1 ant\n2 bee\n3 cat\n");
    assert_eq!(val(&Dataset::open(dir.path()).unwrap()), ["ant", "bee", "cat"]);
    put(dir.path(), "wnids.txt", b"ant\nbee\ncat\n");
    fails("`2 dog`), and remove wnids.txt");
}

#[test]
fn numbers_stand_for_folders_of_the_same_value() {
    let folders: Vec<String> = (0..=10).map(|i| i.to_string()).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let dir = with_val_list(&folders, b"0.jpg 2\n1.jpg 10\n2.jpg 11\n");
    assert!(error(dir.path()).contains("1 image of classes that train/ does not have: 11"));
    let (set, problems) = Dataset::examine(dir.path()).unwrap();
    assert_eq!(val(&set), ["2", "10"]);
    let is_unknown = |file: &str| {
        problems.iter().any(|problem| problem.kind == ProblemKind::UnknownClass && problem.file == file)
    };
    assert!(is_unknown("11"), "{problems:?}");
    let dir = with_val_list(&["001", "002", "003"], b"0.jpg 1\n1.jpg 2\n2.jpg 02\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(val(&set), ["001", "002", "002"]);
    says(&set, "stand for the folders of train/ of the same value, such as 02 for `002`");
    // Two folders of one value, and a folder without a number.
    for (folders, list, unknown) in [
        (["01", "1", "2"], &b"0.jpg 1\n1.jpg 2\n2.jpg 001\n"[..], "001"),
        (["1", "2", "other"], b"0.jpg 1\n1.jpg 2\n2.jpg 0\n", "0"),
    ] {
        let message = error(with_val_list(&folders, list).path());
        assert!(
            message.contains(&format!("1 image of classes that train/ does not have: {unknown}\n")),
            "{message}"
        );
    }
}

#[test]
fn folders_next_to_listed_images_are_classes_of_the_list() {
    let dir = folder(&[
        "train/1.jpg",
        "train/2.jpg",
        "train/3.jpg",
        "val/cat/4.jpg",
        "val/dog/5.jpg",
        "val/dog/6.jpg",
    ]);
    put(dir.path(), "train.csv", b"id,label\n1,cat\n2,dog\n3,dog\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.classes.len(), set.train().unwrap().len()), (2, 3));
    assert_eq!(val(&set), ["cat", "dog", "dog"]);
    // Numbers need names.
    put(dir.path(), "train.csv", b"id,label\n1,0\n2,1\n3,1\n");
    assert!(error(dir.path()).contains("3 images of classes that no list names: cat, dog"));
    put(dir.path(), "classes.txt", b"cat\ndog\neel\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.classes.len(), listed(&set, set.train().unwrap())[1]), (3, ("train/2.jpg", "dog")));
    assert_eq!(val(&set), ["cat", "dog", "dog"]);
    // A class that the training images do not have.
    std::fs::remove_file(dir.path().join("classes.txt")).unwrap();
    put(dir.path(), "train.csv", b"id,label\n1,cat\n2,eel\n3,cat\n");
    assert!(error(dir.path()).contains("2 images of classes that no list names: dog"));
    let (set, problems) = Dataset::examine(dir.path()).unwrap();
    assert_eq!(val(&set), ["cat"]);
    let is_unknown = |file: &str| {
        problems.iter().any(|problem| problem.kind == ProblemKind::UnknownClass && problem.file == file)
    };
    assert!(is_unknown("dog"), "{problems:?}");
}

#[test]
fn listed_images_next_to_those_of_the_kit_have_its_classes() {
    let dir = folder(&["train/0.JPEG", "train/1.JPEG", "test/2.JPEG"]);
    (1..=2).for_each(|i| put(dir.path(), &format!("val/ILSVRC2012_val_{i:08}.JPEG"), &jpeg(20, 16, 10 + i)));
    put(dir.path(), "devkit/data/meta.mat", include_bytes!("ilsvrc/meta.mat"));
    put(dir.path(), "devkit/data/ILSVRC2012_validation_ground_truth.txt", b"1\n2\n");
    put(dir.path(), "train.txt", b"0.JPEG\tn02100735\n1.JPEG\tkit fox, Vulpes macrotis\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(set.classes.len(), 6);
    let (train, val) = (listed(&set, set.train().unwrap()), listed(&set, set.val().unwrap()));
    assert_eq!(train, [("train/0.JPEG", "English setter"), ("train/1.JPEG", "kit fox, Vulpes macrotis")]);
    assert_eq!(val.iter().map(|(_, class)| *class).collect::<Vec<_>>(), [train[1].1, train[0].1]);
    says(&set, "test/ is not used: 1 image without a label");
    put(dir.path(), "train.txt", b"0.JPEG\tn02100735\n1.JPEG\tcat\n");
    assert!(error(dir.path()).contains("1 image of classes that the development kit does not have: cat"));
}

/// As in Google's landmarks, whose folders are the first characters of the names.
#[test]
fn folders_of_splits_may_only_store_images() {
    let train: Vec<String> =
        (0..12).map(|i| format!("train/{}/x/{i:02}.jpg", ["0", "1", "a"][i / 4])).collect();
    let mut images: Vec<&str> = train.iter().map(String::as_str).collect();
    images.extend(["test/0/x/20.jpg", "test/a/y/21.jpg"]);
    let dir = folder(&images);
    let list = |class: &dyn Fn(usize) -> String| {
        let lines: String = (0..12).map(|i| format!("{i:02},{}\n", class(i))).collect();
        put(dir.path(), "train.csv", format!("id,landmark\n{lines}").as_bytes());
        Dataset::open(dir.path()).unwrap()
    };
    let set = list(&|i| ["ant", "bee", "cat", "dog"][i % 4].to_owned());
    assert_eq!(set.classes, ["ant", "bee", "cat", "dog"]);
    assert_eq!(listed(&set, set.train().unwrap())[5], ("train/1/x/05.jpg", "bee"));
    assert_eq!(set.splits.len(), 1);
    says(
        &set,
        "classes are read from train.csv; the folders do not match them and only store images: train/0, train/1, train/a",
    );
    says(&set, "test/ is not used: 2 images without a label");
    says(&set, "no image of val/ or test/ has a label");
    // A list that agrees with the folders, and one without classes.
    assert_eq!(list(&|i| ["ant", "bee", "cat"][i / 4].to_owned()).classes, ["0", "1", "a"]);
    assert_eq!(list(&|i| format!("photo {i} of mine")).classes, ["0", "1", "a"]);
    // Next to folders that store images, those named like classes are classes.
    put(dir.path(), "val/cat/30.jpg", &jpeg(20, 16, 30));
    put(dir.path(), "val/dog/31.jpg", &jpeg(20, 16, 31));
    assert_eq!(val(&list(&|i| ["ant", "bee", "cat", "dog"][i % 4].to_owned())), ["cat", "dog"]);
}

#[test]
fn an_image_has_one_class_in_all_lists() {
    let dir = folder(&["images/a.jpg", "images/b.jpg", "images/c.jpg"]);
    put(dir.path(), "train.txt", b"images/a.jpg cat\nimages/b.jpg dog\n");
    put(dir.path(), "val.txt", b"images/c.jpg cat\nimages/a.jpg dog\n");
    let what = "two classes: `cat` on line 1 of train.txt and `dog` on line 2 of val.txt";
    assert!(error(dir.path()).contains(&format!("images/a.jpg has {what}\n")), "{}", error(dir.path()));
    let (set, problems) = Dataset::examine(dir.path()).unwrap();
    assert_eq!(listed(&set, set.train().unwrap()), [("images/b.jpg", "dog")]);
    assert_eq!(listed(&set, set.val().unwrap()), [("images/c.jpg", "cat")]);
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert_eq!((problem.kind, problem.file.as_str()), (ProblemKind::Loose, "images/a.jpg"));
    assert!(problem.detail.starts_with(what), "{problem:?}");
    assert!(!set.notes.iter().any(|note| note.contains("in several lists")), "{:?}", set.notes);
    // A number and a name of one class.
    put(dir.path(), "classes.txt", b"dog\ncat\n");
    put(dir.path(), "val.txt", b"images/c.jpg 0\nimages/a.jpg 1\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(listed(&set, set.val().unwrap()), [("images/a.jpg", "cat"), ("images/c.jpg", "dog")]);
    says(&set, "1 image is in several lists, and therefore in several splits");
}

/// No list names the repaired image.
#[test]
fn listed_images_are_not_repaired_under_other_names() {
    let dir = tempfile::tempdir().unwrap();
    let (root, out) = (dir.path().join("set"), dir.path().join("out"));
    (1..=4).for_each(|i| put(&root, &format!("{i}.jpg"), &jpeg(40, 40, i)));
    put(&root, "a.jpg", &png(40, 40, 20));
    put(&root, "labels.csv", b"a.jpg,cat\n1.jpg,cat\n2.jpg,dog\n3.jpg,cat\n4.jpg,dog\n");
    let mut plan = FixPlan::of(&check(&root, 1, &|_, _| ()).unwrap(), &root);
    assert_eq!(plan.steps.iter().map(|step| step.file.as_str()).collect::<Vec<_>>(), ["a.jpg"]);
    let before = tree(&root);
    let error = plan.apply_in_place(&|_, _| ()).unwrap_err();
    assert!(error.message.starts_with("a.jpg: the repaired image would be named a.png, but"), "{error}");
    assert!(error.help.unwrap().contains("`alexnet data fix PLAN OUT`"));
    assert_eq!(tree(&root), before);
    assert_eq!(plan.copy_to(&out, &|_, _| ()).unwrap().mended, 1);
    assert!(out.join("cat/a.png").is_file());
    // An image that keeps its name keeps its label.
    plan.steps[0].file = "1.jpg".to_owned();
    assert_eq!(plan.apply_in_place(&|_, _| ()).unwrap().mended, 1);
    assert_eq!(Dataset::open(&root).unwrap().split("all").unwrap().len(), 5);
}
