//! Which label belongs to which image in a WebDataset tar: members of a sample share the start of their names.
//!
//! Officially that is the name up to its first dot: `0001.jpg` and `0001.cls` are one sample. Many sets have dots in their names,
//! `img.0.jpg` and `img.0.cls`; there the longest common name counts.

use std::collections::{BTreeMap, HashMap};

use crate::data::source::catalog::Location;
use crate::{Error, Result};

/// An image with its label.
pub(super) struct Sample {
    pub(super) label: Label,
    pub(super) file: String,
    pub(super) location: Location,
}

/// What a label file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Class(String),
    /// The values of the known keys of a JSON file, by their indices: that of the key which is chosen for all files is the class.
    Candidates(BTreeMap<usize, String>),
}

impl Label {
    /// The class, if it is known.
    pub(super) fn class(&self) -> Option<&str> {
        match self {
            Self::Class(class) => Some(class),
            Self::Candidates(_) => None,
        }
    }
}

/// The kinds of label files, most specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LabelKind {
    /// A file that holds only the class.
    Class,
    /// `.index`, which may hold the class or a position in some list.
    Index,
    /// A JSON file with a key for the class.
    Json,
    /// A text, which may be a caption.
    Text,
}

/// Extensions, the longest first: `.cls.txt` is not a `.txt`.
const ENDINGS: [(&str, LabelKind); 11] = [
    (".target.txt", LabelKind::Class),
    (".class.txt", LabelKind::Class),
    (".label.txt", LabelKind::Class),
    (".cls.txt", LabelKind::Class),
    (".target", LabelKind::Class),
    (".class", LabelKind::Class),
    (".label", LabelKind::Class),
    (".index", LabelKind::Index),
    (".json", LabelKind::Json),
    (".cls", LabelKind::Class),
    (".txt", LabelKind::Text),
];

impl LabelKind {
    /// Returns the kind of a label file by its name, and the name without the extension.
    pub(super) fn of(name: &str) -> Option<(Self, &str)> {
        let file = name.rfind('/').map_or(0, |slash| slash + 1);
        let found =
            ENDINGS.iter().find(|(ending, _)| name[file..].len() > ending.len() && name.ends_with(ending));
        found.map(|&(ending, source)| (source, &name[..name.len() - ending.len()]))
    }

    /// Returns the extension to show to the user.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Class => ".cls",
            Self::Index => ".index",
            Self::Json => ".json",
            Self::Text => ".txt",
        }
    }
}

/// What an image belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    /// To these labels, by their indices, which must agree.
    To(Vec<usize>),
    /// To the sample of another image, as a mask or a depth map.
    Beside,
    /// To no label.
    Alone,
}

/// Pairs images with labels, both given by name, labels without extensions.
///
/// # Errors
/// Returns an error if several images could belong to a label.
pub(super) fn pair(images: &[&str], labels: &[&str]) -> Result<Vec<Belongs>> {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    images.iter().zip(0..).for_each(|(name, at)| groups.entry(key(name)).or_default().images.push(at));
    labels.iter().zip(0..).for_each(|(name, at)| groups.entry(key(name)).or_default().labels.push(at));
    let mut found = vec![Belongs::Alone; images.len()];
    for group in groups.into_values().filter(|group| !group.labels.is_empty()) {
        pair_group(images, labels, &group, &mut found)?;
    }
    Ok(found)
}

/// Images and labels, by index, whose names are equal up to the first dot.
#[derive(Default)]
struct Group {
    images: Vec<usize>,
    labels: Vec<usize>,
}

