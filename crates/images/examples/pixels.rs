//! Decodes every file of a folder. Writes the pixels of `NAME` to `NAME.ppm`, or the reason why it was not decoded to `NAME.txt`.
//!
//! ```sh
//! cargo run --release -p alexnet-images --example pixels -- FOLDER
//! ```

use std::path::Path;

use alexnet_images::decode::{DefectKind, decode};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        let made = path.extension().is_some_and(|extension| extension == "ppm" || extension == "txt");
        if path.is_file() && !made {
            write_pixels(&path)?;
        }
    }
    Ok(())
}

fn write_pixels(path: &Path) -> std::io::Result<()> {
    let beside = |extension: &str| path.with_added_extension(extension);
    match decode(&std::fs::read(path)?) {
        Ok(image) => {
            let head = format!("P6 {} {} 255\n", image.width, image.height);
            std::fs::write(beside("ppm"), [head.as_bytes(), &image.pixels].concat())
        }
        Err(defect) => {
            let kind = match defect.kind {
                DefectKind::Empty => "empty",
                DefectKind::Truncated => "truncated",
                DefectKind::Broken => "broken",
                DefectKind::Unsupported => "unsupported",
            };
            std::fs::write(beside("txt"), format!("{kind}: {}", defect.message))
        }
    }
}
