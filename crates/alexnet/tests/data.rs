//! Class folders on disk and in tars, the binary files of CIFAR and of IDX, and the built-in images as sources.

use std::fs::{create_dir_all, write};
use std::path::Path;

use alexnet::data::{Dataset, embedded};
use tempfile::TempDir;

use crate::images::{class_folders, jpeg};

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
    write(dir.path().join("1.jpg"), jpeg(8, 8, 1)).unwrap();
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
        let data = jpeg(8, 8, 1);
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
