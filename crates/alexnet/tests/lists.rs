//! Lists of labels in every form that programs write, and the layouts that use them.

use crate::images;

use std::path::Path;

use alexnet::data::{Dataset, ProblemKind, Split};
use images::{jpeg, put};

/// The error that opening a source ends with.
pub(crate) fn error(path: &Path) -> String {
    let error = Dataset::open(path).expect_err("opening must fail");
    assert_eq!(error.kind.exit_code(), 3, "{error}");
    error.to_string()
}

/// The names and classes of the images of a split.
pub(crate) fn listed<'a>(set: &'a Dataset, split: &'a Split) -> Vec<(&'a str, &'a str)> {
    (0..split.len()).map(|i| (split.file(i), set.classes[split.label(i) as usize].as_str())).collect()
}

fn all(set: &Dataset) -> Vec<(&str, &str)> {
    listed(set, set.split("all").unwrap())
}

/// A folder with these images and one list.
fn folder(images: &[&str], name: &str, list: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    images.iter().zip(0..).for_each(|(image, salt)| put(dir.path(), image, &jpeg(20, 16, salt)));
    put(dir.path(), name, list);
    dir
}

const THREE: [&str; 3] = ["a 1.jpg", "b.jpg", "sub/c.jpg"];

/// A list yields the same labels in every form.
#[test]
fn lists_in_all_forms_yield_the_same_labels() {
    let utf16: Vec<u8> = "\u{feff}a 1.jpg,cat\r\nb.jpg,dog\r\nsub/c.jpg,cat"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let forms: [&[u8]; 22] = [
        b"a 1.jpg,cat\nb.jpg,dog\nsub/c.jpg,cat\n",
        b"\xef\xbb\xbfa 1.jpg,cat\nb.jpg,dog\nsub/c.jpg,cat\n",
        &utf16,
        b"a 1.jpg,cat\rb.jpg,dog\rsub/c.jpg,cat",
        b"a 1.jpg;cat\r\nb.jpg;dog\r\nsub/c.jpg;cat\r\n",
        b"a 1.jpg\tcat\nb.jpg\tdog\nsub/c.jpg\tcat\n",
        b"a 1.jpg cat\nb.jpg dog\nsub/c.jpg cat\n",
        b"\"a 1.jpg\" \"cat\"\nb.jpg   dog\n\n  sub/c.jpg cat\n",
        b"\"a 1.jpg\",\"cat\"\n\"b.jpg\" , \"dog\"\nsub/c.jpg,cat",
        b"filename,label\na 1.jpg,cat\nb.jpg,dog\nsub/c.jpg,cat\n",
        b"Label,File Name\ncat,a 1.jpg\ndog,b.jpg\ncat,sub/c.jpg\n",
        b"id,breed\na 1,cat\nb,dog\nc,cat\n",
        b",image,width,category\n0,a 1.jpg,20,cat\n1,b.jpg,20,dog\n2,sub/c.jpg,20,cat\n",
        b"path,species,weight\n/home/x/pets/a 1.jpg,cat,3\n/home/x/pets/b.jpg,dog,4\n/home/x/pets/sub/c.jpg,cat,3\n",
        b"C:\\pets\\a 1.jpg,cat\r\nC:\\pets\\b.jpg,dog\r\nC:\\pets\\sub\\c.jpg,cat\r\n",
        b"./a 1.jpg,cat\n./b.jpg,dog\n./sub/c.jpg,cat\n",
        b"A 1.JPG,cat\nB.jpg,dog\nSub/C.jpg,cat\n",
        b"a 1.jpg,cat,\nb.jpg,dog,\nsub/c.jpg,cat,\n",
        b"file,class_id,class_name\na 1.jpg,5,cat\nb.jpg,3,dog\nsub/c.jpg,5,cat\n",
        b"id,comment,label\na 1.jpg,\"two\nlines, here\",cat\nb.jpg,\"say \"\"no\"\"\",dog\nsub/c.jpg,,cat\n",
        b"a 1.jpg\tcat\t0\t0\t9\t9\nb.jpg\tdog\t1\t1\t9\t9\nsub/c.jpg\tcat\t2\t0\t9\t9\n",
        b"a 1.jpg|cat\nb.jpg|dog\nsub/c.jpg|cat\n",
    ];
    for form in forms {
        let dir = folder(&THREE, "labels.csv", form);
        let set =
            Dataset::open(dir.path()).unwrap_or_else(|error| panic!("{}: {error}", form.escape_ascii()));
        let expected = [("a 1.jpg", "cat"), ("b.jpg", "dog"), ("sub/c.jpg", "cat")];
        assert_eq!(all(&set), expected, "{}", form.escape_ascii());
        assert_eq!(set.classes, ["cat", "dog"]);
        let skipped = set.notes.iter().find(|note| note.contains("skipped") || note.contains("missing"));
        assert_eq!(skipped, None, "{}", form.escape_ascii());
    }
}

