//! Plans are applied and undone without losing anything, whatever happens in between.

use crate::images;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alexnet::data::check::check;
use alexnet::data::fix::{Action, FixPlan, FixStep, Remaining};
use alexnet::data::{Dataset, ProblemKind};
use images::{jpeg, png, put, tree};

/// Everything below a folder: the bytes of files and the targets of links.
fn everything(root: &Path) -> BTreeMap<PathBuf, String> {
    fn walk(root: &Path, folder: &Path, out: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
            let is = if kind.is_symlink() {
                format!("-> {}", std::fs::read_link(&path).unwrap().display())
            } else if kind.is_dir() {
                walk(root, &path, out);
                "folder".to_owned()
            } else {
                format!("{:?}", std::fs::read(&path).unwrap())
            };
            out.insert(path.strip_prefix(root).unwrap().to_owned(), is);
        }
    }
    let mut out = BTreeMap::new();
    walk(root, root, &mut out);
    out
}

/// Two classes of four images, of which `cat/wrong.jpg` is a PNG.
fn set(root: &Path) {
    for (class, salt) in [("cat", 0), ("dog", 10)] {
        (0..4).for_each(|i| put(root, &format!("{class}/{i}.jpg"), &jpeg(40, 40, salt + i)));
    }
    put(root, "cat/wrong.jpg", &png(40, 40, 20));
}

fn plan(source: &Path, steps: &[(&str, Action)]) -> FixPlan {
    let step = |&(file, action): &(&str, Action)| FixStep {
        file: file.to_owned(),
        action,
        because: vec![ProblemKind::Duplicate],
        detail: String::new(),
    };
    let source = source.canonicalize().unwrap();
    FixPlan { format_version: 1, source, steps: steps.iter().map(step).collect() }
}

fn apply(plan: &FixPlan) {
    plan.apply_in_place(&|_, _| ()).unwrap();
}

/// What could not be undone, as `file: reason`.
fn left(found: &[Remaining]) -> Vec<String> {
    found.iter().map(|left| format!("{}: {}", left.file, left.reason)).collect()
}

#[test]
fn repaired_images_do_not_replace_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    set(&root);
    put(&root, "cat/Wrong.jpeg", &png(40, 40, 21));
    let before = everything(&root);
    let plan = plan(&root, &[("cat/wrong.jpg", Action::Mend), ("cat/Wrong.jpeg", Action::Mend)]);
    let error = plan.apply_in_place(&|_, _| ()).unwrap_err();
    assert!(error.message.contains("cat/wrong.png, and another repaired image too"), "{error}");
    assert_eq!(everything(&root), before);
    plan.copy_to(&dir.path().join("out"), &|_, _| ()).unwrap();
    assert_eq!(Dataset::open(&dir.path().join("out")).unwrap().split("all").unwrap().len(), 10);
}

#[test]
fn a_file_in_several_splits_is_reported_and_stays_in_all() {
    let dir = tempfile::tempdir().unwrap();
    let (root, out) = (dir.path().join("set"), dir.path().join("out"));
    for (i, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        put(&root, &format!("images/{name}.jpg"), &jpeg(90, 80, i));
    }
    put(&root, "train.txt", b"images/a.jpg cat\nimages/b.jpg dog\n");
    put(&root, "test.txt", b"images/a.jpg cat\nimages/c.jpg cat\nimages/d.jpg dog\n");
    let found = check(&root, 1, &|_, _| ()).unwrap();
    let shared = "in train, and the same file in test";
    assert!(found.problems.iter().any(|problem| problem.detail == shared), "{:?}", found.problems);
    let plan = FixPlan::of(&found, &root);
    assert_eq!(plan.steps, []);
    plan.copy_to(&out, &|_, _| ()).unwrap();
    let set = Dataset::open(&out).unwrap();
    assert_eq!((set.train().unwrap().len(), set.split("test").unwrap().len()), (2, 3));
}

