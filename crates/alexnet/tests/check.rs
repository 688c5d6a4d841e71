//! `data check` finds every kind of problem and no others, and its plans are applied and undone.

use crate::images;

use std::collections::BTreeSet;
use std::path::Path;

use alexnet::data::ProblemKind;
use alexnet::data::check::{Diagnosis, check};
use alexnet::data::decode::{decode, inspect};
use alexnet::data::fix::{Action, FixPlan};
use alexnet::data::pack::{PackConfig, Storage, pack};
use alexnet::data::{Dataset, Image};
use images::{encode, jpeg, pixels, png, put, tree};
use jpeg_encoder::{ColorType, Encoder};

fn diagnose(path: &Path) -> Diagnosis {
    check(path, 2, &|_, _| ()).unwrap()
}

fn found(diagnosis: &Diagnosis) -> BTreeSet<(ProblemKind, &str)> {
    diagnosis.problems.iter().map(|problem| (problem.kind, problem.file.as_str())).collect()
}

/// A JPEG with an EXIF orientation.
fn rotated(salt: usize) -> Vec<u8> {
    let bytes = jpeg(90, 80, salt);
    let tiff = [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".as_slice(), &[0; 4]].concat();
    let exif = [b"Exif\0\0".as_slice(), &tiff].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&bytes[..2], &[0xff, 0xe1], &length, &exif, &bytes[2..]].concat()
}

/// A PNG with an animation of one frame.
fn animated(salt: usize) -> Vec<u8> {
    let plain = png(80, 90, salt);
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        [&(data.len() as u32).to_be_bytes(), kind.as_slice(), data, &crc.sum().to_be_bytes()].concat()
    };
    let control = chunk(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]);
    let (width, height) = (80u32.to_be_bytes(), 90u32.to_be_bytes());
    let frame = chunk(b"fcTL", &[&[0; 4], &width[..], &height, &[0; 8], &[0, 1, 0, 10, 0, 0]].concat());
    [&plain[..33], &control, &frame, &plain[33..]].concat()
}

fn print(salt: usize, colors: ColorType) -> Vec<u8> {
    let ink: Vec<u8> = pixels(80, 80, salt).chunks(3).flat_map(|p| [p[0], p[1], p[2], 200]).collect();
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, 95).encode(&ink, 80, 80, colors).unwrap();
    bytes
}

