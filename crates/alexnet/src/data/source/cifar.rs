//! CIFAR-10 and CIFAR-100 as their authors hand them out: records of one or two label bytes and 3 x 32 x 32 pixels.

use std::path::Path;
use std::sync::Arc;

use super::raw::{RawImages, not_used};
use super::text::Text;
use super::{Dataset, Item, Place, Split, Store};
use crate::{Error, Result};

/// File names, label bytes a record, and the file of class names.
struct Layout {
    train: &'static [&'static str],
    test: &'static str,
    names: &'static str,
    labels: usize,
    /// What comes with them and is not needed.
    extras: &'static [&'static str],
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
    extras: &[],
};

/// A record has a coarse and a fine label; the fine one is used.
const CIFAR_100: Layout = Layout {
    train: &["train.bin"],
    test: "test.bin",
    names: "fine_label_names.txt",
    labels: 2,
    extras: &["coarse_label_names.txt"],
};

/// Whether a folder holds the binaries of either set, or a part of them.
pub(super) fn is_cifar(folder: &Path) -> bool {
    layout(folder).is_some()
}

fn layout(folder: &Path) -> Option<Layout> {
    let there = |file: &str| folder.join(file).is_file();
    // CIFAR-100's `test.bin` may be anything by itself.
    [CIFAR_10, CIFAR_100]
        .into_iter()
        .find(|layout| there(layout.train[0]) || there(layout.test) && there(layout.names))
}

pub(super) fn open(folder: &Path) -> Result<Dataset> {
    let layout = layout(folder).unwrap_or(CIFAR_10);
    let names = folder.join(layout.names);
    let text = Text::read(&names).map_err(|error| {
        error
            .context("the class names")
            .help(format!("{} comes with the images: unpack the whole archive", layout.names))
    })?;
    let classes = text.words();
    if classes.is_empty() {
        return Err(Error::data(format!("{}: no class names, expected one a line", names.display())));
    }
    let mut notes: Vec<String> = text.note(names.display()).into_iter().collect();
    let there = |file: &&&str| folder.join(file).is_file();
    let mut splits = Vec::new();
    if layout.train.iter().any(|file| there(&file)) {
        let missing: Vec<&str> = layout.train.iter().filter(|file| !there(file)).copied().collect();
        if !missing.is_empty() {
            return Err(Error::data(format!(
                "{}: {} missing of the {} files of training images",
                folder.display(),
                missing.join(", "),
                layout.train.len()
            ))
            .help("unpack the whole archive again"));
        }
        splits.push(split("train", folder, layout.train, layout.labels, classes.len())?);
    }
    match there(&&layout.test) {
        true => splits.push(split("test", folder, &[layout.test], layout.labels, classes.len())?),
        false => notes.push(format!("there is no {}: nothing to validate on", layout.test)),
    }
    let used = |name: &str| layout.train.contains(&name) || [layout.test, layout.names].contains(&name);
    notes.extend(not_used(folder, &[layout.extras, &["readme.html"]].concat(), used));
    Ok(Dataset { classes, splits, origin: folder.display().to_string(), notes })
}

fn split(name: &str, folder: &Path, files: &[&str], labels: usize, classes: usize) -> Result<Split> {
    let mut images = RawImages { width: 32, height: 32, color: true, prefix: labels, bytes: Vec::new() };
    let mut items = Vec::new();
    for file in files {
        let path = folder.join(file);
        let bytes = std::fs::read(&path)
            .map_err(|error| Error::data(format!("{}: cannot be read: {error}", path.display())))?;
        let record = images.record();
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
                    "{}: image {i} has label {label}, expected 0 to {}",
                    path.display(),
                    classes - 1
                )));
            }
            let file = format!("{file}:{i}");
            items.push(Item { file, label: u32::from(label), place: Place::Raw((first + i) as u32) });
        }
        images.bytes.extend(bytes);
    }
    Ok(Split::new(name, items, Arc::new(Store::Raw(images))))
}