#[cfg(unix)]
#[test]
fn links_are_restored() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    set(&root);
    put(dir.path(), "store/far.jpg", &jpeg(40, 40, 30));
    symlink("../../store/far.jpg", root.join("cat/relative.jpg")).unwrap();
    symlink(dir.path().join("store/far.jpg"), root.join("cat/absolute.jpg")).unwrap();
    symlink("../cat/1.jpg", root.join("dog/inside.jpg")).unwrap();
    symlink("../cat/wrong.jpg", root.join("dog/mended.jpg")).unwrap();
    std::fs::hard_link(root.join("cat/2.jpg"), root.join("dog/hard.jpg")).unwrap();
    symlink("nowhere.jpg", root.join("cat/broken.jpg")).unwrap();
    let before = everything(&root);
    let plan = plan(
        &root,
        &[
            ("cat/relative.jpg", Action::LeaveOut),
            ("cat/absolute.jpg", Action::LeaveOut),
            ("cat/wrong.jpg", Action::Mend),
            ("dog/inside.jpg", Action::LeaveOut),
            ("dog/mended.jpg", Action::Mend),
            ("dog/hard.jpg", Action::LeaveOut),
        ],
    );
    for _ in 0..2 {
        let done = plan.apply_in_place(&|_, _| ()).unwrap();
        assert_eq!((done.mended, done.left_out, done.kept), (2, 4, 8));
        // A repaired link becomes a file of its own.
        assert!(root.join("dog/mended.png").is_file() && !root.join("dog/mended.png").is_symlink());
        assert!(!root.join("cat/relative.jpg").is_symlink() && !root.join("dog/inside.jpg").is_symlink());
        let undone = plan.undo(None).unwrap();
        assert_eq!((undone.undone, undone.left.len()), (8, 0));
        assert_eq!(everything(&root), before);
        assert!(plan.undo(None).unwrap_err().message.contains("no plan was applied"));
    }
    assert!(root.join("dog/hard.jpg").metadata().unwrap().len() > 0);
}

#[cfg(unix)]
#[test]
fn targets_of_links_are_not_moved() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    set(&root);
    symlink("../cat/1.jpg", root.join("dog/one.jpg")).unwrap();
    symlink("one.jpg", root.join("dog/two.jpg")).unwrap();
    put(dir.path(), "store/eel/1.jpg", &jpeg(40, 40, 40));
    symlink("../store/eel", root.join("eel")).unwrap();
    let before = everything(dir.path());
    for (steps, problem) in [
        (vec![("cat/1.jpg", Action::LeaveOut)], ".jpg is a link to cat/1.jpg, which"),
        (vec![("dog/one.jpg", Action::LeaveOut)], "dog/two.jpg is a link to dog/one.jpg"),
        (vec![("eel/1.jpg", Action::LeaveOut)], "eel/1.jpg: eel is a link to a folder"),
    ] {
        let error = plan(&root, &steps).apply_in_place(&|_, _| ()).unwrap_err();
        assert!(error.message.contains(problem), "{error}");
        assert_eq!(everything(dir.path()), before);
    }
    // With all of them it works; and a file that keeps its name can be repaired.
    let all = plan(&root, &["cat/1.jpg", "dog/one.jpg", "dog/two.jpg"].map(|file| (file, Action::LeaveOut)));
    apply(&all);
    assert_eq!(Dataset::open(&root).unwrap().split("all").unwrap().len(), 9);
    assert_eq!(all.undo(None).unwrap().left, []);
    let mend = plan(&root, &[("cat/1.jpg", Action::Mend)]);
    apply(&mend);
    assert_eq!(Dataset::open(&root).unwrap().split("all").unwrap().len(), 12);
    mend.undo(None).unwrap();
    assert_eq!(everything(dir.path()), before);
}