#[test]
fn classes_may_contain_commas_spaces_and_any_encoding() {
    for (list, classes) in [
        (
            &b"a 1.jpg,\"Cat, domestic\"\nb.jpg,German shepherd\nsub/c.jpg,\"Cat, domestic\"\n"[..],
            ["Cat, domestic", "German shepherd"],
        ),
        (b"a 1.jpg German shepherd\nb.jpg old cat\nsub/c.jpg old cat\n", ["German shepherd", "old cat"]),
        (b"a 1.jpg;Cat, domestic\nb.jpg;Dog\nsub/c.jpg;Dog\n", ["Cat, domestic", "Dog"]),
        (b"a 1.jpg,K\xc3\xa4fer\nb.jpg,\xc3\xa9cureuil\nsub/c.jpg,K\xc3\xa4fer\n", ["Käfer", "écureuil"]),
        (b"a 1.jpg,K\xe4fer\nb.jpg,\xe9cureuil\nsub/c.jpg,K\xe4fer\n", ["Käfer", "écureuil"]),
    ] {
        let dir = folder(&THREE, "labels.txt", list);
        let set = Dataset::open(dir.path()).unwrap();
        assert_eq!(set.classes, classes);
        assert_eq!(all(&set).len(), 3);
        let reported = set.notes.iter().any(|note| note.contains("Windows-1252") && note.contains("line 1"));
        assert_eq!(reported, std::str::from_utf8(list).is_err(), "{:?}", set.notes);
    }
}

#[test]
fn skipped_lines_are_reported() {
    let list = b"file,label,width\na 1.jpg,cat,40\n\nb.jpg,,40\nsub/c.jpg,dog,40,7\nnone.jpg,cat,40\n";
    let dir = folder(&THREE, "labels.csv", list);
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(all(&set), [("a 1.jpg", "cat")]);
    let notes = set.notes.join("\n");
    for reported in [
        "labels.csv: files from column `file`, classes from column `label`; not used: `width`",
        "labels.csv: skipped 2 lines: line 4 (no class), line 5 (4 cells, expected 3",
        "labels.csv lists 1 missing file: line 6 (none.jpg)",
        "skipped 2 images that no list names: b.jpg, sub/c.jpg",
    ] {
        assert!(notes.contains(reported), "{reported} is not in\n{notes}");
    }
    let (_, problems) = Dataset::examine(dir.path()).unwrap();
    let found = |kind: ProblemKind, file: &str| {
        problems.iter().any(|problem| problem.kind == kind && problem.file == file)
    };
    assert!(
        found(ProblemKind::Missing, "none.jpg") && found(ProblemKind::NotUsed, "labels.csv:4"),
        "{problems:?}"
    );
    assert!(found(ProblemKind::Loose, "b.jpg"), "{problems:?}");
}

