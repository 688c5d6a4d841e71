//! Names that stand for a split.

/// Names of folders and archives that stand for a split, in lower case, and the name of the split. If two exist for one split,
/// the first in this order is used.
const SPLITS: [(&str, &str); 13] = [
    ("train", "train"),
    ("training", "train"),
    ("trn", "train"),
    ("val", "val"),
    ("valid", "val"),
    ("validation", "val"),
    ("dev", "val"),
    ("eval", "val"),
    ("evaluation", "val"),
    ("test", "test"),
    ("testing", "test"),
    ("tst", "test"),
    ("tests", "test"),
];

/// Suffixes that may follow such a name: `training_set`, `test-images`.
const SPLIT_ENDINGS: [&str; 4] = ["set", "images", "imgs", "data"];

/// Returns the split that a name stands for.
pub(super) fn split_name(name: &str) -> Option<&'static str> {
    Some(SPLITS[split_rank(name)?].1)
}

/// Returns the row of [`SPLITS`] for a name.
pub(super) fn split_rank(name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    let row = |name: &str| SPLITS.iter().position(|(known, _)| *known == name);
    let without = |end: &&str| row(name.strip_suffix(*end)?.trim_end_matches(['_', '-', ' ', '.']));
    row(&name).or_else(|| SPLIT_ENDINGS.iter().find_map(without))
}

/// Returns the split that a word in a name stands for: `toy-train-000000`, `trainLabels`.
pub(super) fn split_word(name: &str) -> Option<&'static str> {
    let words = name.split(|c: char| !c.is_alphabetic());
    words
        .flat_map(|word| {
            [word, &word[..word.find(|c: char| c.is_uppercase()).filter(|&at| at > 0).unwrap_or(0)]]
        })
        .find_map(split_name)
}