#[test]
fn changes_by_the_user_are_kept_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    set(&root);
    let before = everything(&root);
    let files = ["cat/0.jpg", "cat/1.jpg", "cat/2.jpg", "dog/0.jpg", "dog/1.jpg"];
    let mut steps: Vec<(&str, Action)> = files.map(|file| (file, Action::LeaveOut)).into();
    steps.push(("cat/wrong.jpg", Action::Mend));
    let plan = plan(&root, &steps);
    apply(&plan);
    let aside = root.join(".set-aside");
    // A name is taken, a repaired image was edited, an original was deleted, another restored, a folder renamed.
    put(&root, "cat/0.jpg", b"mine");
    put(&root, "cat/wrong.png", b"retouched");
    std::fs::remove_file(aside.join("cat/1.jpg")).unwrap();
    std::fs::rename(aside.join("cat/2.jpg"), root.join("cat/2.jpg")).unwrap();
    std::fs::rename(root.join("dog"), root.join("hound")).unwrap();
    put(&root, ".set-aside/mine.txt", b"mine too");
    let undone = plan.undo(None).unwrap();
    let kept = aside.canonicalize().unwrap();
    let expected = [
        "cat/wrong.png: kept: it has been changed since".to_owned(),
        format!(
            "cat/0.jpg: a file of that name exists, or was changed since; the original stays at {}",
            kept.join("cat/0.jpg").display()
        ),
        format!("cat/1.jpg: not found: it is no longer at {}", kept.join("cat/1.jpg").display()),
    ];
    assert_eq!(left(&undone.left), expected);
    assert_eq!(undone.undone, 3);
    let now = everything(&root);
    assert_eq!(now[Path::new("cat/0.jpg")], format!("{:?}", b"mine"));
    assert_eq!(now[Path::new(".set-aside/cat/0.jpg")], before[Path::new("cat/0.jpg")]);
    for (file, name) in [
        ("cat/2.jpg", "cat/2.jpg"),
        ("dog/0.jpg", "dog/0.jpg"),
        ("dog/3.jpg", "hound/3.jpg"),
        ("cat/wrong.jpg", "cat/wrong.jpg"),
    ] {
        assert_eq!(now[Path::new(name)], before[Path::new(file)], "{file}");
    }
    // When the name is free, the rest is restored, and the user's file stays.
    std::fs::remove_file(root.join("cat/0.jpg")).unwrap();
    let undone = plan.undo(None).unwrap();
    assert_eq!((undone.undone, undone.left.len()), (1, 0));
    let now = everything(&root);
    assert_eq!(now[Path::new("cat/0.jpg")], before[Path::new("cat/0.jpg")]);
    let aside: Vec<_> = now.keys().filter(|path| path.starts_with(".set-aside")).collect();
    assert_eq!(aside, [Path::new(".set-aside"), Path::new(".set-aside/mine.txt")]);
    assert!(plan.undo(None).unwrap_err().message.contains("no plan was applied"));
}

/// If a repaired image with the same name was changed, neither it nor the original is lost.
#[test]
fn a_changed_file_in_the_place_of_an_original_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    set(&root);
    let plan = plan(&root, &[("cat/1.jpg", Action::Mend)]);
    apply(&plan);
    put(&root, "cat/1.jpg", b"retouched");
    let undone = plan.undo(None).unwrap();
    assert!(undone.undone == 0 && undone.left.len() == 1 && undone.left[0].file == "cat/1.jpg", "{undone:?}");
    assert_eq!(std::fs::read(root.join("cat/1.jpg")).unwrap(), b"retouched");
    assert_eq!(std::fs::read(root.join(".set-aside/cat/1.jpg")).unwrap(), jpeg(40, 40, 1));
}

#[test]
fn undoing_a_copy_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (root, out) = (dir.path().join("set"), dir.path().join("out"));
    set(&root);
    let plan = plan(&root, &[("cat/wrong.jpg", Action::Mend), ("cat/0.jpg", Action::LeaveOut)]);
    plan.copy_to(&out, &|_, _| ()).unwrap();
    let again = plan.copy_to(&out, &|_, _| ()).unwrap_err();
    assert!(again.message.contains("already applied there"), "{again}");
    // Edited, the original deleted, edited after repair, copied, added.
    std::fs::remove_file(out.join("cat/1.jpg")).unwrap();
    put(&out, "cat/1.jpg", b"retouched");
    std::fs::remove_file(root.join("cat/2.jpg")).unwrap();
    put(&out, "cat/wrong.png", b"retouched too");
    std::fs::remove_file(out.join("dog/0.jpg")).unwrap();
    std::fs::copy(root.join("dog/0.jpg"), out.join("dog/0.jpg")).unwrap();
    put(&out, "dog/added.jpg", b"added");
    let undone = plan.undo(Some(&out)).unwrap();
    let expected = [
        "cat/1.jpg: kept: it has been changed since",
        "cat/2.jpg: kept: its original no longer exists, so this may be the only copy",
        "cat/wrong.png: kept: it has been changed since",
    ];
    assert_eq!(left(&undone.left), expected);
    assert_eq!(undone.undone, 5);
    let names: Vec<String> = tree(&out).into_keys().collect();
    assert_eq!(names, ["cat/1.jpg", "cat/2.jpg", "cat/wrong.png", "dog/added.jpg"]);
    // Without the source, all of it may be the only copy.
    let out = dir.path().join("second");
    let plan = self::plan(&root, &[]);
    plan.copy_to(&out, &|_, _| ()).unwrap();
    let whole = tree(&out);
    std::fs::rename(&root, dir.path().join("moved")).unwrap();
    assert_eq!(plan.undo(Some(&out)).unwrap().left.len(), 8);
    let mut now = tree(&out);
    now.remove(".fixed.json");
    assert!(now.iter().all(|(name, bytes)| whole[name] == *bytes) && now.len() == 8);
}

