//! JSON files.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::atomic;
use crate::{Error, Result};

/// Reads a value. `what` describes the expected content in messages.
///
/// # Errors
/// Returns an error if the file cannot be read or parsed.
pub fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    let shown = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| Error::data(format!("{shown}: cannot read the file: {error}")))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::data(format!("{shown}: invalid {what}: {error}")))
}

/// Writes a value atomically.
///
/// # Errors
/// Returns an error if the value has no JSON form, or if the file cannot be written.
pub fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::data(format!("{}: cannot write the file: {error}", path.display())))?;
    atomic::replace(path, |out| out.write_all(text.as_bytes()))
}

/// Paths in JSON, for `#[serde(with = "json::path")]`: a string if the path is UTF-8, an array of bytes otherwise.
pub(crate) mod path {
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(crate) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => Written::Text(text.to_owned()),
            None => Written::Bytes(path.as_os_str().as_encoded_bytes().to_vec()),
        }
        .serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        match Written::deserialize(from)? {
            Written::Text(text) => Ok(text.into()),
            Written::Bytes(bytes) => from_bytes(bytes)
                .ok_or_else(|| serde::de::Error::custom("the path is from another operating system")),
        }
    }

    #[cfg(unix)]
    fn from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        Some(std::ffi::OsString::from_vec(bytes).into())
    }

    #[cfg(not(unix))]
    fn from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
        String::from_utf8(bytes).ok().map(PathBuf::from)
    }

    /// The same, for optional paths.
    pub(crate) mod optional {
        use std::path::PathBuf;

        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        #[derive(Serialize, Deserialize)]
        struct Present(#[serde(with = "super")] PathBuf);

        #[expect(clippy::ref_option, reason = "the signature that serde requires")]
        pub(crate) fn serialize<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
            path.clone().map(Present).serialize(to)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
            Ok(Option::<Present>::deserialize(from)?.map(|Present(path)| path))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Paths {
        #[serde(with = "path")]
        one: PathBuf,
        #[serde(with = "path::optional", default)]
        other: Option<PathBuf>,
    }

    #[test]
    fn plain_paths_are_text() {
        let text = r#"{"one":"a/é","other":"b"}"#;
        let paths: Paths = serde_json::from_str(text).unwrap();
        assert_eq!(paths, Paths { one: "a/é".into(), other: Some("b".into()) });
        assert_eq!(serde_json::to_string(&paths).unwrap(), text);
        for none in [r#"{"one":"a"}"#, r#"{"one":"a","other":null}"#] {
            assert_eq!(serde_json::from_str::<Paths>(none).unwrap().other, None);
        }
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_not_utf8_round_trip() {
        use std::os::unix::ffi::OsStringExt;
        let odd = || PathBuf::from(std::ffi::OsString::from_vec(b"a/b\xff\n".to_vec()));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("paths.json");
        let paths = Paths { one: odd(), other: Some(odd()) };
        write(&file, &paths).unwrap();
        assert_eq!(read::<Paths>(&file, "paths").unwrap(), paths);
        // Without the attribute, it is an error.
        let error = write(&file, &odd()).unwrap_err();
        assert!(error.message.contains("paths.json: cannot write the file"), "{error}");
    }
}
