//! Images and archives made on the spot.
#![allow(dead_code)]

use std::path::Path;

use alexnet_kernels::hash::combine;

/// A JPEG with a pattern of its own for every `salt`, so that no two look alike.
pub(crate) fn jpeg(width: u16, height: u16, salt: usize) -> Vec<u8> {
    let pixels = pixels(usize::from(width), usize::from(height), salt);
    let mut bytes = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

/// `[height, width, 3]`: a smooth field between 7 x 7 values by chance.
pub(crate) fn pixels(width: usize, height: usize, salt: usize) -> Vec<u8> {
    let knot =
        |x: usize, y: usize, c: usize| (combine(salt as u64, (x + 8 * y + 64 * c) as u64) >> 56) as f32;
    let value = |x: usize, y: usize, c: usize| {
        let (x, y) = (6.0 * x as f32 / width as f32, 6.0 * y as f32 / height as f32);
        let (i, j, u, v) = (x as usize, y as usize, x.fract(), y.fract());
        let row = |j: usize| knot(i, j, c) * (1.0 - u) + knot(i + 1, j, c) * u;
        (row(j) * (1.0 - v) + row(j + 1) * v) as u8
    };
    (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| value(x, y, c)))).collect()
}

pub(crate) fn png(width: u32, height: u32, salt: usize) -> Vec<u8> {
    let pixels = pixels(width as usize, height as usize, salt);
    encode(&image::DynamicImage::ImageRgb8(image::RgbImage::from_raw(width, height, pixels).unwrap()))
}

pub(crate) fn encode(image: &image::DynamicImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A tar of plain files.
pub(crate) fn archive<'a>(members: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Writes a file and the folders above it.
pub(crate) fn put(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Writes a folder of `count` images, each of its own, for each class.
pub(crate) fn class_folders(root: &Path, classes: &[&str], count: usize) {
    for (i, class) in classes.iter().enumerate() {
        for j in 0..count {
            put(root, &format!("{class}/{j:03}.jpg"), &jpeg(20, 16, 1000 * i + j));
        }
    }
}

/// All files below a folder with their bytes, by their paths.
pub(crate) fn tree(root: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, out: &mut std::collections::BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, out);
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                out.insert(name, std::fs::read(&path).unwrap_or_default());
            }
        }
    }
    let mut out = std::collections::BTreeMap::new();
    walk(root, root, &mut out);
    out
}

/// The most memory that this process ever had resident, and what it has now, in bytes. Linux only.
pub(crate) fn resident() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    };
    Some((field("VmHWM:")?, field("VmRSS:")?))
}
