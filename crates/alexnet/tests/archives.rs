//! Archives as people make them: labels in every form, concatenated, with repeated members, one per class, compressed; and sets
//! in unsupported formats.

use crate::images;

use std::io::Write;
use std::path::{Path, PathBuf};

use alexnet::data::{Dataset, Split};
use images::{archive, jpeg, png, put};

fn error(path: &Path) -> String {
    let error = Dataset::open(path).expect_err("opening must fail");
    assert_eq!(error.kind.exit_code(), 3, "{error}");
    error.to_string()
}

/// The names and classes of the images of a split.
fn listed(set: &Dataset, split: &Split) -> Vec<(String, String)> {
    (0..split.len())
        .map(|i| (split.file(i).to_owned(), set.classes[split.label(i) as usize].clone()))
        .collect()
}

fn all(set: &Dataset) -> Vec<(String, String)> {
    listed(set, set.split("all").unwrap())
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(file, class)| (file.to_owned(), class.to_owned())).to_vec()
}

fn notes_contain(set: &Dataset, what: &str) -> bool {
    set.notes.iter().any(|note| note.contains(what))
}

/// A member with any name, even one that the tar library would reject.
fn member(name: &[u8], data: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    let mut bytes = [header.as_bytes().as_slice(), data].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Members with these texts, or with different images if the text is empty.
fn samples(members: &[(&str, &str)]) -> Vec<u8> {
    let bytes: Vec<(&str, Vec<u8>)> = members
        .iter()
        .zip(0..)
        .map(|(&(name, text), salt)| match name.rsplit_once('.') {
            Some((_, "jpg")) if text.is_empty() => (name, jpeg(20, 16, salt)),
            Some((_, "png")) if text.is_empty() => (name, png(20, 16, salt)),
            _ => (name, text.as_bytes().to_vec()),
        })
        .collect();
    archive(bytes.iter().map(|(name, bytes)| (*name, bytes.as_slice())))
}

fn single(members: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "set.tar", &samples(members));
    let path = dir.path().join("set.tar");
    (dir, path)
}

