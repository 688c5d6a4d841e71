//! Where the images of a training come from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::json;

/// Where the images of a training come from, so that they can be found again when it is resumed. In `run.json`: a path,
/// `null`, or `{"memory": true}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
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

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Path(#[serde(with = "json::path")] PathBuf),
    Memory { memory: True },
    BuiltIn,
}

/// The value `true`, and no other.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "bool", into = "bool")]
#[derive(Clone)]
struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        if value { Ok(Self) } else { Err("expected true") }
    }
}

impl From<True> for bool {
    fn from(True: True) -> Self {
        true
    }
}

impl From<Written> for ImageSource {
    fn from(written: Written) -> Self {
        match written {
            Written::Path(path) => Self::Path(path),
            Written::Memory { memory: True } => Self::Memory,
            Written::BuiltIn => Self::BuiltIn,
        }
    }
}

impl From<ImageSource> for Written {
    fn from(source: ImageSource) -> Self {
        match source {
            ImageSource::Path(path) => Self::Path(path),
            ImageSource::Memory => Self::Memory { memory: True },
            ImageSource::BuiltIn => Self::BuiltIn,
        }
    }
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
