//! Which label belongs to which image in a WebDataset's tar: members of one sample share the beginning of their names.
//!
//! Officially that is the name up to its first dot, so that `0001.jpg` and `0001.cls` are one sample. Many sets have dots in
//! their names, `img.0.jpg` and `img.0.cls`: there the longest name in common counts.

use std::collections::{BTreeMap, HashMap};

use crate::{Error, Result};

/// Endings of files that say what an image shows, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A file that holds nothing but the class.
    Class,
    /// `.index`, which may hold the class or the place in some list.
    Index,
    /// A key of a JSON file.
    Json,
    /// A text, which may be a caption.
    Text,
}

/// The longest first: `.cls.txt` is not a `.txt`.
const ENDINGS: [(&str, Source); 11] = [
    (".target.txt", Source::Class),
    (".class.txt", Source::Class),
    (".label.txt", Source::Class),
    (".cls.txt", Source::Class),
    (".target", Source::Class),
    (".class", Source::Class),
    (".label", Source::Class),
    (".index", Source::Index),
    (".json", Source::Json),
    (".cls", Source::Class),
    (".txt", Source::Text),
];

impl Source {
    /// What a member's name says it is, and the name without the ending.
    pub(super) fn of(name: &str) -> Option<(Self, &str)> {
        let file = name.rfind('/').map_or(0, |slash| slash + 1);
        let found =
            ENDINGS.iter().find(|(ending, _)| name[file..].len() > ending.len() && name.ends_with(ending));
        found.map(|&(ending, source)| (source, &name[..name.len() - ending.len()]))
    }

    /// What to call it.
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
    /// To these labels, by their places; more than one have to say the same.
    To(Vec<usize>),
    /// To the sample of another image: a mask, a depth map.
    Beside,
    /// To none.
    Alone,
}

/// For each image what it belongs to, among labels by their names without endings.
///
/// # Errors
/// When several images could be the one that a label belongs to.
pub(super) fn pair(images: &[&str], labels: &[&str]) -> Result<Vec<Belongs>> {
    let mut groups: BTreeMap<&str, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    images.iter().zip(0..).for_each(|(name, at)| groups.entry(key(name)).or_default().0.push(at));
    labels.iter().zip(0..).for_each(|(name, at)| groups.entry(key(name)).or_default().1.push(at));
    let mut found = vec![Belongs::Alone; images.len()];
    for (members, said) in groups.into_values().filter(|(_, said)| !said.is_empty()) {
        pair_group(images, labels, &members, &said, &mut found)?;
    }
    Ok(found)
}

/// Pairs members whose names are the same up to the first dot.
fn pair_group(
    images: &[&str],
    labels: &[&str],
    members: &[usize],
    said: &[usize],
    found: &mut [Belongs],
) -> Result<()> {
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
                    found[image] = Belongs::To(said.to_vec());
                }
            }
        }
    }
    for (labels_of, images_of) in wanted {
        let [image] = images_of[..] else {
            let names: Vec<&str> = images_of.iter().take(3).map(|&image| images[image]).collect();
            return Err(Error::data(format!(
                "{} could all be the image that {}'s label belongs to",
                names.join(", "),
                labels[labels_of[0]]
            ))
            .help("one image for each label: a.jpg and a.cls"));
        };
        found[image] = Belongs::To(labels_of);
    }
    Ok(())
}

/// A name's beginnings that end before a dot of its last part, the longest first.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    name[file..].rmatch_indices('.').map(move |(dot, _)| &name[..file + dot])
}

fn stem(name: &str) -> &str {
    prefixes(name).next().unwrap_or(name)
}

/// The path up to the first dot of its last part.
fn key(name: &str) -> &str {
    prefixes(name).last().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_belong_to_the_images_with_the_longest_name_in_common() {
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
    fn endings_say_what_a_label_is() {
        assert_eq!(Source::of("a/1.cls.txt"), Some((Source::Class, "a/1")));
        assert_eq!(Source::of("1.a.txt"), Some((Source::Text, "1.a")));
        assert_eq!(Source::of("1.json"), Some((Source::Json, "1")));
        assert_eq!(Source::of("1.jpg"), None);
        assert_eq!(Source::of("a/.cls"), None);
    }
}