#[test]
fn label_files_may_have_many_names() {
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[("img.0.jpg", ""), ("img.0.cls", "cat"), ("img.1.jpg", ""), ("img.1.cls", "dog")], ""),
        (&[("1.jpg", ""), ("1.cls.txt", "cat\n"), ("2.jpg", ""), ("2.cls.txt", "dog\n")], ""),
        (&[("1.jpg", ""), ("1.class", "cat"), ("2.jpg", ""), ("2.class", "dog")], ""),
        (
            &[
                ("1.jpg", ""),
                ("1.json", r#"{"w": 4, "label": "cat"}"#),
                ("2.jpg", ""),
                ("2.json", r#"{"label": "dog", "class": 7}"#),
            ],
            "key `label`",
        ),
        (&[("1.jpg", ""), ("1.json", r#""cat""#), ("2.jpg", ""), ("2.json", r#""dog""#)], ""),
        (&[("1.jpg", ""), ("1.txt", "cat"), ("2.jpg", ""), ("2.txt", "\u{feff}dog")], ""),
        (
            &[
                ("1.jpg", ""),
                ("1.cls", "cat"),
                ("1.json", r#"{"label": 5}"#),
                ("2.jpg", ""),
                ("2.cls", "dog"),
                ("2.json", "{}"),
            ],
            "not used: 2 .json files",
        ),
        (
            &[
                ("1.jpg", ""),
                ("1.seg.png", ""),
                ("1.cls", "cat"),
                ("2.jpg", ""),
                ("2.depth.png", ""),
                ("2.cls", "dog"),
            ],
            "beside the image of a sample, such as masks: 2.depth.png",
        ),
        (
            &[
                ("._1.jpg", "x"),
                ("1.jpg", ""),
                ("._1.cls", "x"),
                ("1.cls", "cat"),
                ("2.jpg", ""),
                ("2.cls", "dog"),
            ],
            "hidden or system",
        ),
    ];
    for (members, note) in cases {
        let (_dir, path) = single(members);
        let set = Dataset::open(&path).unwrap_or_else(|error| panic!("{members:?}: {error}"));
        let images: Vec<&str> = members
            .iter()
            .map(|member| member.0)
            .filter(|name| name.ends_with(".jpg") && !name.starts_with('.'))
            .collect();
        let found = all(&set);
        let expected: Vec<(String, String)> =
            images.into_iter().map(str::to_owned).zip(["cat", "dog"].map(str::to_owned)).collect();
        assert_eq!(found, expected, "{members:?}");
        assert!(notes_contain(&set, note), "no {note:?} in {:?}", set.notes);
    }
}

#[test]
fn contradicting_and_missing_labels_are_not_guessed() {
    let (_dir, path) = single(&[("1.jpg", ""), ("1.cls", "cat"), ("1.class", "dog")]);
    assert!(
        error(&path).contains("two different labels for one image: 1.cls and 1.class"),
        "{}",
        error(&path)
    );
    let (_dir, path) = single(&[("1.left.jpg", ""), ("1.right.jpg", ""), ("1.cls", "cat")]);
    assert!(error(&path).contains("several images could belong to the label of 1: 1.left.jpg, 1.right.jpg"));
    let (_dir, path) = single(&[
        ("1.jpg", ""),
        ("1.cls", ""),
        ("2.jpg", ""),
        ("2.cls", "dog"),
        ("3.jpg", ""),
        ("4.cls", "cat"),
        ("5.jpg", ""),
        ("5.cls", "a\nb"),
    ]);
    let set = Dataset::open(&path).unwrap();
    assert_eq!(all(&set), pairs([("2.jpg", "dog")]));
    for note in [
        "skipped 1 image (empty label): 1.jpg",
        "skipped 1 image (no label): 3.jpg",
        "no image for 1 .cls file",
        "(label with several lines): 5.jpg",
    ] {
        assert!(notes_contain(&set, note), "no {note:?} in {:?}", set.notes);
    }
    let (_dir, path) = single(&[("1.jpg", ""), ("1.json", r#"{"caption": "a cat"}"#)]);
    assert!(error(&path).contains("no known key for the class in the .json: 1 image"), "{}", error(&path));
    let captions: Vec<(String, String)> = (0..30)
        .flat_map(|i| {
            [(format!("{i}.jpg"), String::new()), (format!("{i}.txt"), format!("a photo of {i} cats"))]
        })
        .collect();
    let captions: Vec<(&str, &str)> =
        captions.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let (_dir, path) = single(&captions);
    assert!(
        error(&path).contains("30 different texts for 30 images: these are captions"),
        "{}",
        error(&path)
    );
}

/// Class folders in a tar stay the classes, even if there are text files next to the images.
#[test]
fn captions_in_class_folders_are_not_labels() {
    let (_dir, path) =
        single(&[("cat/1.jpg", ""), ("cat/1.txt", "a cat"), ("dog/1.jpg", ""), ("dog/1.txt", "a dog")]);
    assert_eq!(Dataset::open(&path).unwrap().classes, ["cat", "dog"]);
}

fn of_class(class: &str, salt: usize) -> Vec<u8> {
    archive([
        (format!("{class}/1.jpg").as_str(), jpeg(20, 16, salt).as_slice()),
        (format!("{class}/2.jpg").as_str(), &jpeg(20, 16, salt + 1)),
    ])
}

#[test]
fn concatenated_archives_are_read_completely() {
    let dir = tempfile::tempdir().unwrap();
    let [cat, dog] = [of_class("cat", 0), of_class("dog", 5)];
    let padded = |bytes: &[u8], to: usize| [bytes, &vec![0; to]].concat();
    for joined in [
        [cat.clone(), dog.clone()].concat(),
        [padded(&cat, 9216), padded(&dog, 9216)].concat(),
        [padded(&cat, 3 << 20), dog.clone()].concat(),
        // Without an end-of-archive mark.
        [cat[..cat.len() - 1024].to_vec(), dog.clone()].concat(),
    ] {
        put(dir.path(), "set.tar", &joined);
        let path = dir.path().join("set.tar");
        let set = Dataset::open(&path).unwrap();
        assert_eq!(
            all(&set),
            pairs([("cat/1.jpg", "cat"), ("cat/2.jpg", "cat"), ("dog/1.jpg", "dog"), ("dog/2.jpg", "dog")])
        );
        let image = set.split("all").unwrap().image(3).unwrap().unwrap();
        assert_eq!(image, alexnet::data::decode::decode(&jpeg(20, 16, 6)).unwrap());
        assert!(!notes_contain(&set, "no end-of-archive mark"), "{:?}", set.notes);
    }
    put(dir.path(), "set.tar", &[cat.clone(), dog.clone()].concat());
    assert!(notes_contain(&Dataset::open(&dir.path().join("set.tar")).unwrap(), "2 concatenated archives"));
    // The second one is truncated.
    put(dir.path(), "set.tar", &[&cat[..], &dog[..600]].concat());
    assert!(error(&dir.path().join("set.tar")).contains("not a complete tar"));
    // Other data after the end.
    put(dir.path(), "set.tar", &[&cat[..], &dog, b"signature"].concat());
    assert!(notes_contain(&Dataset::open(&dir.path().join("set.tar")).unwrap(), "9 bytes after the end"));
}

#[test]
fn unusual_member_names_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.tar");
    let [one, two] = [jpeg(20, 16, 1), jpeg(20, 16, 2)];
    let members = |names: [&[u8]; 4]| {
        [
            member(names[0], &one),
            member(names[1], &two),
            member(names[2], &one),
            member(names[3], &two),
            vec![0; 1024],
        ]
        .concat()
    };
    std::fs::write(
        &path,
        members([b"/data/cat/1.jpg", b"/data/cat/2.jpg", b"//data/dog/1.jpg", b"/data/dog/2.jpg"]),
    )
    .unwrap();
    let set = Dataset::open(&path).unwrap();
    assert_eq!((set.classes.clone(), all(&set).len()), (vec!["cat".to_owned(), "dog".to_owned()], 4));
    assert!(notes_contain(&set, "removed the leading / from 4 member names"), "{:?}", set.notes);
    // If only some names are absolute, those members are skipped.
    std::fs::write(&path, members([b"cat/1.jpg", b"dog/2.jpg", b"/etc/1.jpg", b"dog/1.jpg"])).unwrap();
    let set = Dataset::open(&path).unwrap();
    assert_eq!((set.classes.clone(), all(&set).len()), (vec!["cat".to_owned(), "dog".to_owned()], 3));
    assert!(notes_contain(&set, "/etc/1.jpg"), "{:?}", set.notes);
    // Two classes that differ in a letter that is not UTF-8 stay distinct.
    std::fs::write(
        &path,
        members([b"M\xfcller/1.jpg", b"M\xfcller/2.jpg", b"M\xf6ller/1.jpg", b"../dog/2.jpg"]),
    )
    .unwrap();
    let set = Dataset::open(&path).unwrap();
    assert_eq!((set.classes.clone(), all(&set).len()), (vec!["Möller".to_owned(), "Müller".to_owned()], 3));
    assert!(notes_contain(&set, "Windows-1252") && notes_contain(&set, "../dog/2.jpg"), "{:?}", set.notes);
}

/// Of two members with the same name the last is used, as in unpacking.
#[test]
fn the_last_of_repeated_members_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.tar");
    let members =
        [("cat/1.jpg", jpeg(20, 16, 1)), ("dog/1.jpg", jpeg(20, 16, 2)), ("./cat/1.jpg", jpeg(20, 16, 3))];
    std::fs::write(&path, archive(members.iter().map(|(name, bytes)| (*name, bytes.as_slice())))).unwrap();
    let set = Dataset::open(&path).unwrap();
    let all = set.split("all").unwrap();
    assert_eq!((all.len(), all.file(0)), (2, "cat/1.jpg"));
    assert_eq!(all.image(0).unwrap().unwrap(), alexnet::data::decode::decode(&members[2].1).unwrap());
    assert!(notes_contain(&set, "more than once"), "{:?}", set.notes);
    let (_dir, path) = single(&[("1.jpg", ""), ("1.cls", "cat"), ("1.cls", "dog")]);
    assert_eq!(Dataset::open(&path).unwrap().classes, ["dog"]);
}

#[test]
fn a_folder_of_tars_is_a_set() {
    let image = jpeg(20, 16, 1);
    let flat = |names: &[&str]| archive(names.iter().map(|name| (*name, image.as_slice())));
    // One class per tar, with images in no folder or in one.
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "cat.tar", &flat(&["1.jpg", "./2.jpg"]));
    put(dir.path(), "dog.tar", &of_class("dog", 3));
    put(dir.path(), "README.md", b"hello");
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(
        all(&set),
        pairs([("cat/1.jpg", "cat"), ("cat/2.jpg", "cat"), ("dog/1.jpg", "dog"), ("dog/2.jpg", "dog")])
    );
    assert_eq!(
        set.split("all").unwrap().image(3).unwrap().unwrap(),
        alexnet::data::decode::decode(&jpeg(20, 16, 4)).unwrap()
    );
    assert!(notes_contain(&set, "2 tars, each of one class"), "{:?}", set.notes);
    // In split folders.
    let dir = tempfile::tempdir().unwrap();
    for name in ["train/n01440764.tar", "train/n01443537.tar", "val/n01440764.tar"] {
        put(dir.path(), name, &flat(&["a.JPEG"]));
    }
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.train().unwrap().len(), set.val().unwrap().len()), (2, 1));
    assert_eq!(set.classes, ["n01440764", "n01443537"]);
    // One per split; parts of one tree.
    for names in [["train.tar", "val.tar"], ["part1.tar", "part2.tar"]] {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), names[0], &flat(&["cat/1.jpg", "cat/2.jpg", "dog/1.jpg"]));
        put(dir.path(), names[1], &flat(&["cat/3.jpg", "dog/4.jpg"]));
        let set = Dataset::open(dir.path()).unwrap();
        assert_eq!((set.classes.len(), set.train().unwrap().len(), set.val().unwrap().len()), (2, 3, 2));
        assert_eq!(set.split("all").is_ok(), names[0] == "part1.tar", "{:?}", set.notes);
    }
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "cat.tar", &flat(&["1.jpg"]));
    put(dir.path(), "pets.tar", &flat(&["dog/1.jpg", "cow/1.jpg"]));
    assert!(error(dir.path()).contains("cat.tar hold images of one class, but pets.tar hold class folders"));
}

