//! Lists of labels next to images, and class names. The first two bytes are the size of `classes.txt`; the list follows.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use alexnet::data::Dataset;
use libfuzzer_sys::fuzz_target;

/// The images that lists may name.
const IMAGES: [&str; 7] = [
    "a 1.jpg", "b.jpg", "sub/c.jpg", "sub/b.png", "train/1.jpg", "val/images/1.jpg", "val/images/ILSVRC2012_val_00000002.JPEG",
];

/// In-memory folders of this process: one with split folders, one without.
static FOLDERS: LazyLock<[PathBuf; 2]> = LazyLock::new(|| {
    ["flat", "split"].map(|kind| {
        let folder = PathBuf::from(format!("/dev/shm/alexnet-fuzz-list-{}-{kind}", std::process::id()));
        for image in IMAGES.iter().filter(|image| image.contains('1') == (kind == "split")) {
            let path = folder.join(image);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, [0xff, 0xd8, 0xff, 0xd9]).unwrap();
        }
        folder
    })
});

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (classes, list) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    for (folder, name) in FOLDERS.iter().zip(["labels.csv", "val.txt"]) {
        std::fs::write(folder.join(name), list).unwrap();
        match classes {
            [] => drop(std::fs::remove_file(folder.join("classes.txt"))),
            classes => std::fs::write(folder.join("classes.txt"), classes).unwrap(),
        }
        for set in [Dataset::open(folder), Dataset::examine(folder).map(|(set, _)| set)].into_iter().flatten() {
            for split in &set.splits {
                for index in 0..split.len() {
                    assert!((split.label(index) as usize) < set.classes.len(), "label out of range");
                }
            }
        }
    }
});
