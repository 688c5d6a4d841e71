//! Packed sets whose files or source changed in between: copied over one another, or packed in two calls.

use crate::images;

use std::path::Path;

use alexnet::Result;
use alexnet::data::Dataset;
use alexnet::data::pack::{Manifest, PackConfig, Storage, pack};
use alexnet::net::Orientation;
use images::class_folders;
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