/// Shards that number their images from 1 each are all used, and no two images have the same name.
#[test]
fn members_of_several_tars_with_the_same_name_are_different_images() {
    let images: Vec<Vec<u8>> = (1..7).map(|seed| jpeg(20, 16, seed)).collect();
    let shard = |first: usize, names: &[&str]| {
        archive(names.iter().zip(first..).map(|(name, at)| (*name, images[at].as_slice())))
    };
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "part1.tar", &shard(0, &["cat/1.jpg", "dog/1", "dog/0.jpg"]));
    put(dir.path(), "part2.tar", &shard(3, &["cat/1.jpg", "dog/1", "dog/2.x.jpg"]));
    let set = Dataset::open(dir.path()).unwrap();
    let files: Vec<String> = all(&set).into_iter().map(|(file, _)| file).collect();
    let expected =
        ["cat/1 (part2.tar).jpg", "cat/1.jpg", "dog/0.jpg", "dog/1", "dog/1 (part2.tar)", "dog/2.x.jpg"];
    assert_eq!(files, expected);
    for (index, seed) in [3, 0, 2, 1, 4, 5].into_iter().enumerate() {
        let image = set.split("all").unwrap().image(index).unwrap().unwrap();
        assert_eq!(image, alexnet::data::decode::decode(&images[seed]).unwrap(), "{}", expected[index]);
    }
    let note = "2 members with the path of another tar's member, renamed: cat/1 (part2.tar).jpg";
    assert!(notes_contain(&set, note), "{:?}", set.notes);
    // Of one class, in two folders of one split.
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "train/cat.tar", &shard(0, &["1.jpg"]));
    put(dir.path(), "training/cat.tar", &shard(1, &["1.jpg"]));
    let train = Dataset::open(dir.path()).unwrap().train().unwrap().clone();
    assert_eq!([train.file(0), train.file(1)], ["train/cat/1 (training-cat.tar).jpg", "train/cat/1.jpg"]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Unsupported formats are recognized whatever the file name, and the error says what to do.
#[test]
fn unsupported_files_are_named_with_help() {
    let tar = of_class("cat", 1);
    let zip = |name: &str| [b"PK\x03\x04\x14\0\0\0\0\0", &[0; 20][..], name.as_bytes()].concat();
    // The length of a record and its masked CRC32C, as TensorFlow writes them.
    let record = [&[0x10u8, 0, 0, 0, 0, 0, 0, 0][..], &[0x95, 0xfb, 0xfe, 0x18], &[0; 20]].concat();
    let lmdb = [&[0; 16][..], &[0xde, 0xc0, 0xef, 0xbe, 1, 0, 0, 0], &[0; 100]].concat();
    let cases: [(&str, Vec<u8>, &str, &str); 16] = [
        ("pets.tar.gz", gzip(&tar), "a gzip-compressed tar", "mkdir -p pets && tar xf {} -C pets"),
        ("my pets.tar", gzip(&tar), "a gzip-compressed tar", "mkdir -p 'my pets' && tar xf {} -C 'my pets'"),
        ("pets.tar.zst", b"\x28\xb5\x2f\xfd\0\0\0".to_vec(), "zstd", "tar xf {} -C pets"),
        ("pets.txz", b"\xfd7zXZ\0\0\0".to_vec(), "xz", "tar xf {} -C pets"),
        ("pets.tbz", b"BZh91AY&SY".to_vec(), "bzip2", "tar xf {} -C pets"),
        ("pets.zip", zip("cat/1.jpg"), "a zip archive", "unzip {} -d pets"),
        ("x.npz", zip("x.npy"), "NumPy", "PIL"),
        ("pets.7z", b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), "7z", "7z x {} -opets"),
        ("pets.parquet", b"PAR1\x15\x04".to_vec(), "Parquet", "datasets"),
        ("train.h5", b"\x89HDF\r\n\x1a\n\0".to_vec(), "HDF5", "h5py"),
        ("data.mdb", lmdb, "LMDB", "Caffe"),
        (
            "data_batch_1",
            b"\x80\x02}q\x01(U\x0bbatch_labelq\x02".to_vec(),
            "CIFAR-10 as Python pickles",
            "cifar-10-binary.tar.gz",
        ),
        (
            "data_batch_1.mat",
            b"MATLAB 5.0 MAT-file, Platform".to_vec(),
            "CIFAR-10 for MATLAB",
            "cifar-10-binary.tar.gz",
        ),
        ("x.pkl", b"\x80\x04\x95\x05\0\0\0\0\0\0\0}".to_vec(), "a Python pickle", "folder for each class"),
        ("train-00000-of-1", record, "TFRecord", "tensorflow_datasets"),
        // The folder `src` exists where the tests run.
        ("src.zip", zip("cat/1.jpg"), "a zip archive", "unzip {} -d src-2"),
    ];
    for (name, bytes, what, help) in &cases {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), name, bytes);
        let path = dir.path().join(name);
        let shown = path.display().to_string();
        let shown = if name.contains(' ') { format!("'{shown}'") } else { shown };
        // The file, and a folder that holds only this file.
        for source in [path.as_path(), dir.path()] {
            let message = error(source);
            assert!(
                message.contains(what) && message.contains(&help.replace("{}", &shown)),
                "{name}: {message}"
            );
            assert!(!message.contains("empty"), "{message}");
        }
    }
    // In a folder with class folders they are reported, and the rest is used.
    let dir = tempfile::tempdir().unwrap();
    for name in ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg"] {
        put(dir.path(), name, &jpeg(20, 16, name.len()));
    }
    put(dir.path(), "pets.zip", &cases[5].1);
    let set = Dataset::open(dir.path()).unwrap();
    assert!(set.classes.len() == 2 && notes_contain(&set, "pets.zip"), "{:?}", set.notes);
    // CIFAR-100's pickles have generic names; they are also recognized in a tar.
    let dir = tempfile::tempdir().unwrap();
    let pickle = b"\x80\x02}q\x01(U\x09filenames".as_slice();
    ["train", "test", "meta"]
        .iter()
        .for_each(|name| put(dir.path(), &format!("cifar-100-python/{name}"), pickle));
    for source in [dir.path().to_owned(), dir.path().join("cifar-100-python")] {
        assert!(error(&source).contains("cifar-100-binary.tar.gz"), "{}", error(&source));
    }
    put(dir.path(), "cifar.tar", &archive([("cifar-10-batches-py/data_batch_1", pickle)]));
    assert!(error(&dir.path().join("cifar.tar")).contains("cifar-10-binary.tar.gz"));
}

