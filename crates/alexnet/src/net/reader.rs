//! TOML values with their place in the text, so that every refusal can say where, what was found, what was
//! expected, and what to write instead.

use std::fmt::Display;
use std::ops::{Bound, Range, RangeBounds, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{Error, Result};

/// A text and what to call it.
pub(super) struct Source<'a> {
    /// File name, or whatever the text came from.
    pub(super) origin: &'a str,
    /// The TOML.
    pub(super) text: &'a str,
    /// Whether the user can see the text, so that line numbers help.
    pub(super) lines: bool,
}

impl Source<'_> {
    /// `origin:line` of the byte at `position`.
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
            Error::usage(format!("{place}: not TOML: {}", error.message()))
                .help("strings stand in quotes, tables in [brackets], one `key = value` a line")
        })
    }
}

/// Keys of recipes and models of earlier versions, and what they are called now.
const FORMER_SPELLINGS: [(&str, &str); 1] = [("optimiser", "optimizer")];

/// What `key` is called now.
fn current_spelling(key: &str) -> &str {
    FORMER_SPELLINGS.iter().find(|(former, _)| *former == key).map_or(key, |(_, current)| current)
}

/// A dotted key with its first part as it is called now.
pub(super) fn current_key(key: &str) -> String {
    match key.split_once('.') {
        Some((table, rest)) => format!("{}.{rest}", current_spelling(table)),
        None => current_spelling(key).to_owned(),
    }
}

