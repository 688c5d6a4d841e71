//! Which files are images, which folders are classes, and that everything skipped is reported.

use crate::images;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alexnet::data::Dataset;
use alexnet::data::ProblemKind;
use alexnet::data::check::check;
use alexnet::data::pack::check_outside;
use images::{archive, jpeg, png, put};

/// Images at these paths.
fn set(paths: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (salt, path) in paths.iter().enumerate() {
        put(dir.path(), path, &jpeg(24, 20, salt));
    }
    dir
}

fn open(dir: &Path) -> Dataset {
    Dataset::open(dir).unwrap_or_else(|error| panic!("{error}"))
}

fn error(dir: &Path) -> String {
    let error = Dataset::open(dir).expect_err("opening must fail");
    assert_eq!(error.kind.exit_code(), 3, "{error}");
    error.to_string()
}

/// The number of images of each class in all splits except `all`.
fn counts(set: &Dataset) -> BTreeMap<&str, usize> {
    let mut counts: BTreeMap<&str, usize> = set.classes.iter().map(|class| (class.as_str(), 0)).collect();
    for split in set.splits.iter().filter(|split| split.name != "all") {
        for index in 0..split.len() {
            *counts.get_mut(set.classes[split.label(index) as usize].as_str()).unwrap() += 1;
        }
    }
    counts
}

fn splits(set: &Dataset) -> Vec<(&str, usize)> {
    set.splits
        .iter()
        .filter(|split| split.name != "all")
        .map(|split| (split.name.as_str(), split.len()))
        .collect()
}

fn says(set: &Dataset, what: &str) {
    assert!(set.notes.iter().any(|note| note.contains(what)), "no note contains {what:?}: {:#?}", set.notes);
}

fn found(dir: &Path) -> Vec<(ProblemKind, String)> {
    let diagnosis = check(dir, 1, &|_, _| ()).unwrap();
    diagnosis.problems.into_iter().map(|problem| (problem.kind, problem.file)).collect()
}

/// The same files as a tar, named as `tar -C set .` does.
fn tarred(dir: &Path) -> PathBuf {
    let files = images::tree(dir);
    let names: Vec<String> = files.keys().map(|name| format!("./{name}")).collect();
    let tar =
        archive(names.iter().zip(files.values()).map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    let path = dir.with_extension("tar");
    std::fs::write(&path, tar).unwrap();
    path
}

/// The files by which a run folder is recognized.
fn run(root: &Path, folder: &str) {
    for (file, text) in [("run.json", "{}"), ("recipe.toml", "x"), ("command.txt", "alexnet train .")] {
        put(root, &format!("{folder}/{file}"), text.as_bytes());
    }
    put(root, &format!("{folder}/plots/loss.png"), &png(20, 20, 900));
    put(root, &format!("{folder}/earlier-1/plots/loss.png"), &png(20, 20, 901));
}

const CATS_AND_DOGS: [&str; 8] =
    ["cat/0.jpg", "cat/1.jpg", "cat/2.jpg", "cat/3.jpg", "dog/0.jpg", "dog/1.jpg", "dog/2.jpg", "dog/3.jpg"];

#[test]
fn folders_made_by_this_program_are_never_classes() {
    let dir = set(&CATS_AND_DOGS);
    let root = dir.path();
    run(root, "runs/small-1");
    run(root, "cat/mine");
    put(root, "packed/pack.json", b"{}");
    put(root, "packed/train-00000.safetensors", b"x");
    put(root, ".set-aside/cat/9.jpg", &jpeg(20, 20, 99));
    put(root, "best.safetensors", b"x");
    std::fs::create_dir_all(root.join("other/runs/small-1")).unwrap();
    for path in [root.to_path_buf(), tarred(root)] {
        let set = open(&path);
        assert_eq!(counts(&set), BTreeMap::from([("cat", 4), ("dog", 4)]), "{}", path.display());
        says(&set, "made by alexnet");
        says(&set, "runs/small-1 (run)");
        std::fs::remove_dir_all(root.join("other")).unwrap_or_default();
    }
    let problems = found(root);
    for folder in ["runs/small-1", "cat/mine", "packed"] {
        assert!(problems.contains(&(ProblemKind::NotUsed, folder.to_owned())), "{problems:?}");
    }
    // The data set next to the runs is found from one level above.
    let dir = set_below("pets", &CATS_AND_DOGS);
    run(dir.path(), "runs/small-1");
    let set = open(dir.path());
    assert_eq!(counts(&set), BTreeMap::from([("cat", 4), ("dog", 4)]));
    says(&set, "using the folder pets/");
    // Only folders made by this program.
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), "runs/small-1");
    let message = error(dir.path());
    assert!(message.contains("no images") && !message.contains("empty"), "{message}");
}