/// A call that is killed after any change can be undone and repeated.
#[test]
fn an_interrupted_plan_is_undone_or_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let (root, out) = (dir.path().join("set"), dir.path().join("out"));
    set(&root);
    let steps =
        [("cat/0.jpg", Action::LeaveOut), ("cat/1.jpg", Action::Mend), ("cat/wrong.jpg", Action::Mend)];
    let plan = plan(&root, &steps);
    let before = everything(&root);
    apply(&plan);
    let (mut whole, record) = (everything(&root), ".set-aside/.fixed.json");
    plan.undo(None).unwrap();
    whole.remove(Path::new(record));
    let ends = |most: usize, out: Option<&Path>| {
        let calls = std::cell::Cell::new(0);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let progress = |_, _| {
                calls.set(calls.get() + 1);
                // A killed program does nothing more.
                if calls.get() > most {
                    std::panic::resume_unwind(Box::new(()));
                }
            };
            match out {
                Some(out) => plan.copy_to(out, &progress).map(drop),
                None => plan.apply_in_place(&progress).map(drop),
            }
        }));
        assert!(ended.is_err());
    };
    for most in 0..3 {
        ends(most, None);
        plan.undo(None).unwrap();
        assert_eq!(everything(&root), before, "in place, {most}");
        ends(most, None);
        apply(&plan);
        let mut now = everything(&root);
        now.remove(Path::new(record));
        assert_eq!(now, whole, "in place, again, {most}");
        plan.undo(None).unwrap();
    }
    plan.copy_to(&out, &|_, _| ()).unwrap();
    let mut whole = tree(&out);
    plan.undo(Some(&out)).unwrap();
    whole.remove(".fixed.json");
    for most in 0..9 {
        ends(most, Some(&out));
        // Half of the current file, and half a line of the record.
        let record = std::fs::read_to_string(out.join(".fixed.json")).unwrap();
        if let Some(last) = record.lines().last().filter(|line| line.contains("sha256")) {
            let last: serde_json::Value = serde_json::from_str(last).unwrap();
            put(&out, last["made"]["file"].as_str().unwrap(), b"half");
        }
        // The line ends inside `é`.
        let cut: &[u8] = b"{\"made\":{\"file\":\"caf\xc3";
        std::fs::write(out.join(".fixed.json"), [record.as_bytes(), cut].concat()).unwrap();
        match most % 2 {
            0 => assert_eq!(plan.undo(Some(&out)).unwrap().left, []),
            _ => drop(plan.copy_to(&out, &|_, _| ()).unwrap()),
        }
        let mut now = if out.exists() { tree(&out) } else { BTreeMap::new() };
        now.remove(".fixed.json");
        assert_eq!(now, if most % 2 == 0 { BTreeMap::new() } else { whole.clone() }, "{most}");
        if most % 2 == 1 {
            plan.undo(Some(&out)).unwrap();
        }
    }
    assert_eq!(everything(&root), before);
}

/// Files that cannot be flushed to the disk are not recorded as complete.
#[test]
fn a_copy_is_complete_when_its_files_are_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (root, out) = (dir.path().join("set"), dir.path().join("out"));
    set(&root);
    let plan = plan(&root, &[("cat/wrong.jpg", Action::Mend)]);
    let lost = out.join("cat/wrong.png");
    let error = plan.copy_to(&out, &|_, _| drop(std::fs::remove_file(&lost))).unwrap_err();
    assert!(error.message.contains("wrong.png"), "{error}");
    // As after an interruption, the plan can be applied again.
    assert_eq!(plan.copy_to(&out, &|_, _| ()).unwrap().mended, 1);
    assert!(lost.is_file());
}