/// Pairs the members of a group.
fn pair_group(images: &[&str], labels: &[&str], group: &Group, found: &mut [Belongs]) -> Result<()> {
    let Group { images: members, labels: said } = group;
    let mut exact: HashMap<&str, Vec<usize>> = HashMap::new();
    said.iter().for_each(|&label| exact.entry(labels[label]).or_default().push(label));
    let taken: std::collections::HashSet<&str> =
        members.iter().map(|&image| stem(images[image])).filter(|stem| exact.contains_key(stem)).collect();
    let mut wanted: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for &image in members {
        let name = stem(images[image]);
        if let Some(labels) = exact.get(name) {
            found[image] = Belongs::To(labels.clone());
            continue;
        }
        // `1.left.jpg` and `1.cls`, or `1.jpg` and `1.kind.cls`.
        let longest = prefixes(name).find(|prefix| exact.contains_key(prefix));
        match longest {
            Some(prefix) if taken.contains(prefix) => found[image] = Belongs::Beside,
            Some(prefix) => wanted.entry(exact[prefix].clone()).or_default().push(image),
            None => {
                let longer: Vec<usize> = said
                    .iter()
                    .copied()
                    .filter(|&label| prefixes(labels[label]).any(|prefix| prefix == name))
                    .collect();
                let alone = members.len() == 1 && said.len() == 1;
                if !longer.is_empty() {
                    wanted.entry(longer).or_default().push(image);
                } else if alone {
                    found[image] = Belongs::To(said.clone());
                }
            }
        }
    }
    for (labels_of, images_of) in wanted {
        let [image] = images_of[..] else {
            let names: Vec<&str> = images_of.iter().take(3).map(|&image| images[image]).collect();
            return Err(Error::data(format!(
                "several images could belong to the label of {}: {}",
                labels[labels_of[0]],
                names.join(", ")
            ))
            .help("use one image per label: a.jpg and a.cls"));
        };
        found[image] = Belongs::To(labels_of);
    }
    Ok(())
}

/// Returns the starts of a name that end before a dot of its last part, longest first.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    name[file..].rmatch_indices('.').map(move |(dot, _)| &name[..file + dot])
}

fn stem(name: &str) -> &str {
    prefixes(name).next().unwrap_or(name)
}

/// Returns the path up to the first dot of its last part.
fn key(name: &str) -> &str {
    prefixes(name).last().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_belong_to_images_with_the_longest_common_name() {
        use Belongs::{Alone, Beside};
        let to = |label: usize| Belongs::To(vec![label]);
        for (images, labels, expected) in [
            (&["a/1.jpg", "b/1.jpg"][..], &["b/1", "a/1"][..], vec![to(1), to(0)]),
            (&["i.0.jpg", "i.1.jpg"], &["i.1", "i.0"], vec![to(1), to(0)]),
            (&["v1.2.a.jpg", "v1.2.b.jpg"], &["v1.2.a"], vec![to(0), Alone]),
            (&["1.jpg", "1.depth.png"], &["1"], vec![to(0), Beside]),
            (&["1.left.jpg"], &["1"], vec![to(0)]),
            (&["1.jpg"], &["1.kind"], vec![to(0)]),
            (&["1.img.jpg"], &["1.kind"], vec![to(0)]),
            (&["1.jpg"], &["1", "1"], vec![Belongs::To(vec![0, 1])]),
            (&["1.jpg", "1.png"], &["1"], vec![to(0), to(0)]),
            (&["1.jpg", "2.jpg"], &["3"], vec![Alone, Alone]),
            (&["./1.jpg", "x.y/1.jpg"], &["./1", "x.y/1"], vec![to(0), to(1)]),
        ] {
            assert_eq!(pair(images, labels).unwrap(), expected, "{images:?} {labels:?}");
        }
        let error = pair(&["1.left.jpg", "1.right.jpg"], &["1"]).unwrap_err();
        assert!(error.message.contains("1.left.jpg, 1.right.jpg"), "{error}");
    }

    #[test]
    fn recognizes_label_files_by_extension() {
        assert_eq!(LabelKind::of("a/1.cls.txt"), Some((LabelKind::Class, "a/1")));
        assert_eq!(LabelKind::of("1.a.txt"), Some((LabelKind::Text, "1.a")));
        assert_eq!(LabelKind::of("1.json"), Some((LabelKind::Json, "1")));
        assert_eq!(LabelKind::of("1.jpg"), None);
        assert_eq!(LabelKind::of("a/.cls"), None);
    }
}