/// macOS decomposes the letters of file names; other programs write composed ones.
#[test]
fn names_match_in_both_unicode_forms() {
    let (composed, decomposed) =
        (["B\u{e4}r0.jpg", "\u{e9}l\u{e8}ve.jpg"], ["Ba\u{308}r0.jpg", "e\u{301}le\u{300}ve.jpg"]);
    for (disk, listed) in [(decomposed, composed), (composed, decomposed)] {
        let list = format!("{},bear\n{},child\nplain.jpg,bear\n", listed[0], listed[1]);
        let dir = folder(&[disk[0], disk[1], "plain.jpg"], "labels.csv", list.as_bytes());
        let set = Dataset::open(dir.path()).unwrap();
        let mut found = all(&set);
        found.sort_unstable();
        let mut expected = [(disk[0], "bear"), (disk[1], "child"), ("plain.jpg", "bear")];
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert!(!set.notes.iter().any(|note| note.contains("missing")), "{:?}", set.notes);
    }
}

#[test]
fn an_image_with_two_classes_is_reported_once() {
    let list = b"a.jpg,cat\nb.jpg,dog\nc.jpg,cat\na.jpg,dog\na.jpg,eel\nd.jpg,dog\n";
    let dir = folder(&["a.jpg", "b.jpg", "c.jpg", "d.jpg"], "labels.csv", list);
    assert!(error(dir.path()).contains("a.jpg has two classes: `cat` on line 1 and `dog` on line 4\n"));
    let (set, problems) = Dataset::examine(dir.path()).unwrap();
    assert_eq!(all(&set), [("b.jpg", "dog"), ("c.jpg", "cat"), ("d.jpg", "dog")]);
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert_eq!((problem.kind, problem.file.as_str()), (ProblemKind::Loose, "a.jpg"));
    assert!(
        problem.detail.contains("two classes in labels.csv: `cat` on line 1 and `dog` on line 4"),
        "{problem:?}"
    );
    assert!(!set.notes.iter().any(|note| note.contains("no list names")), "{:?}", set.notes);
}

#[test]
fn ambiguous_lists_are_rejected() {
    for (list, what) in [
        (
            &b"a 1.jpg,cat\nb.jpg,dog\na 1.jpg,dog\n"[..],
            "a 1.jpg has two classes: `cat` on line 1 and `dog` on line 3",
        ),
        (b"/x/a 1.jpg,cat\n/y/a 1.jpg,dog\n", "two classes: `cat` on line 1 and `dog` on line 2"),
        (b"a 1.jpg,0,3\nb.jpg,1,2\n", "3 columns without a heading"),
        (
            b"file,left_label,right_label\na 1.jpg,cat,dog\nb.jpg,dog,dog\n",
            "several columns could be the class: `left_label`, `right_label`",
        ),
        (
            b"file,width,height\na 1.jpg,4,5\nb.jpg,4,5\n",
            "which of the columns `width`, `height` is the class",
        ),
        (
            b"file,species,breed\na 1.jpg,cat,manx\nb.jpg,dog,pug\n",
            "several columns could be the class: `species`, `breed`",
        ),
        (b"file,label\n\"a 1.jpg,cat\nb.jpg,dog\n", "missing quote"),
        (b"other.jpg,cat\n", "none of its files are in the folder; line 1 names `other.jpg`"),
        (b"a 1.jpg\nb.jpg\n", "expected a file and its class"),
    ] {
        let dir = folder(&THREE, "labels.csv", list);
        let message = error(dir.path());
        assert!(message.contains(what), "{}: {message}", list.escape_ascii());
    }
}

