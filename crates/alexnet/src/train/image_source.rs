//! Where the images of a training run come from.

use std::path::{Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::files::json;

/// Where the images of a training run come from, so that they can be found again when it is resumed. In `run.json`: a path,
/// `null`, or `{"memory": true}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ImageSource {
    /// They are part of the program: [`crate::data::embedded`].
    #[default]
    BuiltIn,
    /// The path that [`Dataset::open`](crate::data::Dataset::open) was called with.
    Path(PathBuf),
    /// Arrays in memory: a run that is resumed has to be given the same ones.
    Memory,
}

impl ImageSource {
    /// The path, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::BuiltIn | Self::Memory => None,
        }
    }

    /// The same with an absolute path.
    pub(super) fn absolute(&self) -> Self {
        match self {
            Self::Path(path) => Self::Path(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            Self::BuiltIn | Self::Memory => self.clone(),
        }
    }
}

impl Serialize for ImageSource {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::BuiltIn => to.serialize_none(),
            Self::Path(path) => json::path::serialize(path, to),
            Self::Memory => InMemory { memory: true }.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for ImageSource {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Written::deserialize(from)? {
            Written::Path(path) => Ok(Self::Path(path)),
            Written::Memory(InMemory { memory: true }) => Ok(Self::Memory),
            Written::Memory(InMemory { memory: false }) => {
                Err(D::Error::custom("`memory` is false, expected true"))
            }
            Written::BuiltIn => Ok(Self::BuiltIn),
        }
    }
}

/// What is written for arrays.
#[derive(Serialize, Deserialize)]
struct InMemory {
    memory: bool,
}

/// What may be written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Path(#[serde(with = "json::path")] PathBuf),
    Memory(InMemory),
    BuiltIn,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_a_path_null_or_memory() {
        for (source, text) in [
            (ImageSource::BuiltIn, "null"),
            (ImageSource::Path("/data/pets".into()), "\"/data/pets\""),
            (ImageSource::Memory, "{\"memory\":true}"),
        ] {
            assert_eq!(serde_json::to_string(&source).unwrap(), text);
            assert_eq!(serde_json::from_str::<ImageSource>(text).unwrap(), source);
        }
        for text in ["{\"memory\":false}", "{}", "1"] {
            assert!(serde_json::from_str::<ImageSource>(text).is_err(), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn any_path_is_kept() {
        use std::os::unix::ffi::OsStrExt;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(b"/data/\xff"));
        let text = serde_json::to_string(&ImageSource::Path(path.clone())).unwrap();
        assert_eq!(serde_json::from_str::<ImageSource>(&text).unwrap(), ImageSource::Path(path));
    }
}
