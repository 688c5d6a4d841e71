//! TOML values with their position in the text, so that every error states the place, the value, what was expected, and
//! what to write instead.

use std::fmt::Display;
use std::ops::{Bound, Range, RangeBounds, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::nearest;
use crate::{Error, Result};

/// A text and the name to use for it in messages.
pub(super) struct Source<'a> {
    /// The file name, or where the text came from.
    pub(super) origin: &'a str,
    /// The TOML.
    pub(super) text: &'a str,
    /// Whether the user has the text, so that line numbers help.
    pub(super) lines: bool,
}

impl Source<'_> {
    /// Formats the position of a byte as `origin:line`.
    fn place(&self, position: usize) -> String {
        if !self.lines {
            return self.origin.to_string();
        }
        let before = &self.text.as_bytes()[..position.min(self.text.len())];
        format!("{}:{}", self.origin, 1 + before.iter().filter(|&&byte| byte == b'\n').count())
    }

    /// Parses the text into tables.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'_>>> {
        DeTable::parse(self.text).map_err(|error| {
            let place = self.place(error.span().map_or(0, |span| span.start));
            Error::usage(format!("{place}: invalid TOML: {}", error.message()))
                .help("write one `key = value` per line, strings in quotes, table names in [brackets]")
        })
    }
}

/// Other spellings of keys: of earlier versions, and what users of other programs expect.
const ALIASES: [(&str, &str); 3] =
    [("optimiser", "optimizer"), ("difference", "deviation"), ("std", "deviations")];

/// Resolves an alias of a key.
fn canonical(key: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, key)| key)
}

/// Resolves the aliases in a dotted key. The second part of `layer.NAME` is a name, not a key.
pub(super) fn canonical_key(key: &str) -> String {
    match key.split_once('.') {
        Some(("layer", _)) => key.to_owned(),
        Some((table, rest)) => format!("{}.{}", canonical(table), canonical(rest)),
        None => canonical(key).to_owned(),
    }
}

/// A table and its dotted path.
pub(super) struct Table<'a> {
    source: &'a Source<'a>,
    path: String,
    start: usize,
    values: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// Returns the table of the whole document.
    pub(super) fn root(source: &'a Source<'a>, document: &'a Spanned<DeTable<'a>>) -> Self {
        Self { source, path: String::new(), start: document.span().start, values: document.get_ref() }
    }

    /// Replaces the path in messages: layers are identified by name instead of number.
    pub(super) fn called(self, path: String) -> Self {
        Self { path, ..self }
    }

    /// Returns an error if the table has a key that is not in `known`.
    pub(super) fn only(self, known: &[&str]) -> Result<Self> {
        let is_known = |key: &str| {
            let name = canonical(key);
            known.contains(&name) && (key == name || !self.values.contains_key(name))
        };
        let unknown = self.values.keys().filter(|key| !is_known(key.get_ref()));
        let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(self) };
        let place = self.source.place(key.span().start);
        Err(unknown_key(&self.join(key.get_ref()), known).context(place))
    }

    /// Returns the value of `key`, if present.
    pub(super) fn find(&self, key: &str) -> Option<Entry<'a>> {
        let aliases = ALIASES.iter().filter(|(_, name)| *name == key).map(|(alias, _)| *alias);
        let (key, value) =
            [key].into_iter().chain(aliases).find_map(|key| Some((key, self.values.get(key)?)))?;
        Some(Entry { source: self.source, path: self.join(key), value })
    }

    /// Returns the value of `key`, or an error that shows `example`.
    pub(super) fn get(&self, key: &str, example: &str) -> Result<Entry<'a>> {
        self.find(key).ok_or_else(|| {
            let place = self.source.place(self.start);
            Error::usage(format!("{place}: `{}` is missing", self.join(key)))
                .help(format!("write `{key} = {example}`"))
        })
    }

    /// Returns the table at `key`.
    pub(super) fn table(&self, key: &str) -> Result<Self> {
        match self.find(key) {
            Some(entry) => entry.table(),
            None => {
                let place = self.source.place(self.start);
                Err(Error::usage(format!("{place}: the table [{}] is missing", self.join(key)))
                    .help("see `alexnet recipe show paper` for a complete recipe"))
            }
        }
    }

    /// Returns the tables of the array at `key`; none if it is absent.
    pub(super) fn tables(&self, key: &str) -> Result<Vec<Self>> {
        let Some(entry) = self.find(key) else { return Ok(Vec::new()) };
        let DeValue::Array(items) = entry.value.get_ref() else {
            return Err(entry.refuse("an array of tables", format!("start each table with [[{key}]]")));
        };
        let numbered = items.iter().enumerate();
        numbered
            .map(|(i, value)| Entry { source: self.source, path: format!("{key}.{}", i + 1), value }.table())
            .collect()
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }
}

