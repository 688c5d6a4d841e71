//! Memory use while reading a large set depends on the batch size, not on the set.

#[path = "support/images.rs"]
mod images;

use std::io::Write;
use std::sync::Arc;

use alexnet::data::loader::TrainingEpoch;
use alexnet::data::{ColorBasis, Dataset, Loader, Preprocess, Share};
use alexnet::net::Augment;
use images::resident;

const SIDE: usize = 256;
const SHARD: usize = 1024;
const SHARDS: usize = 8;

/// Eight shards of raw pixels in sparse files: 1.6 GB to read, nothing stored.
fn large_set(folder: &std::path::Path) {
    let mut shards = Vec::new();
    for number in 0..SHARDS {
        let (images, labels) = (SHARD * SIDE * SIDE * 3, 8 * SHARD);
        let files: Vec<String> = (0..SHARD).map(|i| format!("{number}/{i}.jpg")).collect();
        let header = serde_json::json!({
            "__metadata__": { "files": serde_json::to_string(&files).unwrap(), "split": "val", "source_digest": "" },
            "labels": { "dtype": "I64", "shape": [SHARD], "data_offsets": [0, labels] },
            "images": { "dtype": "U8", "shape": [SHARD, SIDE, SIDE, 3], "data_offsets": [labels, labels + images] },
        });
        let header = header.to_string();
        let name = format!("val-{number:05}.safetensors");
        let mut file = std::fs::File::create(folder.join(&name)).unwrap();
        file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
        file.write_all(header.as_bytes()).unwrap();
        let bytes = (8 + header.len() + labels + images) as u64;
        file.set_len(bytes).unwrap();
        shards.push(serde_json::json!({ "file": name, "images": SHARD, "bytes": bytes, "sha256": "" }));
    }
    let manifest = serde_json::json!({
        "format_version": 1, "store": "raw", "side": SIDE, "resize": "", "decoder": "", "source": "holes", "source_digest": "",
        "classes": ["one", "two"], "splits": [{ "name": "val", "images": SHARD * SHARDS, "shards": shards }], "skipped": [],
    });
    std::fs::write(folder.join("pack.json"), manifest.to_string()).unwrap();
}

#[test]
fn memory_use_is_constant() {
    if resident().is_none() {
        eprintln!("skipped: this system does not report resident memory");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    large_set(dir.path());
    let set = Dataset::open(dir.path()).unwrap();
    let split = set.val().unwrap();
    let preprocess = Arc::new(Preprocess {
        square: SIDE,
        crop: 224,
        orientation: alexnet::net::Orientation::Stored,
        resize: String::new(),
        channels: String::new(),
        divisor: 1.0,
        deviations: [1.0; 3],
        mean: vec![0.0; 3 * SIDE * SIDE],
    });
    let augment = Augment { random_crop: true, flip: true, color_noise: 0.1 };
    let basis =
        ColorBasis { vectors: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], deviations: [1.0; 3] };
    let all: Vec<usize> = (0..split.len()).collect();
    let epoch = TrainingEpoch {
        split,
        usable: &all,
        preprocess: &preprocess,
        augment: &augment,
        basis: &basis,
        seed: 1,
        epoch: 1,
        batch_size: 16,
        first_batch: 0,
        share: Share::WHOLE,
    };
    let mut loader = Loader::training(&epoch, 2);
    let mut readings = Vec::new();
    while let Some(batch) = loader.next() {
        let batch = batch.unwrap();
        assert!(batch.skipped.is_empty());
        readings.push(resident().unwrap().1);
        loader.recycle(batch);
    }
    // The peaks of each eighth, except the first, which allocates.
    let peaks: Vec<f64> = readings
        .chunks(readings.len().div_ceil(8))
        .skip(1)
        .map(|part| part.iter().copied().max().unwrap_or(0) as f64)
        .collect();
    let (least, most) =
        peaks.iter().fold((f64::MAX, 0.0f64), |(least, most), &peak| (least.min(peak), most.max(peak)));
    let read = split.len() * SIDE * SIDE * 3 / 1_000_000;
    eprintln!("peaks of {:.1} to {:.1} MB while {read} MB are read", least / 1e6, most / 1e6);
    assert!(most <= 1.05 * least, "from {least} to {most} bytes");
    // The set is at least twenty times larger than resident memory.
    assert!((split.len() * SIDE * SIDE * 3) as f64 >= 20.0 * most, "{most} bytes are resident");
}