/// A set with every kind of problem, and the expected problems.
fn odd_set(root: &Path) -> Vec<(ProblemKind, &'static str)> {
    let names = |class: &str, i: usize| format!("train/{class}/{i:02}.jpg");
    // Thirty valid images of a class, ten of another, two of a third.
    (0..30).for_each(|i| put(root, &names("cat", i), &jpeg(90, 80, i)));
    (30..40).for_each(|i| put(root, &names("dog", i), &jpeg(80, 90, i)));
    (40..42).for_each(|i| put(root, &names("2", i), &jpeg(80, 90, i)));
    (42..47).for_each(|i| put(root, &names("10", i), &jpeg(80, 90, i)));
    for (i, class) in (100..).zip(["cat", "dog", "10"]) {
        put(root, &format!("val/{class}/{i}.jpg"), &jpeg(80, 84, i));
    }
    let whole = jpeg(90, 80, 200);
    put(root, "train/cat/cut.jpg", &whole[..whole.len() / 2]);
    put(root, "train/cat/empty.jpg", b"");
    put(root, "train/cat/gif.jpg", b"GIF89a not really");
    put(root, "train/cat/cmyk.jpg", &print(201, ColorType::Cmyk));
    put(root, "train/cat/ycck.jpg", &print(202, ColorType::CmykAsYcck));
    put(root, "train/cat/named.JPEG", &png(90, 80, 203));
    let deep = image::ImageBuffer::from_fn(80, 80, |x, y| {
        image::Rgb([x as u16 * 700, y as u16 * 500, (x * y) as u16])
    });
    put(root, "train/cat/deep.png", &encode(&image::DynamicImage::ImageRgb16(deep)));
    put(root, "train/cat/moving.png", &animated(204));
    put(root, "train/cat/turned.jpg", &rotated(205));
    put(root, "train/cat/tiny.jpg", &jpeg(20, 24, 206));
    put(root, "train/cat/long.jpg", &jpeg(400, 90, 207));
    put(root, "train/cat/re\u{1b}d.jpg", &jpeg(80, 80, 208));
    put(root, "train/dog/copy.jpg", &jpeg(90, 80, 7));
    put(root, "val/dog/leak.jpg", &jpeg(80, 90, 35));
    // The same image at another size.
    put(root, "val/cat/again.jpg", &jpeg(180, 160, 11));
    put(root, "train/cat/notes.txt", b"no image");
    put(root, "train/loose.jpg", &jpeg(80, 80, 209));
    put(root, "train/@eaDir/01.jpg", &jpeg(80, 80, 210));
    std::fs::create_dir_all(root.join("train/nothing")).unwrap();
    put(root, "val/horse/1.jpg", &jpeg(80, 80, 211));
    vec![
        (ProblemKind::Truncated, "train/cat/cut.jpg"),
        (ProblemKind::Empty, "train/cat/empty.jpg"),
        (ProblemKind::Undecodable, "train/cat/gif.jpg"),
        (ProblemKind::Cmyk, "train/cat/cmyk.jpg"),
        (ProblemKind::Ycck, "train/cat/ycck.jpg"),
        (ProblemKind::WrongName, "train/cat/named.JPEG"),
        (ProblemKind::SixteenBit, "train/cat/deep.png"),
        (ProblemKind::Animated, "train/cat/moving.png"),
        (ProblemKind::Rotated, "train/cat/turned.jpg"),
        (ProblemKind::Tiny, "train/cat/tiny.jpg"),
        (ProblemKind::ExtremeAspect, "train/cat/long.jpg"),
        (ProblemKind::UnreadableName, "train/cat/re\u{1b}d.jpg"),
        (ProblemKind::Duplicate, "train/dog/copy.jpg"),
        (ProblemKind::Duplicate, "train/dog/35.jpg"),
        (ProblemKind::NearDuplicate, "train/cat/11.jpg"),
        (ProblemKind::Junk, "train/cat/notes.txt"),
        (ProblemKind::Junk, "train/@eaDir"),
        (ProblemKind::Loose, "train/loose.jpg"),
        (ProblemKind::EmptyClass, "train/nothing"),
        (ProblemKind::UnknownClass, "val/horse"),
        (ProblemKind::MissingClass, "val/2"),
        (ProblemKind::ClassOrder, "10"),
        (ProblemKind::Imbalance, "2"),
    ]
}

#[test]
fn exactly_the_expected_problems_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let expected: BTreeSet<(ProblemKind, &str)> = odd_set(dir.path()).into_iter().collect();
    let diagnosis = diagnose(dir.path());
    let found = found(&diagnosis);
    let (lost, invented): (Vec<_>, Vec<_>) =
        (expected.difference(&found).collect(), found.difference(&expected).collect());
    assert!(lost.is_empty() && invented.is_empty(), "not found: {lost:?}\nunexpected: {invented:?}");
    let detail = |file: &str| &diagnosis.problems.iter().find(|problem| problem.file == file).unwrap().detail;
    assert!(detail("train/cat/long.jpg").contains("78 %"), "{}", detail("train/cat/long.jpg"));
    assert!(detail("train/dog/copy.jpg").contains("in another class"));
    assert!(detail("train/dog/35.jpg").contains("which is in val"));
    // It cannot be used without repair.
    assert!(Dataset::open(dir.path()).unwrap_err().message.contains("nothing"));
}

#[test]
fn a_valid_set_has_no_problems() {
    let dir = tempfile::tempdir().unwrap();
    (0..40).for_each(|i| put(dir.path(), &format!("{}/{i}.jpg", ["a", "b"][i % 2]), &jpeg(90, 80, i)));
    assert_eq!(diagnose(dir.path()).problems, []);
}

/// Images are tiny compared with their set: those of CIFAR are not.
#[test]
fn a_set_of_small_images_has_no_problems() {
    let dir = tempfile::tempdir().unwrap();
    (0..40).for_each(|i| put(dir.path(), &format!("{}/{i}.jpg", ["a", "b"][i % 2]), &jpeg(32, 32, i)));
    assert_eq!(diagnose(dir.path()).problems, []);
}