fn set_below(folder: &str, paths: &[&str]) -> tempfile::TempDir {
    let paths: Vec<String> = paths.iter().map(|path| format!("{folder}/{path}")).collect();
    set(&paths.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn images_are_recognized_by_bytes_and_system_files_by_name() {
    let dir = set(&CATS_AND_DOGS);
    let root = dir.path();
    put(root, "cat/no_extension", &jpeg(20, 20, 50));
    put(root, "cat/photo.jpg?size=large", &jpeg(20, 20, 51));
    put(root, "dog/really.txt", &png(20, 20, 52));
    put(root, "dog/UPPER.JFIF", &jpeg(20, 20, 53));
    put(root, "dog/called.heic", &jpeg(20, 20, 54));
    for junk in ["._0.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", ".ipynb_checkpoints/0.jpg", "0.jpg.part"]
    {
        put(root, &format!("cat/{junk}"), &jpeg(20, 20, 60));
    }
    put(root, "__MACOSX/cat/0.jpg", &jpeg(20, 20, 60));
    put(root, "dog/IMG_1.heic", b"\0\0\0\x1cftypheic\0\0\0\0mif1heic");
    put(root, "dog/a.nef", b"II*\0\x08\0\0\0");
    put(root, "cat/0.txt", b"a cat");
    put(root, "cat/0.json", b"{}");
    put(root, "cat/empty", b"");
    put(root, "cat/0_mask.png", &png(20, 20, 70));
    put(root, "cat/1.seg.png", &png(20, 20, 71));
    for path in [root.to_path_buf(), tarred(root)] {
        let set = open(&path);
        assert_eq!(counts(&set), BTreeMap::from([("cat", 6), ("dog", 7)]), "{}", path.display());
        says(&set, "7 hidden or system files");
        says(&set, "3 files that are not images (1 without an extension, 1 .json, 1 .txt)");
        says(&set, "1 HEIC image, a format that is not supported");
        says(&set, "1 camera raw image");
        says(&set, "2 masks of images next to them");
    }
    let problems = found(root);
    assert!(problems.contains(&(ProblemKind::Unsupported, "dog/IMG_1.heic".to_owned())), "{problems:?}");
    assert!(problems.contains(&(ProblemKind::NotUsed, "cat/1.seg.png".to_owned())), "{problems:?}");
}

#[test]
fn splits_have_many_names_and_other_folders_are_reported() {
    let dir = set(&[
        "Training/a/0.jpg",
        "Training/b/0.jpg",
        "TESTING/a/0.jpg",
        "TESTING/b/0.jpg",
        "dev/a/0.jpg",
        "dev/b/0.jpg",
        "unlabeled/x/0.jpg",
        "unlabeled/0.jpg",
        "more/a/0.jpg",
        "validation/a/0.jpg",
        "0.jpg",
    ]);
    let set = open(dir.path());
    assert_eq!(splits(&set), [("train", 2), ("val", 1), ("test", 2)]);
    says(&set, "unlabeled/ (2 images): not used");
    says(&set, "more/ (1 image): not used");
    says(&set, "dev/ (2 images): not used: validation/ holds the val split");
    says(&set, "1 image in no class folder: 0.jpg");
    says(&set, "val");
    let problems = found(dir.path());
    for folder in ["unlabeled", "more", "dev"] {
        assert!(problems.contains(&(ProblemKind::NotUsed, folder.to_owned())), "{problems:?}");
    }
    // A split with class folders one level down, and one without labels.
    let dir =
        self::set(&["training_set/training_set/a/0.jpg", "training_set/training_set/b/0.jpg", "test/0.jpg"]);
    let set = open(dir.path());
    assert_eq!(
        (set.classes.as_slice(), splits(&set)),
        (["a", "b"].map(str::to_owned).as_slice(), vec![("train", 2)])
    );
    says(&set, "test/ is not used: it has no class folders");
}

#[test]
fn a_split_without_training_images_opens() {
    for name in ["test", "Valid"] {
        let dir = set(&[&format!("{name}/a/0.jpg"), &format!("{name}/b/0.jpg")]);
        let set = open(dir.path());
        assert_eq!(set.classes, ["a", "b"]);
        let error = set.train().unwrap_err().to_string();
        assert!(error.contains("no training images") && error.contains("alexnet eval"), "{error}");
        says(&set, "no train/ folder");
    }
}

#[test]
fn a_class_named_like_a_split_stays_a_class_or_is_an_error() {
    let dir = set(&["bus/2019/0.jpg", "car/2019/0.jpg", "train/2019/0.jpg", "train/2020/1.jpg"]);
    let set = open(dir.path());
    assert_eq!(counts(&set), BTreeMap::from([("bus", 1), ("car", 1), ("train", 2)]));
    says(&set, "train/ is used as a class");
    let dir = self::set(&["bus/0.jpg", "car/0.jpg", "train/1.jpg"]);
    assert_eq!(open(dir.path()).classes, ["bus", "car", "train"]);
    for paths in [
        ["bus/red/0.jpg", "car/red/0.jpg", "train/red/0.jpg", "train/blue/0.jpg"],
        ["bus/0.jpg", "car/0.jpg", "test/0.jpg", "test/1.jpg"],
    ] {
        let dir = self::set(&paths);
        let message = error(dir.path());
        assert!(message.contains("may be a class or the") && message.contains("rename"), "{message}");
    }
    // Next to training images, known names and other splits are not ambiguous.
    let dir = self::set(&["train/a/0.jpg", "train/b/0.jpg", "unlabeled/a/0.jpg"]);
    assert_eq!(open(dir.path()).classes, ["a", "b"]);
    let dir = self::set(&["train/a/0.jpg", "train/b/0.jpg", "val/a/0.jpg", "bus/a/0.jpg"]);
    let set = open(dir.path());
    assert_eq!(set.classes, ["a", "b"]);
    says(&set, "bus/ (1 image): not used");
}

/// Names of splits in other languages are not known, but their folders hold the same classes.
#[test]
fn splits_in_other_languages_are_to_be_renamed() {
    for (names, renamed) in [
        (&["Training", "Validierung"][..], &[("Validierung", "val")][..]),
        (&["Training", "Validierung", "Testdaten"], &[("Testdaten", "test"), ("Validierung", "val")]),
        (&["Validation", "Entra\u{ee}nement"], &[("Entra\u{ee}nement", "train")]),
        (&["test", "my training"], &[("my training", "train")]),
    ] {
        let paths =
            names.iter().flat_map(|name| ["Hund", "Katze"].map(|class| format!("{name}/{class}/0.jpg")));
        let paths: Vec<String> = paths.collect();
        let dir = set(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        let message = error(dir.path());
        let path = |name: &str| alexnet::error::shell(dir.path().join(name));
        let commands: Vec<String> =
            renamed.iter().map(|(from, to)| format!("mv {} {}", path(from), path(to))).collect();
        assert!(message.contains(&format!("`{}`", commands.join(" && "))), "{message}");
        // The help works.
        for (from, to) in renamed {
            std::fs::rename(dir.path().join(from), dir.path().join(to)).unwrap();
        }
        let set = open(dir.path());
        assert_eq!((set.classes.len(), set.splits.len()), (2, names.len()));
    }
    let dir = set(&["Lernen/Hund/0.jpg", "Lernen/Katze/0.jpg", "Testen/Hund/0.jpg", "Testen/Katze/0.jpg"]);
    says(
        &open(dir.path()),
        "Lernen/ and Testen/ have the same subfolders; if they are the training and validation images",
    );
}

#[test]
fn wrapping_folders_are_descended_and_reported() {
    let dir = set_below("data/dataset/images", &CATS_AND_DOGS);
    put(dir.path(), "README.md", b"pets");
    put(dir.path(), "data/annotations/0.xml", b"<a/>");
    put(dir.path(), "data/logo.jpg", &jpeg(20, 20, 99));
    for path in [dir.path().to_path_buf(), tarred(dir.path())] {
        let set = open(&path);
        assert_eq!(counts(&set), BTreeMap::from([("cat", 4), ("dog", 4)]));
        says(&set, "using the folder data/dataset/images/");
        says(&set, "data/logo.jpg");
        let all = set.split("all").unwrap();
        assert_eq!(all.file(0), "cat/0.jpg");
        assert!(all.image(0).unwrap().is_ok());
    }
    let dir = set_below("pets", &["train/a/0.jpg", "train/b/0.jpg", "val/a/0.jpg"]);
    assert_eq!(splits(&open(dir.path())), [("train", 2), ("val", 1)]);
    // An empty class does not make the subfolders of the other one classes.
    let dir = set(&["cat/2019/0.jpg", "cat/2020/0.jpg"]);
    std::fs::create_dir_all(dir.path().join("dog")).unwrap();
    assert!(error(dir.path()).contains("no images: dog"));
    put(dir.path(), "dog/0.heic", b"\0\0\0\x1cftypheic");
    assert!(
        error(dir.path()).contains("no images: dog (only 1 HEIC image, not supported)"),
        "{}",
        error(dir.path())
    );
}

/// Following the help loses no photo.
#[test]
fn images_in_unsupported_formats_are_to_be_converted() {
    let heic = b"\0\0\0\x1cftypheic".as_slice();
    let convert =
        "help: convert the HEIC images to JPEG or PNG, for example with `heif-convert FILE.heic FILE.jpg`";
    let dir = set(&["Katze/0.jpg", "Katze/1.jpg"]);
    (0..4).for_each(|i| put(dir.path(), &format!("Hund/{i}.heic"), heic));
    let message = error(dir.path());
    assert!(message.contains("no images: Hund (only 4 HEIC images, not supported)"), "{message}");
    assert!(message.contains(convert) && !message.contains("remove"), "{message}");
    // Together with a folder that is empty.
    std::fs::create_dir(dir.path().join("Maus")).unwrap();
    let message = error(dir.path());
    assert!(message.contains("not supported), Maus\n"), "{message}");
    assert!(message.contains(convert) && message.contains("; add images to the empty folders"), "{message}");
    // Below other folders.
    let dir = set_below("photos/all", &["Katze/0.jpg", "Katze/1.jpg", "Kuh/0.jpg"]);
    put(dir.path(), "photos/all/Hund/0.heic", heic);
    let message = error(dir.path());
    assert!(message.contains("no images: Hund (only 1 HEIC image, not supported)"), "{message}");
    assert!(message.contains(convert), "{message}");
    // A split, and a set without any other image.
    let dir = set(&["train/Katze/0.jpg", "train/Hund/0.jpg", "val/Katze/1.jpg"]);
    put(dir.path(), "val/Hund/0.heic", heic);
    assert!(error(dir.path()).contains(convert), "{}", error(dir.path()));
    let dir = tempfile::tempdir().unwrap();
    ["Hund", "Katze"].iter().for_each(|class| put(dir.path(), &format!("{class}/0.heic"), heic));
    let message = error(dir.path());
    assert!(message.contains("2 HEIC images") && message.contains(convert), "{message}");
    assert!(!message.contains("one folder of images for each class"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_class_that_cannot_be_listed_is_not_called_empty() {
    use std::os::unix::fs::PermissionsExt;
    let dir = set(&CATS_AND_DOGS);
    let closed = dir.path().join("dog");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    let opened = Dataset::open(dir.path());
    // Root can read everything.
    let readable = std::fs::read_dir(&closed).is_ok();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).unwrap();
    if readable {
        println!("skipped: permissions do not restrict this user");
        return;
    }
    let message = opened.unwrap_err().to_string();
    assert!(message.contains("no images: dog (cannot be listed: Permission denied"), "{message}");
    let command = format!("`chmod -R u+rX {}`", closed.display());
    assert!(message.contains(&command) && !message.contains("add images"), "{message}");
}

#[test]
fn several_data_sets_in_a_folder_are_reported() {
    let dir = set(&["pets/cat/0.jpg", "pets/dog/0.jpg", "plants/oak/0.jpg", "plants/rose/0.jpg"]);
    let set = open(dir.path());
    says(&set, "check the classes: each class folder has subfolders (pets/cat, pets/dog)");
    let dir = self::set(&["images/0.jpg", "masks/0.jpg"]);
    says(&open(dir.path()), "images, masks is an unusual class name");
}

#[test]
fn only_empty_folders_are_called_empty() {
    let dir = tempfile::tempdir().unwrap();
    assert!(error(dir.path()).contains("it is empty"));
    std::fs::create_dir_all(dir.path().join("cat")).unwrap();
    assert!(error(dir.path()).contains("no images, only 1 folder: cat"), "{}", error(dir.path()));
    put(dir.path(), "cat/0.pdf", b"%PDF");
    put(dir.path(), "cat/.DS_Store", b"x");
    let message = error(dir.path());
    assert!(
        message.contains("1 file that is not an image (1 .pdf)") && message.contains("1 hidden"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn unreadable_names_and_folders_are_skipped() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = set(&CATS_AND_DOGS);
    let odd = dir.path().join("cat").join(std::ffi::OsStr::from_bytes(b"\xff\xfe.jpg"));
    std::fs::write(odd, jpeg(20, 20, 50)).unwrap();
    symlink("..", dir.path().join("cat/loop")).unwrap();
    put(dir.path(), "cat/closed/0.jpg", &jpeg(20, 20, 51));
    let closed = dir.path().join("cat/closed");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    let readable = std::fs::read_dir(&closed).is_ok();
    let set = open(dir.path());
    let problems = found(dir.path());
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).unwrap();
    says(&set, "1 name not in UTF-8");
    says(&set, "cat/loop");
    // Root can read everything.
    assert_eq!(counts(&set)["cat"], if readable { 5 } else { 4 });
    if !readable {
        says(&set, "cat/closed, which cannot be listed");
        assert!(problems.contains(&(ProblemKind::NotUsed, "cat/closed".to_owned())), "{problems:?}");
    }
    assert!(problems.iter().any(|(kind, _)| *kind == ProblemKind::UnreadableName), "{problems:?}");
}

#[test]
fn suspicious_classes_are_reported() {
    let dir = set(&CATS_AND_DOGS);
    put(dir.path(), "cow/0.jpg", b"not an image");
    put(dir.path(), "cow/1.jpg", &jpeg(20, 20, 50)[..100]);
    put(dir.path(), "caf\u{e9}/0.jpg", &jpeg(20, 20, 51));
    put(dir.path(), "cafe\u{301}/0.jpg", &jpeg(20, 20, 52));
    let problems = found(dir.path());
    assert!(problems.contains(&(ProblemKind::UndecodableClass, "cow".to_owned())), "{problems:?}");
    assert!(problems.contains(&(ProblemKind::AlikeClasses, "caf\u{e9}".to_owned())), "{problems:?}");
    let dir = set(&["cat/0.jpg", "cat/1.jpg"]);
    assert!(found(dir.path()).contains(&(ProblemKind::OneClass, "cat".to_owned())));
}

#[test]
fn packing_into_the_source_is_rejected() {
    let dir = set(&CATS_AND_DOGS);
    let root = dir.path();
    for inside in
        [root.join("packed"), root.to_path_buf(), root.join("cat/../new/packed"), root.join("a/b/c")]
    {
        let error = check_outside(root, &inside).unwrap_err();
        assert!(error.message.contains("is inside the source") && error.help.is_some(), "{error}");
    }
    assert!(!root.join("new").exists() && !root.join("a").exists(), "a folder was created");
    let beside = root.with_file_name(format!("{}-2", root.file_name().unwrap().to_string_lossy()));
    check_outside(root, &beside).unwrap();
    check_outside(&tarred(root), &root.join("packed")).unwrap();
    #[cfg(unix)]
    {
        let link = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root, link.path().join("set")).unwrap();
        check_outside(root, &link.path().join("set/packed")).unwrap_err();
        check_outside(&link.path().join("set"), &root.join("packed")).unwrap_err();
    }
}

/// Inputs that once failed, if the folder next to `ALEXNET_SHARED` exists.
#[test]
fn sets_that_once_failed_open() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let faults = std::env::var_os("ALEXNET_SHARED").map_or(beside, PathBuf::from).join("../faults");
    if !faults.is_dir() {
        println!("skipped: {} does not exist; set ALEXNET_SHARED to the folder next to it", faults.display());
        return;
    }
    let open = |name: &str| open(&faults.join(name));
    assert_eq!(counts(&open("rundir")), BTreeMap::from([("cat", 4), ("dog", 4)]));
    assert_eq!(counts(&open("class_train")), BTreeMap::from([("bus", 3), ("car", 3), ("train", 6)]));
    let set = open("other_folders");
    assert_eq!((splits(&set), set.classes.len()), (vec![("train", 6), ("val", 6), ("test", 6)], 2));
    says(&set, "unlabeled/ (6 images): not used");
    let set = open("two_wrappers");
    assert_eq!(counts(&set), BTreeMap::from([("cat", 4), ("cow", 4), ("dog", 4)]));
    says(&set, "using the folder data/pets/");
    // WebP images named `.jpg` decode, so there is no undecodable class.
    let problems = found(&faults.join("undecodable_class"));
    let kinds = |kind| problems.iter().filter(|problem| problem.0 == kind).count();
    assert_eq!((kinds(ProblemKind::UndecodableClass), kinds(ProblemKind::WrongName)), (0, 4), "{problems:?}");
    let mut notes = Vec::new();
    let images =
        alexnet::eval::classify::images(&[faults.join("classify/x/pics")], &mut |note| notes.push(note));
    let names: Vec<_> = images.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["0.jpg", "1.jpg", "a.webp"]);
    assert!(notes[0].contains("1 hidden or system file"), "{notes:?}");
}
