//! Entry points for the fuzz targets.

/// Reads `meta.mat` of a development kit.
pub fn mat(bytes: &[u8]) {
    let _ = super::ilsvrc::fuzz_mat(bytes);
}

/// Reads IDX files of images and labels for both splits.
pub fn idx(images: &[u8], labels: &[u8]) {
    if let Ok(set) = super::idx_from_bytes([images, labels], [images, labels], &[], "fuzz") {
        for split in &set.splits {
            for index in 0..split.len().min(4) {
                let _ = split.image(index).expect("raw images are there");
            }
        }
    }
}