/// Only if folder names determine the order of the classes may other programs use another.
#[test]
fn class_order_is_reported_only_for_folder_names() {
    let dir = tempfile::tempdir().unwrap();
    let orders = |path: &Path| -> Vec<String> {
        let found = diagnose(path).problems.into_iter();
        found.filter(|problem| problem.kind == ProblemKind::ClassOrder).map(|problem| problem.file).collect()
    };
    let image = |i: usize| jpeg(60, 60, i);
    let name = |i: usize| ["2", "10", "9"][i % 3];
    let (folders, list, packed) =
        (dir.path().join("folders"), dir.path().join("list"), dir.path().join("packed"));
    let mut labels = String::new();
    for i in 0..12 {
        put(&folders, &format!("{}/{i}.jpg", name(i)), &image(i));
        put(&list, &format!("images/{i}.jpg"), &image(i));
        labels += &format!("images/{i}.jpg,{}\n", name(i));
    }
    put(&list, "labels.csv", labels.as_bytes());
    let tar = dir.path().join("set.tar");
    let members: Vec<(String, Vec<u8>)> = tree(&folders).into_iter().collect();
    let members = members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    std::fs::write(&tar, images::archive(members)).unwrap();
    assert_eq!(orders(&folders), ["10"]);
    assert_eq!(orders(&tar), ["10"]);
    assert_eq!(orders(&list), [""; 0]);
    let config = PackConfig {
        out: packed.clone(),
        store: Storage::Raw,
        side: 16,
        orientation: alexnet::net::Orientation::Exif,
        workers: 1,
    };
    pack(&Dataset::open(&folders).unwrap(), &config, &|_| Ok(())).unwrap();
    assert_eq!(orders(&packed), [""; 0]);
    let shared =
        std::env::var_os("ALEXNET_SHARED").map(|shared| Path::new(&shared).join("../faults/fashion"));
    match shared.filter(|fashion| fashion.is_dir()) {
        Some(fashion) => assert_eq!(orders(&fashion), [""; 0]),
        None => println!("skipped: no faults/fashion next to ALEXNET_SHARED"),
    }
}

#[test]
fn a_plan_makes_a_valid_copy_and_keeps_the_originals() {
    let dir = tempfile::tempdir().unwrap();
    let (root, out) = (dir.path().join("set"), dir.path().join("out"));
    odd_set(&root);
    let before = tree(&root);
    let diagnosis = diagnose(&root);
    let path = dir.path().join("plan.json");
    FixPlan::of(&diagnosis, &root).write(&path).unwrap();
    let plan = FixPlan::read(&path).unwrap();
    let actions: Vec<(&str, Action)> =
        plan.steps.iter().map(|step| (step.file.as_str(), step.action)).collect();
    assert!(actions.contains(&("train/cat/cut.jpg", Action::LeaveOut)), "{actions:?}");
    assert!(actions.contains(&("train/cat/cmyk.jpg", Action::Mend)), "{actions:?}");
    let done = plan.copy_to(&out, &|_, _| ()).unwrap();
    assert_eq!((done.mended, done.left_out), (6, 7));
    assert_eq!(tree(&root), before, "the originals changed");
    // The copy only has problems that no plan can repair.
    let after = diagnose(&out);
    let kinds: BTreeSet<ProblemKind> = after.problems.iter().map(|problem| problem.kind).collect();
    let allowed = [
        ProblemKind::Tiny,
        ProblemKind::ExtremeAspect,
        ProblemKind::UnreadableName,
        ProblemKind::Junk,
        ProblemKind::MissingClass,
        ProblemKind::ClassOrder,
        ProblemKind::Imbalance,
    ];
    assert!(kinds.iter().all(|kind| allowed.contains(kind)), "{:?}", after.problems);
    assert_eq!(after.images, diagnosis.images - done.left_out);
    Dataset::open(&out).unwrap();
    // The repaired colors are those decoded before, and the rotated image is upright.
    let turned = decode(&std::fs::read(out.join("train/cat/turned.jpg")).unwrap()).unwrap();
    assert_eq!((turned.width, turned.height), (80, 90));
    assert_eq!(inspect(&std::fs::read(out.join("train/cat/cmyk.jpg")).unwrap()).unwrap().print, None);
    let colors = |path: &Path| decode(&std::fs::read(path).unwrap()).unwrap();
    let (one, other) = (colors(&root.join("train/cat/cmyk.jpg")), colors(&out.join("train/cat/cmyk.jpg")));
    assert!(mean_difference(&one, &other) < 3.0);
    assert!(out.join("train/cat/named.png").is_file());
    // A file that the user added to the copy survives.
    put(&out, "train/cat/mine.txt", b"mine");
    plan.undo(Some(&out)).unwrap();
    assert_eq!(tree(&out).keys().collect::<Vec<_>>(), ["train/cat/mine.txt"]);
    assert_eq!(tree(&root), before);
    assert!(plan.undo(Some(&out)).unwrap_err().message.contains("no plan was applied"));
}