/// A value and its dotted path.
pub(super) struct Entry<'a> {
    source: &'a Source<'a>,
    path: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Entry<'a> {
    /// Creates the error `PLACE: PATH is VALUE, expected EXPECTED`, with help.
    pub(super) fn refuse(&self, expected: impl Display, help: impl Into<String>) -> Error {
        let Range { start, end } = self.value.span();
        let written = self.source.text.get(start..end).unwrap_or_default();
        let mut value: String = written.chars().take(60).collect();
        if value.len() < written.len() {
            value.push_str("...");
        }
        let place = self.source.place(start);
        Error::usage(format!("{place}: `{}` is {value}, expected {expected}", self.path)).help(help)
    }

    /// Returns the last part of the path.
    fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// Returns a string.
    pub(super) fn text(&self) -> Result<String> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            _ => Err(self.refuse("a string", format!("write `{} = \"...\"`", self.key()))),
        }
    }

    /// Returns a boolean.
    pub(super) fn flag(&self) -> Result<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            _ => Err(self.refuse("true or false", format!("write `{} = true`", self.key()))),
        }
    }

    /// Returns an integer in `range`.
    pub(super) fn integer(&self, range: RangeInclusive<usize>) -> Result<usize> {
        let value = match self.value.get_ref() {
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix()).ok(),
            _ => None,
        };
        let value = value.and_then(|value| usize::try_from(value).ok());
        match value.filter(|value| range.contains(value)) {
            Some(value) => Ok(value),
            None => {
                let (low, high) = (*range.start(), *range.end());
                let closest = value.unwrap_or(low).clamp(low, high);
                Err(self.refuse(
                    format!("an integer from {low} to {high}"),
                    format!("write `{} = {closest}`", self.key()),
                ))
            }
        }
    }

    /// Returns a number in `range`, or an error that shows `example`.
    pub(super) fn number(&self, range: impl RangeBounds<f64>, example: f64) -> Result<f64> {
        let value = match self.value.get_ref() {
            DeValue::Float(digits) => digits.as_str().parse().ok(),
            DeValue::Integer(digits) => {
                i64::from_str_radix(digits.as_str(), digits.radix()).ok().map(|value| value as f64)
            }
            _ => None,
        };
        // The network computes in single precision: the rounded value must be in range too.
        let inside = |value: &f64| range.contains(value) && range.contains(&f64::from(*value as f32));
        value.filter(inside).ok_or_else(|| {
            self.refuse(
                format!("a number {}", range_text(&range)),
                format!("write `{} = {example}`", self.key()),
            )
        })
    }

    /// Returns a number in `range`, in single precision.
    pub(super) fn single(&self, range: impl RangeBounds<f64>, example: f64) -> Result<f32> {
        self.number(range, example).map(|value| value as f32)
    }

    /// Returns the value that belongs to one of several names.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T> {
        let found = match self.value.get_ref() {
            DeValue::String(text) => text.as_ref(),
            _ => "",
        };
        if let Some((_, meaning)) = choices.iter().find(|(name, _)| *name == found) {
            return Ok(*meaning);
        }
        let list: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let guess = nearest(found, choices.iter().map(|(name, _)| *name)).unwrap_or(choices[0].0);
        Err(self
            .refuse(format!("one of {}", list.join(", ")), format!("write `{} = \"{guess}\"`", self.key())))
    }

    /// Returns a list of integers in `range`.
    pub(super) fn integers(&self, range: RangeInclusive<usize>) -> Result<Vec<usize>> {
        self.list("a list of integers", "[20, 40]")?.iter().map(|e| e.integer(range.clone())).collect()
    }

    /// Returns red, green and blue in `range`.
    pub(super) fn rgb(&self, range: impl RangeBounds<f64> + Clone, example: f64) -> Result<[f32; 3]> {
        let example_list = format!("[{example}, {example}, {example}]");
        let items = self.list("three numbers: red, green, blue", &example_list)?;
        let values: Vec<f32> =
            items.iter().map(|item| item.single(range.clone(), example)).collect::<Result<_>>()?;
        values.try_into().map_err(|_| {
            self.refuse("three numbers: red, green, blue", format!("write `{} = {example_list}`", self.key()))
        })
    }

    /// Returns the table.
    pub(super) fn table(self) -> Result<Table<'a>> {
        match self.value.get_ref() {
            DeValue::Table(values) => {
                Ok(Table { source: self.source, start: self.value.span().start, values, path: self.path })
            }
            _ => Err(self.refuse("a table", format!("write `[{}]` and its keys below it", self.path))),
        }
    }

    /// Returns whether the value is a table, for values that may also be names.
    pub(super) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    fn list(&self, expected: &str, example: &str) -> Result<Vec<Self>> {
        match self.value.get_ref() {
            DeValue::Array(items) => Ok(items
                .iter()
                .map(|value| Entry { source: self.source, path: self.path.clone(), value })
                .collect()),
            _ => Err(self.refuse(expected, format!("write `{} = {example}`", self.key()))),
        }
    }
}

