//! Packed sets whose files or source changed in between: copied over one another, or packed in two calls.

use crate::images;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use alexnet::data::Dataset;
use alexnet::data::pack::{Manifest, PackConfig, Storage, pack};
use alexnet::net::Orientation;
use alexnet::{Error, Result};
use images::{class_folders, jpeg, put, tree};
use serde_json::Value;

const STATISTICS: &str = "statistics.safetensors";

fn config(out: &Path) -> PackConfig {
    PackConfig {
        out: out.to_owned(),
        store: Storage::Raw,
        side: 8,
        orientation: Orientation::Exif,
        workers: 2,
    }
}

fn packed(source: &Path, out: &Path) -> Result<Manifest> {
    pack(&Dataset::open(source)?, &config(out), &|_| Ok(()))
}

/// One packed set copied over another with as many images of the same size, but not to the end: labels of one do not index the
/// classes of the other.
#[test]
fn files_of_two_packings_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [old, new] = [["cat", "dog"], ["ant", "bee"]].map(|classes| {
        let (source, out) = (dir.path().join(classes[0]), dir.path().join(classes[1]));
        ["train", "val"].iter().for_each(|split| class_folders(&source.join(split), &classes, 2));
        packed(&source, &out).unwrap();
        out
    });
    let copy = |name: &str| std::fs::copy(new.join(name), old.join(name)).unwrap();
    let says = |folder: &Path, what: &str| {
        let error = Dataset::open(folder).expect_err("opening must fail").to_string();
        assert!(error.contains(what) && error.contains("copy the whole folder again"), "{error}");
    };
    let old_statistics = std::fs::read(old.join(STATISTICS)).unwrap();
    for name in [Manifest::FILE, STATISTICS] {
        copy(name);
        says(&old, "train-00000.safetensors: of another packing: source_digest ");
    }
    copy("train-00000.safetensors");
    says(&old, "val-00000.safetensors: of another packing: source_digest ");
    copy("val-00000.safetensors");
    assert_eq!(Dataset::open(&old).unwrap().classes, ["ant", "bee"]);
    std::fs::write(old.join(STATISTICS), old_statistics).unwrap();
    says(&old, "statistics.safetensors: of another packing: source_digest ");
    // Files of the same source in the wrong place, or packed from other pixels.
    let manifest: Value = serde_json::from_slice(&std::fs::read(new.join(Manifest::FILE)).unwrap()).unwrap();
    let mut swapped = manifest.clone();
    swapped["splits"][1]["shards"] = manifest["splits"][0]["shards"].clone();
    let mut resized = manifest;
    resized["splits"][0]["shards"][0]["bytes"] = 7.into();
    for (changed, what) in
        [(swapped, "split train, but pack.json declares val"), (resized, "but pack.json declares 7")]
    {
        std::fs::write(new.join(Manifest::FILE), changed.to_string()).unwrap();
        says(&new, what);
    }
}

/// A folder with six training images and four for validation, and that of their packed set.
fn pets(root: &Path) -> (PathBuf, PathBuf) {
    let source = root.join("pets");
    class_folders(&source.join("train"), &["cat", "dog"], 3);
    class_folders(&source.join("val"), &["cat", "dog"], 2);
    (source, root.join("packed"))
}

/// Checks that a folder has the bytes of one that is packed now, in one call.
fn assert_as_new(out: &Path, source: &Path) {
    let new = out.with_file_name("new");
    packed(source, &new).unwrap();
    assert!(tree(out) == tree(&new), "bytes differ");
}

/// Images that did not decode in the first call: the second packs what has become of them.
#[test]
fn repaired_images_are_packed() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = pets(dir.path());
    let cats = source.join("train/cat");
    let images = tree(&cats);
    // As Git LFS leaves files that are not downloaded yet.
    images.keys().for_each(|name| put(&cats, name, b"version https://git-lfs.github.com/spec/v1\n"));
    let fails = || {
        let error = packed(&source, &out).unwrap_err();
        assert!(
            error.message.contains("no training image of this class can be decoded: `cat` (3)"),
            "{error}"
        );
        std::fs::metadata(out.join("train-00000.safetensors")).unwrap().modified().unwrap()
    };
    assert_eq!(fails(), fails(), "the shard was written again, though no image has changed");
    images.iter().for_each(|(name, bytes)| put(&cats, name, bytes));
    assert!(packed(&source, &out).unwrap().skipped.is_empty());
    assert_as_new(&out, &source);
}

/// Images that were replaced while packing was interrupted, one by another and one by what does not decode.
#[test]
fn replaced_images_are_packed_again() {
    for bytes in [jpeg(20, 16, 7000), b"no image".to_vec()] {
        let dir = tempfile::tempdir().unwrap();
        let (source, out) = pets(dir.path());
        let done = AtomicUsize::new(0);
        // After all training images.
        let stop = |more: usize| match done.fetch_add(more, Ordering::Relaxed) + more > 6 {
            true => Err(Error::usage("stopped")),
            false => Ok(()),
        };
        let stopped = pack(&Dataset::open(&source).unwrap(), &config(&out), &stop);
        assert_eq!(stopped.unwrap_err().message, "stopped");
        assert!(out.join("train-00000.safetensors").is_file() && !out.join("val-00000.safetensors").exists());
        put(&source, "train/dog/001.jpg", &bytes);
        packed(&source, &out).unwrap();
        assert_as_new(&out, &source);
    }
}
