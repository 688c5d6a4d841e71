//! Packed squares. The first byte selects the file that follows: manifest, statistics, or a shard of either format.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use alexnet::data::Dataset;
use libfuzzer_sys::fuzz_target;

/// The other files, written by `fuzz/seeds.py`.
const MANIFESTS: [&[u8]; 2] = [include_bytes!("../seeds/raw/pack.json"), include_bytes!("../seeds/jpeg/pack.json")];
const STATISTICS: &[u8] = include_bytes!("../seeds/raw/statistics.safetensors");
const SHARDS: [&[u8]; 2] =
    [include_bytes!("../seeds/raw/train-00000.safetensors"), include_bytes!("../seeds/jpeg/train-00000.safetensors")];

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = PathBuf::from(format!("/dev/shm/alexnet-fuzz-packed-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    let kind = usize::from(which & 1);
    let replaced = which >> 1 & 3;
    let file = |n: u8, name: &str, usual: &[u8]| {
        std::fs::write(FOLDER.join(name), if replaced == n { bytes } else { usual }).unwrap();
    };
    file(0, "train-00000.safetensors", SHARDS[kind]);
    file(1, "pack.json", MANIFESTS[kind]);
    file(2, "statistics.safetensors", STATISTICS);
    let Ok(set) = Dataset::open(&FOLDER) else { return };
    for split in &set.splits {
        for index in 0..split.len().min(4) {
            let _ = split.image(index).expect("listed images can be read");
        }
    }
});