/// Kits that a browser unpacked without renaming, and kits in nested folders.
#[test]
fn kits_are_recognized_by_their_bytes() {
    let meta = include_bytes!("ilsvrc/meta.mat").as_slice();
    let truth: &[u8] = &[0xff, 0xfe, b'1', 0, b'\n', 0, b'2', 0, b'\n', 0];
    let kit = archive([
        ("ILSVRC2012_devkit_t12/data/._meta.mat", b"resource fork".as_slice()),
        ("ILSVRC2012_devkit_t12/data/meta.mat", meta),
        ("ILSVRC2012_devkit_t12/data/._ILSVRC2012_validation_ground_truth.txt", b"resource fork"),
        ("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", truth),
    ]);
    let names = [
        "ILSVRC2012_devkit_t12.tar",
        "ILSVRC2012_devkit_t12.tar.gz",
        "ILSVRC2012_devkit_t12 (1).gz",
        "ILSVRC2012_devkit_t12",
    ];
    for name in names {
        for bytes in [kit.clone(), gzip(&kit)] {
            let dir = tempfile::tempdir().unwrap();
            (1..=2).for_each(|i| put(dir.path(), &format!("ILSVRC2012_val_{i:08}.JPEG"), &jpeg(20, 16, i)));
            put(dir.path(), name, &bytes);
            put(dir.path(), &format!("._{name}"), b"resource fork");
            let set = Dataset::open(dir.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
            let classes: Vec<String> =
                listed(&set, set.val().unwrap()).into_iter().map(|pair| pair.1).collect();
            assert_eq!(classes, ["kit fox, Vulpes macrotis", "English setter"]);
        }
    }
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "ILSVRC2012_val_00000001.JPEG", &jpeg(20, 16, 1));
    put(dir.path(), "ILSVRC2012_devkit_t12/ILSVRC2012_devkit_t12/data/meta.mat", meta);
    put(
        dir.path(),
        "ILSVRC2012_devkit_t12/ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
        b"3\n",
    );
    assert_eq!(Dataset::open(dir.path()).unwrap().val().unwrap().len(), 1);
}

