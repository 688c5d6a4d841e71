//! The identity of a data set: classes, and the name and label of each image. The images themselves are not read.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::source::{Dataset, Split};
use crate::format::{counted, hex};

/// The identity of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The class names, in order.
    pub classes: Vec<String>,
    /// The splits.
    pub splits: Vec<SplitIdentity>,
}

/// The identity of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitIdentity {
    /// The name: `train`, `val`, ...
    pub name: String,
    /// The number of images of each class, in the order of the classes.
    pub images: Vec<usize>,
    /// SHA-256 of the name and label of each image, in order.
    pub digest: String,
}

impl Identity {
    /// Computes the identity of a data set.
    pub fn of(dataset: &Dataset) -> Self {
        let splits = dataset.splits.iter().map(|split| SplitIdentity {
            name: split.name.clone(),
            images: split.images_per_class(dataset.classes.len()),
            digest: digest_of(split),
        });
        Self { classes: dataset.classes.clone(), splits: splits.collect() }
    }

    /// Returns the digest of a split.
    pub fn digest(&self, name: &str) -> Option<&str> {
        self.splits.iter().find(|split| split.name == name).map(|split| split.digest.as_str())
    }

    /// Describes the difference between this set and a later one; `None` if they are the same.
    pub fn difference(&self, now: &Self) -> Option<String> {
        if let Some(difference) = list_difference("classes", &self.classes, &now.classes) {
            return Some(difference);
        }
        let names = |set: &Self| set.splits.iter().map(|split| split.name.clone()).collect::<Vec<_>>();
        if let Some(difference) = list_difference("splits", &names(self), &names(now)) {
            return Some(difference);
        }
        let mut pairs = self.splits.iter().zip(&now.splits);
        let (then, now) = pairs.find(|(then, now)| then != now)?;
        let (before, after): (usize, usize) = (then.images.iter().sum(), now.images.iter().sum());
        let name = &then.name;
        let classes = self.classes.iter().zip(then.images.iter().zip(&now.images));
        let mut others = classes.filter(|(_, (then, now))| then != now);
        Some(match others.next() {
            Some((class, (then, now))) => {
                let more = match others.count() {
                    0 => String::new(),
                    n => format!(", and {}", counted(n, "more class")),
                };
                format!("{name}: {before} images -> {after} (class {class}: {then} -> {now}{more})")
            }
            None => format!("{name}: {before} images as before, but names or labels differ"),
        })
    }
}

/// A summary for logs: the number of images in each split, and the first digits of a digest of all names and labels. It does not
/// depend on the path.
impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut digest = Sha256::new();
        self.classes.iter().for_each(|class| add(&mut digest, class));
        write!(f, "{} classes", self.classes.len())?;
        for split in &self.splits {
            add(&mut digest, &split.name);
            add(&mut digest, &split.digest);
            write!(f, ", {} {} images", split.images.iter().sum::<usize>(), split.name)?;
        }
        write!(f, ", sha256 {}", &hex(&digest.finalize())[..16])
    }
}

fn list_difference(what: &str, then: &[String], now: &[String]) -> Option<String> {
    if then == now {
        return None;
    }
    let name = |list: &[String], i: usize| list.get(i).map_or("none".into(), |name| format!("{name:?}"));
    let first = (0..).find(|&i| then.get(i) != now.get(i)).unwrap_or(0);
    let (before, after) = (then.len(), now.len());
    let (old, new) = (name(then, first), name(now, first));
    Some(format!("{what}: {before} -> {after}; first difference at {first}: {old} -> {new}"))
}

/// SHA-256 of everything listed in a data set: classes, splits, and the name and label of each image.
pub(super) fn digest(dataset: &Dataset) -> String {
    let mut digest = Sha256::new();
    dataset.classes.iter().for_each(|class| add(&mut digest, class));
    for split in &dataset.splits {
        add(&mut digest, &split.name);
        add_split(&mut digest, split);
    }
    hex(&digest.finalize())
}

/// SHA-256 of the name and label of each image, in order.
pub fn digest_of(split: &Split) -> String {
    let mut digest = Sha256::new();
    add_split(&mut digest, split);
    hex(&digest.finalize())
}

fn add_split(digest: &mut Sha256, split: &Split) {
    for index in 0..split.len() {
        add(digest, split.file(index));
        add(digest, &split.label(index).to_string());
    }
}

fn add(digest: &mut Sha256, text: &str) {
    digest.update((text.len() as u64).to_le_bytes());
    digest.update(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(classes: &[&str], images: &[usize], digest: &str) -> Identity {
        let classes = classes.iter().map(ToString::to_string).collect();
        let split = SplitIdentity { name: "train".into(), images: images.to_vec(), digest: digest.into() };
        Identity { classes, splits: vec![split] }
    }

    #[test]
    fn describes_differences() {
        let then = identity(&["cat", "dog"], &[5, 6], "a");
        assert_eq!(then.difference(&then), None);
        for (now, expected) in [
            (
                identity(&["cat", "eel", "dog"], &[5, 6], "a"),
                "classes: 2 -> 3; first difference at 1: \"dog\" -> \"eel\"",
            ),
            (identity(&["cat"], &[5], "a"), "classes: 2 -> 1; first difference at 1: \"dog\" -> none"),
            (identity(&["cat", "dog"], &[5, 7], "b"), "train: 11 images -> 12 (class dog: 6 -> 7)"),
            (identity(&["cat", "dog"], &[4, 7], "b"), "(class cat: 5 -> 4, and 1 more class)"),
            (identity(&["cat", "dog"], &[5, 6], "b"), "names or labels differ"),
        ] {
            let found = then.difference(&now).unwrap();
            assert!(found.contains(expected), "{found}");
        }
    }
}