/// Of several files with the same name, a list labels only those it identifies.
#[test]
fn ambiguous_names_are_not_guessed() {
    let images = ["a/1.jpg", "b/1.jpg", "2.jpg"];
    let dir = folder(&images, "labels.csv", b"a/1.jpg,cat\nb/1.jpg,dog\n2.jpg,dog\n");
    assert_eq!(
        all(&Dataset::open(dir.path()).unwrap()),
        [("2.jpg", "dog"), ("a/1.jpg", "cat"), ("b/1.jpg", "dog")]
    );
    let dir = folder(&images, "labels.csv", b"1.jpg,cat\n2.jpg,dog\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(all(&set), [("2.jpg", "dog")]);
    assert!(
        set.notes.iter().any(|note| note.contains("line 1 (`1.jpg` matches several images)")),
        "{:?}",
        set.notes
    );
}

#[test]
fn a_column_may_name_the_split() {
    let images = ["images/1.jpg", "images/2.jpg", "images/3.jpg"];
    for list in [
        &b"path,label,split\nimages/1.jpg,cat,train\nimages/2.jpg,dog,train\nimages/3.jpg,dog,Val\n"[..],
        b"path,label,is_valid\n1.jpg,cat,False\n2.jpg,dog,False\n3.jpg,dog,True\n",
        b"1.jpg,cat,train\n2.jpg,dog,train\n3.jpg,dog,val\n",
    ] {
        let dir = folder(&images, "labels.csv", list);
        let set = Dataset::open(dir.path()).unwrap();
        assert_eq!(listed(&set, set.train().unwrap()), [("images/1.jpg", "cat"), ("images/2.jpg", "dog")]);
        assert_eq!(listed(&set, set.val().unwrap()), [("images/3.jpg", "dog")]);
    }
}

/// Images that a list assigns to no split are in none: they may be held out for a reason.
#[test]
fn lines_with_an_unknown_split_are_skipped() {
    let names: Vec<String> = (1..=7).map(|i| format!("images/{i}.jpg")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // More lines without a split than with one.
    let splits = ["train", "train", "valid", "holdout", "holdout", "holdout", "holdout"];
    let lines = (1..).zip(splits).map(|(i, split)| format!("{i}.jpg,{},{split}\n", ["dog", "cat"][i % 2]));
    let list = format!("path,label,split\n{}", lines.collect::<String>());
    let dir = folder(&names, "labels.csv", list.as_bytes());
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(listed(&set, set.train().unwrap()), [("images/1.jpg", "cat"), ("images/2.jpg", "dog")]);
    assert_eq!(listed(&set, set.val().unwrap()), [("images/3.jpg", "cat")]);
    assert!(set.notes.iter().any(|note| note.contains("`holdout` is not a split")), "{:?}", set.notes);
}

/// Folders that are unrelated to the classes in a list are not classes.
#[test]
fn folders_that_only_store_images_are_not_classes() {
    let names: Vec<String> = (0..12).map(|i| format!("part_{}/{i:02}.jpg", i / 4)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let list: String = (0..12).map(|i| format!("{i:02},{}\n", ["ant", "bee", "cat", "dog"][i % 4])).collect();
    let dir = folder(&names, "metadata.csv", format!("image_id,dx\n{list}").as_bytes());
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(set.classes, ["ant", "bee", "cat", "dog"]);
    assert_eq!(all(&set)[5], ("part_1/05.jpg", "bee"));
    // Folders that match the list stay the classes, and the list is reported.
    let list: String = (0..12).map(|i| format!("{i:02},{}\n", ["ant", "bee", "cat"][i / 4])).collect();
    put(dir.path(), "metadata.csv", format!("image_id,dx\n{list}").as_bytes());
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(set.classes, ["part_0", "part_1", "part_2"]);
    assert!(set.notes.iter().any(|note| note.contains("metadata.csv")), "{:?}", set.notes);
}

/// Class numbers that start at one need numbered names.
#[test]
fn numbers_from_one_need_numbered_names() {
    let dir = folder(&THREE, "labels.csv", b"a 1.jpg,1\nb.jpg,2\nsub/c.jpg,1\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(set.classes, ["0", "1", "2"]);
    assert!(set.notes.iter().any(|note| note.contains("no image has class 0")), "{:?}", set.notes);
    put(dir.path(), "classes.txt", b"cat\ndog\n");
    assert!(error(dir.path()).contains("numbers are counted from 0"));
    put(dir.path(), "classes.txt", b"1 cat\n2 dog\n");
    assert_eq!(
        all(&Dataset::open(dir.path()).unwrap()),
        [("a 1.jpg", "cat"), ("b.jpg", "dog"), ("sub/c.jpg", "cat")]
    );
    put(dir.path(), "classes.txt", b"\xff\xfec\0a\0t\0\n\0d\0o\0g\0\n\0");
    put(dir.path(), "labels.csv", b"a 1.jpg,1\nb.jpg,0\n");
    assert_eq!(all(&Dataset::open(dir.path()).unwrap()), [("a 1.jpg", "dog"), ("b.jpg", "cat")]);
    put(dir.path(), "classes.txt", b"cat\ndog\ncat\n");
    assert!(error(dir.path()).contains("lines 1 and 3 are the same class"));
}

fn tiny_imagenet(root: &Path) {
    for (class, first) in [("n01443537", 0), ("n01629819", 3)] {
        for i in first..first + 3 {
            put(root, &format!("train/{class}/images/{class}_{i}.JPEG"), &jpeg(20, 16, i));
        }
        put(
            root,
            &format!("train/{class}/{class}_boxes.txt"),
            format!("{class}_{first}.JPEG\t0\t10\t63\t58\n").as_bytes(),
        );
    }
    (0..4).for_each(|i| put(root, &format!("val/images/val_{i}.JPEG"), &jpeg(20, 16, 10 + i)));
    (0..2).for_each(|i| put(root, &format!("test/images/test_{i}.JPEG"), &jpeg(20, 16, 20 + i)));
    let boxes = ["n01629819", "n01443537", "n01443537", "n01629819"];
    let lines: String =
        boxes.iter().zip(0..).map(|(wnid, i)| format!("val_{i}.JPEG\t{wnid}\t0\t32\t44\t62\n")).collect();
    put(root, "val/val_annotations.txt", lines.as_bytes());
    put(root, "wnids.txt", b"n01629819\nn01443537\n");
    put(root, "words.txt", b"n01443537\tgoldfish, Carassius auratus\nn01629819\tEuropean fire salamander\n");
}

#[test]
fn tiny_imagenet_opens_as_distributed() {
    let dir = tempfile::tempdir().unwrap();
    tiny_imagenet(dir.path());
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(set.classes, ["n01443537", "n01629819"]);
    assert_eq!(set.train().unwrap().len(), 6);
    assert_eq!(set.train().unwrap().file(3), "train/n01629819/images/n01629819_3.JPEG");
    let val = listed(&set, set.val().unwrap());
    let expected = [(0, "n01629819"), (1, "n01443537"), (2, "n01443537"), (3, "n01629819")];
    assert_eq!(
        val,
        expected.map(|(i, wnid)| (
            [
                "val/images/val_0.JPEG",
                "val/images/val_1.JPEG",
                "val/images/val_2.JPEG",
                "val/images/val_3.JPEG"
            ][i],
            wnid
        ))
    );
    assert!(set.split("test").is_err());
    assert!(
        set.notes.iter().any(|note| note.contains("test/ is not used") && note.contains("2 images")),
        "{:?}",
        set.notes
    );
    // A wrapping folder makes no difference.
    let outer = tempfile::tempdir().unwrap();
    tiny_imagenet(&outer.path().join("tiny-imagenet-200"));
    let wrapped = Dataset::open(outer.path()).unwrap();
    assert_eq!((wrapped.classes.len(), wrapped.val().unwrap().len()), (2, 4));
    // A class in the list without a folder.
    put(dir.path(), "val/val_annotations.txt", b"val_0.JPEG\tn09999999\t0\t32\t44\t62\n");
    assert!(error(dir.path()).contains("1 image of classes that train/ does not have: n09999999"));
}

/// In Caffe's lists classes are numbers, and the training list assigns them to folders.
#[test]
fn caffes_lists_label_a_flat_val_folder() {
    let dir = tempfile::tempdir().unwrap();
    for (class, i) in [("ant", 0), ("bee", 1), ("bee", 2), ("cat", 3)] {
        put(dir.path(), &format!("train/{class}/{i}.jpg"), &jpeg(20, 16, i));
    }
    (0..3).for_each(|i| put(dir.path(), &format!("val/{i}.jpg"), &jpeg(20, 16, 10 + i)));
    put(dir.path(), "val.txt", b"0.jpg 2\n1.jpg 0\n2.jpg 1\n");
    let val = |set: &Dataset| {
        listed(set, set.val().unwrap()).iter().map(|pair| pair.1.to_owned()).collect::<Vec<_>>()
    };
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(val(&set), ["cat", "ant", "bee"]);
    assert!(set.notes.iter().any(|note| note.contains("sorted folders of train/")), "{:?}", set.notes);
    put(dir.path(), "train.txt", b"ant/0.jpg 1\nbee/1.jpg 0\nbee/2.jpg 0\ncat/3.jpg 2\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(
        (val(&set), set.train().unwrap().len()),
        (["cat", "bee", "ant"].map(str::to_owned).to_vec(), 4)
    );
    put(dir.path(), "train.txt", b"ant/0.jpg 1\nbee/1.jpg 0\nbee/2.jpg 1\ncat/3.jpg 2\n");
    assert!(error(dir.path()).contains("assigns several numbers to a folder of train/"));
    put(dir.path(), "synsets.txt", b"bee\nant\ncat\n");
    assert_eq!(val(&Dataset::open(dir.path()).unwrap()), ["cat", "bee", "ant"]);
    put(dir.path(), "val.txt", b"0.jpg 2\n1.jpg 0\n2.jpg 3\n");
    assert!(error(dir.path()).contains("classes that train/ does not have: 3"));
}

#[test]
fn lists_for_each_split_label_one_folder_or_flat_ones() {
    // All images in one folder.
    let dir = folder(
        &["images/1.jpg", "images/2.jpg", "images/3.jpg"],
        "train.txt",
        b"images/1.jpg 0\nimages/2.jpg 1\n",
    );
    put(dir.path(), "val.txt", b"images/3.jpg 1\n");
    put(dir.path(), "classes.txt", b"cat\ndog\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(listed(&set, set.train().unwrap()), [("images/1.jpg", "cat"), ("images/2.jpg", "dog")]);
    assert_eq!(listed(&set, set.val().unwrap()), [("images/3.jpg", "dog")]);
    // Split folders with images of the same names: each list labels its own folder.
    let dir = folder(&["train/1.jpg", "train/2.jpg", "val/1.jpg"], "train.txt", b"1.jpg cat\n2.jpg dog\n");
    put(dir.path(), "val.txt", b"1.jpg dog\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(listed(&set, set.train().unwrap()), [("train/1.jpg", "cat"), ("train/2.jpg", "dog")]);
    assert_eq!(listed(&set, set.val().unwrap()), [("val/1.jpg", "dog")]);
    // One list for the training images, none for the others.
    let dir =
        folder(&["train/1.jpg", "train/2.jpg", "test/1.jpg"], "labels.csv", b"id,breed\n1,pug\n2,beagle\n");
    put(dir.path(), "sample_submission.csv", b"id,beagle,pug\n1,0.5,0.5\n");
    let set = Dataset::open(dir.path()).unwrap();
    assert!(
        set.notes.iter().any(|note| note.contains("taken to list the images in train/")),
        "{:?}",
        set.notes
    );
    assert_eq!(set.splits.len(), 1, "{:?}", set.notes);
    assert_eq!(listed(&set, set.train().unwrap()), [("train/1.jpg", "pug"), ("train/2.jpg", "beagle")]);
}

/// In Kaggle's ImageNet, classes are listed with boxes.
#[test]
fn kaggles_imagenet_opens_as_distributed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("ILSVRC/Data/CLS-LOC");
    for (wnid, i) in [("n01440764", 0), ("n02017213", 1)] {
        put(&data, &format!("train/{wnid}/{wnid}_{i}.JPEG"), &jpeg(20, 16, i));
    }
    (1..4).for_each(|i| put(&data, &format!("val/ILSVRC2012_val_{i:08}.JPEG"), &jpeg(20, 16, 10 + i)));
    let list = b"ImageId,PredictionString\nILSVRC2012_val_00000001,n02017213 115 49 448 294 \n\
        ILSVRC2012_val_00000002,n01440764 1 2 3 4 n01440764 5 6 7 8 \nILSVRC2012_val_00000003,n01440764 1 2 3 4 n02017213 5 6 7 8\n";
    put(dir.path(), "LOC_val_solution.csv", list);
    put(
        dir.path(),
        "LOC_synset_mapping.txt",
        b"n01440764 tench, Tinca tinca\nn02017213 European gallinule\n",
    );
    let set = Dataset::open(dir.path()).unwrap();
    let val: Vec<&str> = listed(&set, set.val().unwrap()).iter().map(|pair| pair.1).collect();
    assert_eq!((set.train().unwrap().len(), val), (2, vec!["n02017213", "n01440764"]));
    assert!(set.notes.iter().any(|note| note.contains("line 4 (several classes")), "{:?}", set.notes);
}

/// The kit next to `val/`, with training images in class folders.
#[test]
fn the_kit_labels_a_flat_val_folder_next_to_class_folders() {
    let dir = tempfile::tempdir().unwrap();
    let kit = Dataset::open(&{
        put(dir.path(), "alone/ILSVRC2012_val_00000001.JPEG", &jpeg(20, 16, 1));
        put(dir.path(), "alone/devkit/data/meta.mat", include_bytes!("ilsvrc/meta.mat"));
        put(dir.path(), "alone/devkit/data/ILSVRC2012_validation_ground_truth.txt", b"\xef\xbb\xbf1\r\n");
        dir.path().join("alone")
    })
    .unwrap();
    assert_eq!(
        listed(&kit, kit.val().unwrap()),
        [("ILSVRC2012_val_00000001.JPEG", "kit fox, Vulpes macrotis")]
    );
    let root = dir.path().join("set");
    for (wnid, i) in [("n02085620", 0), ("n02119789", 1), ("n02100735", 2)] {
        put(&root, &format!("train/{wnid}/{i}.JPEG"), &jpeg(20, 16, i));
    }
    (1..=4).for_each(|i| put(&root, &format!("val/ILSVRC2012_val_{i:08}.JPEG"), &jpeg(20, 16, 10 + i)));
    put(&root, "ILSVRC2012_devkit_t12/data/meta.mat", include_bytes!("ilsvrc/meta.mat"));
    put(&root, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", b"2\n1\n3\n2\n");
    let set = Dataset::open(&root).unwrap();
    assert_eq!(set.classes, ["n02085620", "n02100735", "n02119789"]);
    let expected = [(1, "n02100735"), (2, "n02119789"), (4, "n02100735")];
    let val: Vec<(String, &str)> =
        expected.map(|(i, wnid)| (format!("val/ILSVRC2012_val_{i:08}.JPEG"), wnid)).to_vec();
    let found: Vec<(String, &str)> =
        listed(&set, set.val().unwrap()).into_iter().map(|(f, c)| (f.to_owned(), c)).collect();
    assert_eq!(found, val);
    assert!(
        set.notes.iter().any(|note| note.contains("1 validation image of classes that train/ does not have")),
        "{:?}",
        set.notes
    );
}

/// Text files next to class folders are not lists.
#[test]
fn text_files_next_to_class_folders_are_ignored() {
    let dir = folder(
        &["cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg"],
        "requirements-dev.txt",
        b"numpy 1.2\ntorch 2.0\n",
    );
    put(dir.path(), "notes.csv", b"cat/1.jpg,blurred,yes\ncat/2.jpg,sharp,no\n");
    put(dir.path(), "binary.txt", b"\0\x01\x02");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.classes.len(), set.split("all").unwrap().len()), (2, 4));
    assert!(set.notes.iter().any(|note| note.contains("notes.csv")), "{:?}", set.notes);
}