fn idx(extents: &[u32], values: &[u8]) -> Vec<u8> {
    let head = [0, 0, 8, extents.len() as u8].into_iter();
    head.chain(extents.iter().flat_map(|extent| extent.to_be_bytes())).chain(values.iter().copied()).collect()
}

#[test]
fn sets_of_raw_pixels_may_be_partial() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "t10k-images-idx3-ubyte", &idx(&[2, 1, 1], &[3, 4]));
    assert!(error(dir.path()).contains("t10k-labels-idx1-ubyte"));
    put(dir.path(), "t10k-labels-idx1-ubyte", &idx(&[2], &[1, 0]));
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.splits.len(), set.val().unwrap().len(), set.val().unwrap().label(0)), (1, 2, 1));
    assert!(notes_contain(&set, "no train-images-idx3-ubyte"), "{:?}", set.notes);
    put(dir.path(), "train-images-idx3-ubyte", &idx(&[1, 1, 1], &[3]));
    put(dir.path(), "train-labels-idx1-ubyte.gz", &gzip(&idx(&[1], &[1])));
    put(dir.path(), "train-images-idx3-ubyte.gz", b"a copy");
    put(dir.path(), "extra-images-idx3-ubyte", b"");
    std::fs::remove_file(dir.path().join("t10k-labels-idx1-ubyte")).unwrap();
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.splits.len(), set.train().unwrap().len()), (1, 1));
    assert!(
        notes_contain(&set, "t10k-images-idx3-ubyte is not used")
            && notes_contain(&set, "not used: extra-images-idx3-ubyte"),
        "{:?}",
        set.notes
    );

    let record = |label: u8| [vec![label], vec![9; 3072]].concat();
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "batches.meta.txt", b"\xef\xbb\xbfcat\r\ndog\r\n\r\n");
    put(dir.path(), "test_batch.bin", &record(1));
    put(dir.path(), "other.bin", &record(1));
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(
        (set.classes.clone(), set.val().unwrap().len()),
        (vec!["cat".to_owned(), "dog".to_owned()], 1)
    );
    assert!(notes_contain(&set, "not used: other.bin"), "{:?}", set.notes);
    (1..5).for_each(|i| put(dir.path(), &format!("data_batch_{i}.bin"), &record(0)));
    assert!(error(dir.path()).contains("missing data_batch_5.bin of the 5"));
    put(dir.path(), "data_batch_5.bin", &record(0));
    std::fs::remove_file(dir.path().join("test_batch.bin")).unwrap();
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.splits.len(), set.train().unwrap().len()), (1, 5));
    assert!(notes_contain(&set, "no test_batch.bin"), "{:?}", set.notes);
}

