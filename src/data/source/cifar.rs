//! CIFAR-10 and CIFAR-100 as their authors hand them out: records of one or two label bytes and 3 x 32 x 32 pixels.

use std::path::Path;
use std::sync::Arc;

use super::raw::RawPictures;
use super::{Dataset, Item, Place, Split, Store};
use crate::{Error, Result};

/// File names, label bytes a record, and the file of class names.
struct Layout {
    train: &'static [&'static str],
    test: &'static str,
    names: &'static str,
    labels: usize,
}

const CIFAR_10: Layout = Layout {
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    names: "batches.meta.txt",
    labels: 1,
};

/// A record has a coarse and a fine label; the fine one is used.
const CIFAR_100: Layout =
    Layout { train: &["train.bin"], test: "test.bin", names: "fine_label_names.txt", labels: 2 };

pub(super) fn is_cifar(folder: &Path) -> bool {
    layout(folder).is_some()
}

fn layout(folder: &Path) -> Option<Layout> {
    [CIFAR_10, CIFAR_100].into_iter().find(|layout| folder.join(layout.train[0]).is_file())
}

pub(super) fn open(folder: &Path) -> Result<Dataset> {
    let layout = layout(folder).unwrap_or(CIFAR_10);
    let names = folder.join(layout.names);
    let text = std::fs::read_to_string(&names).map_err(|error| {
        Error::data(format!("{}: the class names cannot be read: {error}", names.display()))
    })?;
    let classes: Vec<String> =
        text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    if classes.is_empty() {
        return Err(Error::data(format!("{}: no class names, expected one a line", names.display())));
    }
    let train = split("train", folder, layout.train, layout.labels, classes.len())?;
    let test = split("test", folder, &[layout.test], layout.labels, classes.len())?;
    Ok(Dataset {
        classes,
        splits: vec![train, test],
        origin: folder.display().to_string(),
        notes: Vec::new(),
    })
}

fn split(name: &str, folder: &Path, files: &[&str], labels: usize, classes: usize) -> Result<Split> {
    let mut pictures = RawPictures { width: 32, height: 32, color: true, prefix: labels, bytes: Vec::new() };
    let mut items = Vec::new();
    for file in files {
        let path = folder.join(file);
        let bytes = std::fs::read(&path)
            .map_err(|error| Error::data(format!("{}: cannot be read: {error}", path.display())))?;
        let record = pictures.record();
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            return Err(Error::data(format!(
                "{}: {} bytes are not a whole number of records of {record}: the file is cut short",
                path.display(),
                bytes.len()
            )));
        }
        let first = items.len();
        for (i, record) in bytes.chunks_exact(record).enumerate() {
            let label = record[labels - 1];
            if usize::from(label) >= classes {
                return Err(Error::data(format!(
                    "{}: picture {i} has label {label}, expected 0 to {}",
                    path.display(),
                    classes - 1
                )));
            }
            let file = format!("{file}:{i}");
            items.push(Item { file, label: u32::from(label), place: Place::Raw((first + i) as u32) });
        }
        pictures.bytes.extend(bytes);
    }
    Ok(Split::new(name, items, Arc::new(Store::Raw(pictures))))
}