/// A table and the dotted path that leads to it.
pub(super) struct Table<'a> {
    source: &'a Source<'a>,
    path: String,
    start: usize,
    values: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// The whole document.
    pub(super) fn root(source: &'a Source<'a>, document: &'a Spanned<DeTable<'a>>) -> Self {
        Self { source, path: String::new(), start: document.span().start, values: document.get_ref() }
    }

    /// The same table under another path: a layer is known by its name, not by its number.
    pub(super) fn called(self, path: String) -> Self {
        Self { path, ..self }
    }

    /// Refuses every key that is not in `known`.
    pub(super) fn only(self, known: &[&str]) -> Result<Self> {
        let is_known = |key: &str| {
            let current = current_spelling(key);
            known.contains(&current) && (key == current || !self.values.contains_key(current))
        };
        let unknown = self.values.keys().filter(|key| !is_known(key.get_ref()));
        let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(self) };
        let place = self.source.place(key.span().start);
        Err(unknown_key(&self.join(key.get_ref()), known).context(place))
    }

    /// The value of `key`, if it is there.
    pub(super) fn find(&self, key: &str) -> Option<Entry<'a>> {
        let former = FORMER_SPELLINGS.iter().find(|(_, current)| *current == key);
        let value = self.values.get(key).or_else(|| self.values.get(former?.0))?;
        Some(Entry { source: self.source, path: self.join(key), value })
    }

    /// The value of `key`; `example` shows how it is written.
    pub(super) fn get(&self, key: &str, example: &str) -> Result<Entry<'a>> {
        self.find(key).ok_or_else(|| {
            let place = self.source.place(self.start);
            Error::usage(format!("{place}: `{}` is missing", self.join(key)))
                .help(format!("write `{key} = {example}`"))
        })
    }

    /// The table at `key`.
    pub(super) fn table(&self, key: &str) -> Result<Self> {
        match self.find(key) {
            Some(entry) => entry.table(),
            None => {
                let place = self.source.place(self.start);
                Err(Error::usage(format!("{place}: the table [{}] is missing", self.join(key)))
                    .help("`alexnet recipe show paper` shows a whole recipe"))
            }
        }
    }

    /// The tables of the array at `key`; none when it is absent.
    pub(super) fn tables(&self, key: &str) -> Result<Vec<Self>> {
        let Some(entry) = self.find(key) else { return Ok(Vec::new()) };
        let DeValue::Array(items) = entry.value.get_ref() else {
            return Err(entry.refuse("tables", format!("begin each with [[{key}]]")));
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

/// One value and the dotted path that leads to it.
pub(super) struct Entry<'a> {
    source: &'a Source<'a>,
    path: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Entry<'a> {
    /// "PLACE: PATH is VALUE, expected EXPECTED", with the way out.
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

    /// The last part of the path.
    fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// A string.
    pub(super) fn text(&self) -> Result<String> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            _ => Err(self.refuse("a string", format!("write `{} = \"...\"`", self.key()))),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Result<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            _ => Err(self.refuse("true or false", format!("write `{} = true`", self.key()))),
        }
    }

    /// A whole number in `range`.
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
                    format!("a whole number from {low} to {high}"),
                    format!("write `{} = {closest}`", self.key()),
                ))
            }
        }
    }

    /// A number in `range`; `example` is one.
    pub(super) fn number(&self, range: impl RangeBounds<f64>, example: f64) -> Result<f64> {
        let value = match self.value.get_ref() {
            DeValue::Float(digits) => digits.as_str().parse().ok(),
            DeValue::Integer(digits) => {
                i64::from_str_radix(digits.as_str(), digits.radix()).ok().map(|value| value as f64)
            }
            _ => None,
        };
        // The network computes in single precision: what rounds out of the range is out of the range.
        let inside = |value: &f64| range.contains(value) && range.contains(&f64::from(*value as f32));
        value.filter(inside).ok_or_else(|| {
            self.refuse(format!("a number {}", words(&range)), format!("write `{} = {example}`", self.key()))
        })
    }

    /// A number in `range`, in single precision.
    pub(super) fn single(&self, range: impl RangeBounds<f64>, example: f64) -> Result<f32> {
        self.number(range, example).map(|value| value as f32)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T> {
        let found = match self.value.get_ref() {
            DeValue::String(text) => text.as_ref(),
            _ => "",
        };
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == found) {
            return Ok(*meaning);
        }
        let list: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let guess = nearest(found, words.iter().map(|(word, _)| *word)).unwrap_or(words[0].0);
        Err(self
            .refuse(format!("one of {}", list.join(", ")), format!("write `{} = \"{guess}\"`", self.key())))
    }

    /// Whole numbers in `range`.
    pub(super) fn integers(&self, range: RangeInclusive<usize>) -> Result<Vec<usize>> {
        self.list("a list of whole numbers", "[20, 40]")?.iter().map(|e| e.integer(range.clone())).collect()
    }

    /// Red, green and blue numbers in `range`.
    pub(super) fn rgb(&self, range: impl RangeBounds<f64> + Clone, example: f64) -> Result<[f32; 3]> {
        let example_list = format!("[{example}, {example}, {example}]");
        let items = self.list("three numbers: red, green, blue", &example_list)?;
        let values: Vec<f32> =
            items.iter().map(|item| item.single(range.clone(), example)).collect::<Result<_>>()?;
        values.try_into().map_err(|_| {
            self.refuse("three numbers: red, green, blue", format!("write `{} = {example_list}`", self.key()))
        })
    }

    /// The table at this value.
    pub(super) fn table(self) -> Result<Table<'a>> {
        match self.value.get_ref() {
            DeValue::Table(values) => {
                Ok(Table { source: self.source, start: self.value.span().start, values, path: self.path })
            }
            _ => Err(self.refuse("a table", format!("write `[{}]` and its keys below", self.path))),
        }
    }

    /// Whether the value is a table, where a word would do too.
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

/// "above 0, at most 10".
fn words(range: &impl RangeBounds<f64>) -> String {
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

/// Refuses a dotted key whose last part is none of `known`.
pub(super) fn unknown_key(key: &str, known: &[&str]) -> Error {
    let last = key.rsplit('.').next().unwrap_or(key);
    let guess = guess(last, known.iter().copied());
    Error::usage(format!("unknown key `{key}`"))
        .help(format!("{guess}The keys here are {}", known.join(", ")))
}

/// "did you mean `conv1`? ", or nothing.
pub(super) fn guess<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(word, candidates).map_or(String::new(), |guess| format!("did you mean `{guess}`? "))
}

/// The candidate that `word` was most likely meant to be, if any is close.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let scored = candidates.into_iter().map(|c| (strsim::normalized_damerau_levenshtein(word, c), c));
    scored
        .filter(|(score, _)| *score >= 0.4)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
