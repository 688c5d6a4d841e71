//! The images and the labels of one tar.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Place;
use super::super::archive::{Archives, Member};
use super::super::naming::{self, Kind};
use super::super::text::Text;
use super::Sample;
use super::gathered::{Gathered, KEYS};
use super::samples::{self, Belongs, Source};
use crate::{Error, Result};

/// Most bytes of a file that names a class, and of a JSON file.
const MOST_CLASS: u32 = 4096;
const MOST_JSON: u32 = 1 << 20;

/// Reads one tar.
pub(super) struct Reader<'a> {
    pub(super) archives: &'a Archives,
    pub(super) archive: u32,
    pub(super) prefix: String,
    pub(super) source: Source,
}

/// A label, or why there is none.
enum Said {
    Class(String),
    /// Values of the known keys of a JSON file.
    Keys(BTreeMap<usize, String>),
    Nothing(&'static str),
}

impl Reader<'_> {
    pub(super) fn read(
        &self,
        split: Option<&'static str>,
        files: Vec<Member>,
        all: &mut Gathered,
    ) -> Result<()> {
        let is_label = |name: &str| {
            Source::of(name).is_some_and(|(_, stem)| !stem.is_empty()) && Kind::of_name(name) != Kind::Hidden
        };
        let (mut labels, files): (Vec<Member>, Vec<Member>) =
            files.into_iter().partition(|file| is_label(&file.name));
        labels.retain(|file| match Source::of(&file.name) {
            Some((source, _)) if source == self.source => true,
            Some((source, _)) => {
                *all.other_sources.entry(source).or_default() += 1;
                false
            }
            None => false,
        });
        let files = files.into_iter().map(|file| (file.name.clone(), file)).collect();
        let head = |_: &str, file: &Member| {
            self.archives.read(self.archive, file.offset, file.len.min(naming::HEAD as u32))
        };
        let images = naming::images(files, &head, &mut all.skipped);
        let stems: Vec<&str> = labels.iter().filter_map(|file| Some(Source::of(&file.name)?.1)).collect();
        let names: Vec<&str> = images.iter().map(|(name, _)| name.as_str()).collect();
        let pairs = samples::pair(&names, &stems)?;
        let used: BTreeSet<usize> = pairs
            .iter()
            .flat_map(|pair| if let Belongs::To(labels) = pair { &labels[..] } else { &[] })
            .copied()
            .collect();
        all.unused += labels.len() - used.len();
        all.splits.entry(split).or_default();
        for ((name, image), pair) in images.iter().zip(pairs) {
            let file = format!("{}{name}", self.prefix);
            let said = match pair {
                Belongs::Alone => Said::Nothing("nothing beside it says what it shows"),
                Belongs::Beside => {
                    all.beside.push(file);
                    continue;
                }
                Belongs::To(places) => {
                    self.said(&places.iter().map(|&at| &labels[at]).collect::<Vec<_>>(), all)?
                }
            };
            let class = match said {
                Said::Nothing(reason) => {
                    all.leave_out(reason, file);
                    continue;
                }
                Said::Class(class) => class,
                Said::Keys(values) => {
                    values.keys().for_each(|&key| *all.keys.entry(key).or_default() += 1);
                    serde_json::to_string(&values).expect("numbers and strings are JSON")
                }
            };
            let place = Place::Bytes { archive: self.archive, offset: image.offset, len: image.len };
            all.splits.entry(split).or_default().push(Sample { class, file, place });
        }
        Ok(())
    }

    /// What one or several labels say; several have to say the same.
    fn said(&self, labels: &[&Member], all: &mut Gathered) -> Result<Said> {
        let mut first: Option<(Said, &str)> = None;
        for label in labels {
            let said = self.one(label, all)?;
            match &first {
                Some((before, other)) if !before.is_same(&said) => {
                    return Err(Error::data(format!(
                        "two labels for one image that differ: {other} and {}",
                        label.name
                    ))
                    .help("one label for each image"));
                }
                Some(_) => {}
                None => first = Some((said, &label.name)),
            }
        }
        Ok(first.map_or(Said::Nothing("nothing beside it says what it shows"), |(said, _)| said))
    }

    fn one(&self, label: &Member, all: &mut Gathered) -> Result<Said> {
        let most = if self.source == Source::Json { MOST_JSON } else { MOST_CLASS };
        if label.len > most {
            return match self.source {
                Source::Class | Source::Index => {
                    Err(Error::data(format!("{} has {} bytes, expected a class", label.name, label.len)))
                }
                Source::Json | Source::Text => Ok(Said::Nothing("a label of too many bytes")),
            };
        }
        let bytes = self.archives.read(self.archive, label.offset, label.len);
        let bytes = bytes.map_err(|error| Error::data(format!("{}: {error}", label.name)))?;
        let Ok(text) = Text::decode(&bytes) else { return Ok(Said::Nothing("a label that is not text")) };
        if let Some(note) = text.note(&label.name).filter(|_| all.codings.is_empty()) {
            all.codings.push(note);
        }
        Ok(match self.source {
            Source::Json => values(&text.text),
            Source::Class | Source::Index | Source::Text => match <[String; 1]>::try_from(text.words()) {
                Ok([class]) => Said::Class(class),
                Err(lines) if lines.is_empty() => Said::Nothing("an empty label"),
                Err(_) => Said::Nothing("a label of several lines"),
            },
        })
    }
}

impl Said {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Class(a), Self::Class(b)) => a == b,
            (Self::Keys(a), Self::Keys(b)) => a == b,
            (Self::Nothing(_), Self::Nothing(_)) => true,
            (Self::Class(_) | Self::Keys(_) | Self::Nothing(_), _) => false,
        }
    }
}

/// The values of a JSON file's keys that could be the class: names and whole numbers.
fn values(json: &str) -> Said {
    use serde_json::Value;
    let class = |value: &Value| match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && (0.0..1e9).contains(number));
            whole.map(|number| (number as u64).to_string())
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    match serde_json::from_str(json) {
        Err(_) => Said::Nothing("a label that is not JSON"),
        Ok(Value::Object(fields)) => {
            let known = KEYS.iter().zip(0..).filter_map(|(&key, at)| Some((at, class(fields.get(key)?)?)));
            let known: BTreeMap<usize, String> = known.collect();
            if known.is_empty() {
                Said::Nothing("a .json without a key for the class")
            } else {
                Said::Keys(known)
            }
        }
        // A bare class stands for the first key.
        Ok(value) => class(&value).map_or(Said::Nothing("a .json without a class"), |class| {
            Said::Keys(BTreeMap::from([(0, class)]))
        }),
    }
}
