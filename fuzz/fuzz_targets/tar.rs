//! Archives: as a tar of class folders or of samples with label files, and as ImageNet's archive of archives.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use alexnet::data::Dataset;
use libfuzzer_sys::fuzz_target;

/// An in-memory folder of this process.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = PathBuf::from(format!("/dev/shm/alexnet-fuzz-tar-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.join("ILSVRC2012_img_train.tar");
    std::fs::write(&path, bytes).unwrap();
    for source in [&path, &*FOLDER] {
        let _ = Dataset::open(source);
        let Ok((set, _)) = Dataset::examine(source) else { continue };
        for split in &set.splits {
            for index in 0..split.len().min(4) {
                split.stored(index).expect("what was listed can be read");
            }
        }
    }
    let files = std::fs::read_dir(&*FOLDER).unwrap().count();
    assert_eq!(files, 1, "a file was written");
});