/// One of the labels is wrong, and nothing says which.
#[test]
fn images_in_two_classes_are_left_out_of_both() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (class, salt) in [("cat", 0), ("dog", 20), ("eel", 40)] {
        (0..4).for_each(|i| put(root, &format!("train/{class}/{i}.jpg"), &jpeg(90, 80, salt + i)));
        put(root, &format!("val/{class}/9.jpg"), &jpeg(90, 80, salt + 9));
    }
    // The same bytes in three classes, twice in one of them.
    for file in ["train/cat/a.jpg", "train/cat/b.jpg", "train/dog/c.jpg", "train/eel/d.jpg"] {
        put(root, file, &jpeg(90, 80, 100));
    }
    // The same look in two classes: across splits, and within one.
    put(root, "val/dog/large.jpg", &jpeg(180, 160, 1));
    put(root, "train/eel/large.jpg", &jpeg(180, 160, 2));
    // The same bytes in one class.
    put(root, "train/dog/same.jpg", &jpeg(90, 80, 23));
    let plan = FixPlan::of(&diagnose(root), root);
    let files: Vec<&str> = plan.steps.iter().map(|step| step.file.as_str()).collect();
    let expected = [
        "train/cat/1.jpg",
        "train/cat/a.jpg",
        "train/cat/b.jpg",
        "train/dog/c.jpg",
        "train/dog/same.jpg",
        "train/eel/d.jpg",
        "val/dog/large.jpg",
    ];
    assert_eq!(files, expected);
    assert!(plan.steps.iter().all(|step| step.action == Action::LeaveOut), "{plan:?}");
    let step = |file: &str| plan.steps.iter().find(|step| step.file == file).unwrap();
    let first = step("train/cat/a.jpg");
    assert_eq!(first.because, [ProblemKind::Duplicate]);
    assert_eq!(
        first.detail,
        "same bytes as train/dog/c.jpg, in another class; same bytes as train/eel/d.jpg, in another class"
    );
    let val = &step("val/dog/large.jpg").detail;
    assert_eq!(val, "looks like train/cat/1.jpg, which is in train (this one is in val), in another class");
    let out = tempfile::tempdir().unwrap();
    let done = plan.copy_to(&out.path().join("fixed"), &|_, _| ()).unwrap();
    assert_eq!((done.left_out, done.mended), (7, 0));
}