#[test]
fn an_image_has_one_step() {
    let dir = tempfile::tempdir().unwrap();
    let (root, out) = (dir.path().join("set"), dir.path().join("out"));
    set(&root);
    let plan = plan(&root, &[("cat/0.jpg", Action::Mend), ("cat/0.jpg", Action::LeaveOut)]);
    for error in [plan.copy_to(&out, &|_, _| ()).unwrap_err(), plan.apply_in_place(&|_, _| ()).unwrap_err()] {
        assert!(error.message.contains("two steps for cat/0.jpg: `mend` and `leave-out`"), "{error}");
    }
    assert!(!out.exists() && root.join("cat/0.jpg").exists());
}

/// Records of version 0.1.0 are undone as well, including relative links.
#[cfg(unix)]
#[test]
fn an_earlier_record_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    set(&root);
    let before = everything(&root);
    std::fs::create_dir_all(root.join(".set-aside/dog")).unwrap();
    std::os::unix::fs::symlink("../cat/1.jpg", root.join(".set-aside/dog/link.jpg")).unwrap();
    put(&root, "cat/wrong.png", &png(40, 40, 20));
    put(&root, ".set-aside/cat/wrong.jpg", &png(40, 40, 20));
    std::fs::remove_file(root.join("cat/wrong.jpg")).unwrap();
    let record = r#"{"made": ["cat/wrong.png"], "set_aside": ["cat/wrong.jpg", "dog/link.jpg"]}"#;
    put(&root, ".set-aside/.fixed.json", record.as_bytes());
    let plan = plan(&root, &[]);
    assert!(plan.apply_in_place(&|_, _| ()).unwrap_err().message.contains("already applied there"));
    assert_eq!(plan.undo(None).unwrap().left, []);
    let mut now = everything(&root);
    assert_eq!(now.remove(Path::new("dog/link.jpg")).unwrap(), "-> ../cat/1.jpg");
    assert_eq!(now, before);
}

#[test]
fn files_that_are_already_set_aside_are_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    set(&root);
    put(&root, ".set-aside/cat/0.jpg", b"an older one");
    let before = everything(&root);
    let error = plan(&root, &[("cat/0.jpg", Action::LeaveOut)]).apply_in_place(&|_, _| ()).unwrap_err();
    assert!(error.message.contains("the file already exists"), "{error}");
    assert_eq!(everything(&root), before);
    // A file in place of a folder: what was started is undone.
    std::fs::remove_dir_all(root.join(".set-aside")).unwrap();
    put(&root, ".set-aside/dog", b"in the way");
    let before = everything(&root);
    let steps = ["cat/0.jpg", "dog/0.jpg"].map(|file| (file, Action::LeaveOut));
    let plan = plan(&root, &steps);
    let error = plan.apply_in_place(&|_, _| ()).unwrap_err();
    assert!(error.message.contains("cannot create the folder"), "{error}");
    assert_eq!(plan.undo(None).unwrap().left, []);
    assert_eq!(everything(&root), before);
}

#[cfg(unix)]
#[test]
fn any_file_name_is_handled() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(std::ffi::OsStr::from_bytes(b"my \xff set"));
    set(&root);
    let name = "cat/line\nbreak \u{1b}[31m.jpg";
    put(&root, name, &jpeg(40, 40, 50));
    let before = everything(&root);
    let (path, out) = (dir.path().join("plan.json"), dir.path().join("out"));
    plan(&root, &[(name, Action::LeaveOut), ("cat/wrong.jpg", Action::Mend)]).write(&path).unwrap();
    let plan = FixPlan::read(&path).unwrap();
    assert_eq!(plan.source, root.canonicalize().unwrap());
    apply(&plan);
    assert!(root.join(".set-aside").join(name).is_file() && !root.join(name).exists());
    assert_eq!(plan.undo(None).unwrap().left, []);
    assert_eq!(everything(&root), before);
    plan.copy_to(&out, &|_, _| ()).unwrap();
    assert_eq!(plan.undo(Some(&out)).unwrap().left, []);
    assert!(!out.exists());
}
