//! The images and labels of one tar.

use std::collections::{BTreeMap, BTreeSet};

use super::gathered::{Gathered, KEYS};
use super::samples::{self, Belongs, Label, LabelKind, Sample};
use crate::data::source::archive::{Archives, Member};
use crate::data::source::catalog::{ByteRange, Location};
use crate::data::source::naming::{self, FileKind, ListedFile};
use crate::data::source::text::Text;
use crate::{Error, Result};

/// The maximum size of a label file, and of a JSON file.
const MAX_LABEL: u32 = 4096;
const MAX_JSON: u32 = 1 << 20;

/// Reads one tar.
pub(super) struct Reader<'a> {
    pub(super) archives: &'a Archives,
    pub(super) archive: u32,
    pub(super) prefix: String,
    pub(super) source: LabelKind,
}

/// A label, or why there is none.
type Said = std::result::Result<Label, &'static str>;

impl Reader<'_> {
    pub(super) fn read(
        &self,
        split: Option<&'static str>,
        files: Vec<Member>,
        all: &mut Gathered,
    ) -> Result<()> {
        let is_label = |name: &str| {
            LabelKind::of(name).is_some_and(|(_, stem)| !stem.is_empty())
                && FileKind::of_name(name) != FileKind::Hidden
        };
        let (mut labels, files): (Vec<Member>, Vec<Member>) =
            files.into_iter().partition(|file| is_label(&file.name));
        labels.retain(|file| match LabelKind::of(&file.name) {
            Some((source, _)) if source == self.source => true,
            Some((source, _)) => {
                *all.other_sources.entry(source).or_default() += 1;
                false
            }
            None => false,
        });
        let files =
            files.into_iter().map(|file| ListedFile { path: file.name.clone(), location: file }).collect();
        let head = |_: &str, file: &Member| {
            let len = file.len.min(naming::HEAD as u32);
            self.archives.read(ByteRange { archive: self.archive, offset: file.offset, len })
        };
        let images = naming::images(files, &head, &mut all.skipped);
        let stems: Vec<&str> = labels.iter().filter_map(|file| Some(LabelKind::of(&file.name)?.1)).collect();
        let names: Vec<&str> = images.iter().map(|image| image.path.as_str()).collect();
        let pairs = samples::pair(&names, &stems)?;
        let used: BTreeSet<usize> = pairs
            .iter()
            .flat_map(|pair| if let Belongs::To(labels) = pair { &labels[..] } else { &[] })
            .copied()
            .collect();
        all.unused += labels.len() - used.len();
        all.splits.entry(split).or_default();
        for (ListedFile { path, location: image }, pair) in images.iter().zip(pairs) {
            let file = format!("{}{path}", self.prefix);
            let said = match pair {
                Belongs::Alone => Err("no label"),
                Belongs::Beside => {
                    all.beside.push(file);
                    continue;
                }
                Belongs::To(places) => {
                    self.said(&places.iter().map(|&at| &labels[at]).collect::<Vec<_>>(), all)?
                }
            };
            let label = match said {
                Ok(label) => label,
                Err(reason) => {
                    all.leave_out(reason, file);
                    continue;
                }
            };
            if let Label::Candidates(values) = &label {
                values.keys().for_each(|&key| *all.keys.entry(key).or_default() += 1);
            }
            let range = ByteRange { archive: self.archive, offset: image.offset, len: image.len };
            let location = Location::Bytes(range);
            all.splits.entry(split).or_default().push(Sample { label, file, location });
        }
        Ok(())
    }

    /// Reads the label of an image from one or several files, which must agree.
    fn said(&self, labels: &[&Member], all: &mut Gathered) -> Result<Said> {
        let mut first: Option<(Said, &str)> = None;
        for label in labels {
            let said = self.one(label, all)?;
            match &first {
                Some((before, other)) if before.as_ref().ok() != said.as_ref().ok() => {
                    return Err(Error::data(format!(
                        "two different labels for one image: {other} and {}",
                        label.name
                    ))
                    .help("use one label per image"));
                }
                Some(_) => {}
                None => first = Some((said, &label.name)),
            }
        }
        Ok(first.map_or(Err("no label"), |(said, _)| said))
    }

    fn one(&self, label: &Member, all: &mut Gathered) -> Result<Said> {
        let most = if self.source == LabelKind::Json { MAX_JSON } else { MAX_LABEL };
        if label.len > most {
            return match self.source {
                LabelKind::Class | LabelKind::Index => {
                    Err(Error::data(format!("{}: {} bytes are too many for a class", label.name, label.len)))
                }
                LabelKind::Json | LabelKind::Text => Ok(Err("label file too large")),
            };
        }
        let bytes =
            self.archives.read(ByteRange { archive: self.archive, offset: label.offset, len: label.len });
        let bytes = bytes.map_err(|error| Error::data(format!("{}: {error}", label.name)))?;
        let Ok(text) = Text::decode(&bytes) else { return Ok(Err("label is not text")) };
        if let Some(note) = text.note(&label.name).filter(|_| all.codings.is_empty()) {
            all.codings.push(note);
        }
        Ok(match self.source {
            LabelKind::Json => values(&text.text),
            LabelKind::Class | LabelKind::Index | LabelKind::Text => {
                match <[String; 1]>::try_from(text.words()) {
                    Ok([class]) => Ok(Label::Class(class)),
                    Err(lines) if lines.is_empty() => Err("empty label"),
                    Err(_) => Err("label with several lines"),
                }
            }
        })
    }
}

/// Returns the values of a JSON file's keys that could be the class: names and integers.
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
        Err(_) => Err("label is not JSON"),
        Ok(Value::Object(fields)) => {
            let known = KEYS.iter().zip(0..).filter_map(|(&key, at)| Some((at, class(fields.get(key)?)?)));
            let known: BTreeMap<usize, String> = known.collect();
            if known.is_empty() {
                Err("no known key for the class in the .json")
            } else {
                Ok(Label::Candidates(known))
            }
        }
        // A bare value stands for the first key.
        Ok(value) => match class(&value) {
            Some(class) => Ok(Label::Candidates(BTreeMap::from([(0, class)]))),
            None => Err("no class in the .json"),
        },
    }
}