fn mean_difference(a: &Image, b: &Image) -> f64 {
    let sum: u64 = a.pixels.iter().zip(&b.pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.pixels.len() as f64
}

#[test]
fn a_plan_is_applied_in_place_and_undone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    odd_set(&root);
    let before = tree(&root);
    let diagnosis = diagnose(&root);
    let plan = FixPlan::of(&diagnosis, &root);
    let done = plan.apply_in_place(&|_, _| ()).unwrap();
    assert_eq!((done.mended, done.left_out), (6, 7));
    assert!(!root.join("train/cat/cut.jpg").exists() && root.join(".set-aside/train/cat/cut.jpg").is_file());
    let after = diagnose(&root);
    assert_eq!(after.images, diagnosis.images - 7);
    assert!(!found(&after).iter().any(|(kind, _)| *kind == ProblemKind::Cmyk));
    assert!(plan.apply_in_place(&|_, _| ()).unwrap_err().message.contains("already"));
    plan.undo(None).unwrap();
    assert_eq!(tree(&root), before);
    // An interrupted call, with the record written and one original moved, is undone as well.
    plan.apply_in_place(&|_, _| ()).unwrap();
    for file in ["train/cat/cmyk.jpg", "train/cat/named.png"] {
        std::fs::remove_file(root.join(file)).unwrap();
    }
    let original = "train/cat/empty.jpg";
    std::fs::rename(root.join(".set-aside").join(original), root.join(original)).unwrap();
    plan.undo(None).unwrap();
    assert_eq!(tree(&root), before);
}

#[test]
fn plans_that_cannot_be_applied_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let tar = dir.path().join("set.tar");
    let (a, b) = (jpeg(80, 80, 1), jpeg(80, 80, 2));
    let members = [("cat/1.jpg", a.as_slice()), ("cat/2.jpg", &a), ("dog/1.jpg", &b)];
    std::fs::write(&tar, images::archive(members)).unwrap();
    let plan = FixPlan::of(&diagnose(&tar), &tar);
    assert_eq!(plan.steps.len(), 1);
    let error = plan.apply_in_place(&|_, _| ()).unwrap_err();
    assert!(error.message.contains("not files in a folder") && error.help.unwrap().contains("data fix"));
    // Images in an archive are written as files.
    let out = dir.path().join("out");
    assert_eq!(plan.copy_to(&out, &|_, _| ()).unwrap().kept, 2);
    assert!(tree(&out).values().any(|bytes| *bytes == a));
    assert!(plan.copy_to(&out, &|_, _| ()).unwrap_err().message.contains("already applied there"));
    let taken = dir.path().join("taken");
    put(&taken, "mine.txt", b"mine");
    assert!(plan.copy_to(&taken, &|_, _| ()).unwrap_err().message.contains("taken is not empty"));
    // A folder inside the source by any path; an image that does not exist.
    let set = dir.path().join("set");
    put(&set, "cat/1.jpg", &a);
    put(&set, "dog/1.jpg", &b);
    let plan_of = |steps| FixPlan { format_version: 1, source: set.canonicalize().unwrap(), steps };
    for inside in [set.join("new"), dir.path().join("set/../set/new/deeper")] {
        let error = plan_of(Vec::new()).copy_to(&inside, &|_, _| ()).unwrap_err();
        assert!(error.message.contains("is inside the source"), "{error}");
    }
    let mut lost = plan.steps[0].clone();
    lost.file = "cat/9.jpg".to_owned();
    let error = plan_of(vec![lost]).copy_to(&dir.path().join("new"), &|_, _| ()).unwrap_err();
    assert!(
        error.message.contains("1 of the 1 images in the plan are not in")
            && error.message.contains("cat/9.jpg")
    );
    // Links are resolved relative to their own folder.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../cat/1.jpg", set.join("dog/link.jpg")).unwrap();
        let out = dir.path().join("linked");
        plan_of(Vec::new()).copy_to(&out, &|_, _| ()).unwrap();
        assert_eq!(tree(&out)["dog/link.jpg"], a);
    }
    // A repaired image does not replace another, which is detected before anything is moved.
    let clash = dir.path().join("clash");
    put(&clash, "cat/a.jpg", &png(80, 80, 3));
    put(&clash, "cat/a.png", &png(80, 80, 4));
    put(&clash, "dog/cut.jpg", &jpeg(80, 80, 5)[..500]);
    let before = tree(&clash);
    let error = FixPlan::of(&diagnose(&clash), &clash).apply_in_place(&|_, _| ()).unwrap_err();
    assert!(error.message.contains("cat/a.png, which already exists"), "{error}");
    assert_eq!(tree(&clash), before);
    // A record that points outside the folder removes nothing.
    let victim = dir.path().join("victim");
    std::fs::write(&victim, "mine").unwrap();
    for text in [r#"{"made": ["../victim"], "set_aside": []}"#, "{\"set_aside\":\"../victim\"}\n"] {
        std::fs::write(out.join(".fixed.json"), text).unwrap();
        assert!(plan.undo(Some(&out)).unwrap_err().message.contains("../victim is outside the folder"));
        assert!(victim.exists());
    }
    for (text, what) in
        [("{", "invalid plan"), (r#"{"format_version": 9, "source": "x", "steps": []}"#, "format version 9")]
    {
        let path = dir.path().join("plan.json");
        std::fs::write(&path, text).unwrap();
        assert!(FixPlan::read(&path).unwrap_err().message.contains(what));
    }
}

#[test]
fn a_plan_replaces_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    FixPlan::check_free(&path("plan.json")).unwrap();
    put(dir.path(), "plan.json", b"{}");
    put(dir.path(), "photo.jpg", b"a photo");
    for (name, new) in [("plan.json", "plan-2.json"), ("photo.jpg", "photo.json")] {
        let error = FixPlan::check_free(&path(name)).unwrap_err();
        assert!(error.kind == alexnet::error::Kind::Usage && error.message.contains(name), "{error}");
        let help = error.help.unwrap();
        assert!(help.contains(&format!("/{new}`")) && help.contains("delete it"), "{help}");
    }
    let error = FixPlan::check_free(dir.path()).unwrap_err();
    assert!(error.message.contains("is a folder") && !error.to_string().contains("delete"), "{error}");
}

