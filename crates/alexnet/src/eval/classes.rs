//! Differences between lists of classes.

use crate::format::first_few;

/// The classes that only one of two lists contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassDifference {
    /// Classes of the first list that the second lacks.
    pub only_first: Vec<String>,
    /// Classes of the second list that the first lacks.
    pub only_second: Vec<String>,
}

impl ClassDifference {
    /// Describes the difference, with names for the lists: `only in a: cat, dog; only in b: cow`.
    pub fn describe(&self, first: &str, second: &str) -> String {
        let part = |list: &str, names: &[String]| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            (!names.is_empty()).then(|| format!("only in {list}: {}", first_few(names.iter())))
        };
        let parts = [part(first, &self.only_first), part(second, &self.only_second)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// Returns the index in `second` of each class of `first`, for two lists with the same classes in any order.
///
/// # Errors
/// Returns the difference if they do not have the same classes.
pub fn class_indices(first: &[String], second: &[String]) -> Result<Vec<usize>, ClassDifference> {
    let missing = |from: &[String], other: &[String]| -> Vec<String> {
        from.iter().filter(|name| !other.contains(name)).cloned().collect()
    };
    let place = |name: &String| second.iter().position(|other| other == name);
    match first.iter().map(place).collect::<Option<Vec<usize>>>() {
        Some(indices) if second.len() == first.len() => Ok(indices),
        Some(_) | None => {
            Err(ClassDifference { only_first: missing(first, second), only_second: missing(second, first) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn classes_are_matched_by_name() {
        let (a, b) = (names(&["cat", "dog", "cow"]), names(&["cow", "cat", "dog"]));
        assert_eq!(class_indices(&a, &b), Ok(vec![1, 2, 0]));
        assert_eq!(class_indices(&[], &[]), Ok(vec![]));
    }

    #[test]
    fn differences_are_described() {
        let (a, b) = (names(&["cat", "dog"]), names(&["cow", "cat"]));
        let difference = class_indices(&a, &b).unwrap_err();
        assert_eq!(difference.describe("a", "b"), "only in a: dog; only in b: cow");
        let fewer = class_indices(&a, &names(&["cat"])).unwrap_err();
        assert_eq!(fewer.describe("a", "b"), "only in a: dog");
        let more = class_indices(&names(&["cat"]), &a).unwrap_err();
        assert_eq!(more.describe("a", "b"), "only in b: dog");
    }
}