/// Inputs that once failed, if the folder next to `ALEXNET_SHARED` exists.
#[test]
fn inputs_that_once_failed_open() {
    let folder = std::env::var_os("ALEXNET_SHARED").map(|shared| Path::new(&shared).join("../faults"));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        println!("skipped: no `faults` folder next to ALEXNET_SHARED");
        return;
    };
    let open =
        |name: &str| Dataset::open(&folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let sizes = |set: &Dataset| {
        let all = set.split("all").unwrap();
        let mut sizes = vec![0; set.classes.len()];
        (0..all.len()).for_each(|i| sizes[all.label(i) as usize] += 1);
        (0..all.len()).for_each(|i| drop(all.image(i).unwrap().unwrap()));
        sizes
    };
    for (name, classes, counts) in [
        ("bom", &["cat", "dog"][..], vec![3, 3]),
        ("quoted", &["Cat, domestic", "German shepherd"], vec![2, 2]),
        ("more_columns", &["cat", "dog"], vec![1, 1]),
        ("absolute.tar", &["cat", "dog"], vec![4, 4]),
        ("joined.tar", &["cat", "dog"], vec![4, 4]),
    ] {
        let set = open(name);
        assert_eq!(
            (set.classes.iter().map(String::as_str).collect::<Vec<_>>(), sizes(&set)),
            (classes.to_vec(), counts),
            "{name}"
        );
    }
    for name in ["dotted_keys", "masks", "appledouble", "json_labels"] {
        let set = open(name);
        let all = set.split("all").unwrap();
        let labels: Vec<u32> = (0..all.len()).map(|i| all.label(i)).collect();
        let count = if name == "dotted_keys" { 8 } else { 6 };
        assert_eq!(labels, (0..count).map(|i| i % 2).collect::<Vec<_>>(), "{name}");
        sizes(&set);
    }
    let message = error(&folder.join("compressed.tar.gz"));
    assert!(message.contains("a gzip-compressed tar") && message.contains("tar xf"), "{message}");
    assert_eq!(open("fashion").classes[0], "T-shirt/top");
}