/// Formats a range: `above 0 and at most 10`.
fn range_text(range: &impl RangeBounds<f64>) -> String {
    let low = match range.start_bound() {
        Bound::Included(low) => format!("at least {low}"),
        Bound::Excluded(low) => format!("above {low}"),
        Bound::Unbounded => String::new(),
    };
    let high = match range.end_bound() {
        Bound::Included(high) => format!("at most {high}"),
        Bound::Excluded(high) => format!("below {high}"),
        Bound::Unbounded => String::new(),
    };
    [low, high].iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" and ")
}

/// Names of keys in other programs, words separated by `_`, and the key here.
const PEERS: [(&[&str], &str); 5] = [
    (&["lr", "learning_rate", "learningrate", "base_lr", "lr0"], "optimizer.rate"),
    (&["batch_size", "batchsize", "bs"], "optimizer.batch"),
    (&["weight_decay", "wd", "l2"], "optimizer.decay"),
    (&["num_epochs", "n_epochs", "max_epochs"], "schedule.epochs"),
    (&["warmup_epochs", "warmup", "warm_up"], "schedule.warm_up_epochs"),
];

/// Returns what other programs call `last`, the last part of `key`: a key of `known`, or one of another table of the recipe.
fn peer(key: &str, last: &str, known: &[&str]) -> Option<&'static str> {
    let name = last.replace('-', "_").to_lowercase();
    let (_, whole) = PEERS.iter().find(|(names, _)| names.contains(&name.as_str()))?;
    let inner = whole.rsplit('.').next().filter(|inner| known.contains(inner));
    inner.or_else(|| (!key.starts_with("layer.")).then_some(*whole))
}

/// Creates the error for a dotted key whose last part is not in `known`.
pub(super) fn unknown_key(key: &str, known: &[&str]) -> Error {
    let last = key.rsplit('.').next().unwrap_or(key);
    let guess = match peer(key, last, known) {
        Some(peer) => format!("did you mean `{peer}`? "),
        None => guess(last, known.iter().copied()),
    };
    Error::usage(format!("unknown key `{key}`")).help(format!("{guess}Valid keys: {}", known.join(", ")))
}

/// Formats a suggestion, such as "did you mean `conv1`? ", or an empty string if no candidate is close.
pub(super) fn guess<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(word, candidates).map_or(String::new(), |guess| format!("did you mean `{guess}`? "))
}