#[test]
fn errors_in_an_edited_plan_are_named_by_step_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plan.json");
    let step = |file: &str, action: &str| {
        format!(r#"{{"file": "{file}", "action": "{action}", "because": ["empty"], "detail": ""}}"#)
    };
    let steps = format!("{},\n{}", step("cat/1.jpg", "leave-out"), step("cat/2.jpg", "keep"));
    let text = format!("{{\"format_version\": 1, \"source\": \"my pets\", \"steps\": [\n{steps}\n]}}\n");
    std::fs::write(&path, &text).unwrap();
    let error = FixPlan::read(&path).unwrap_err();
    assert!(error.message.contains("unknown variant `keep`") && error.message.contains("line 3"), "{error}");
    let help = error.help.unwrap();
    for part in [
        "correct step 2 (cat/2.jpg): `action` is `mend` or `leave-out`, and an image without a step stays as it is",
        "`alexnet data check 'my pets' --plan ",
        "plan-2.json`",
    ] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
    // Text that is not JSON has no steps.
    std::fs::write(&path, &text[..60]).unwrap();
    let help = FixPlan::read(&path).unwrap_err().help.unwrap();
    assert!(help.contains("correct the plan there") && help.contains("plan-2.json`"), "{help}");
    // No plan at all, and a folder.
    let help = FixPlan::read(&dir.path().join("none.json")).unwrap_err().help.unwrap();
    assert!(help.starts_with("to create a plan: `alexnet data check SRC --plan "), "{help}");
    let help = FixPlan::read(dir.path()).unwrap_err().help.unwrap();
    let expected = format!("to create a plan: `alexnet data check {} --plan plan", dir.path().display());
    assert!(help.starts_with(&expected), "{help}");
}

#[test]
fn a_plan_of_a_source_that_was_moved_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (set, out) = (dir.path().join("set"), dir.path().join("out"));
    put(&set, "cat/1.jpg", &jpeg(80, 80, 1));
    put(&set, "dog/1.jpg", &jpeg(80, 80, 2));
    let plan = FixPlan::of(&diagnose(&set), &set);
    std::fs::rename(&set, dir.path().join("moved")).unwrap();
    for error in [plan.copy_to(&out, &|_, _| ()).unwrap_err(), plan.apply_in_place(&|_, _| ()).unwrap_err()] {
        assert!(error.message.ends_with("set: the source of the plan does not exist"), "{error}");
        let help = error.help.unwrap();
        assert!(
            help.contains("correct `source` in the plan") && help.contains("alexnet data check"),
            "{help}"
        );
    }
    assert!(!out.exists() && !plan.is_recorded(Some(&out)) && !plan.is_recorded(None));
}
