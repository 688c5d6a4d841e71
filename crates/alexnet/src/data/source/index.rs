//! Cached indexes of large archives: listing ImageNet's training images means reading 1.28 million positions in 148 GB.
//!
//! An index is a safetensors file in the cache folder, named after the archive's path, and valid while the archive has the same
//! size and modification time. See `docs/decisions/0008-index-files.md`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Result;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use safetensors::Dtype;
use sha2::{Digest, Sha256};

use super::archive::{self, Contents, Member};
use crate::files::container::{self, Array, Header, Values};
use crate::format::hex;

/// Smaller archives are listed faster than an index would be worth.
const WORTH_KEEPING: u64 = 1 << 30;

/// Lists the archive at `path`, or the archives in it, from its index if there is a valid one.
///
/// # Errors
/// Returns an error if it is not a complete tar. An index that is invalid or cannot be written is ignored.
pub(super) fn kept(path: &Path, depth: Depth) -> Result<Contents> {
    let list = match depth {
        Depth::Plain => archive::contents,
        Depth::Nested => archive::nested_contents,
    };
    match folder() {
        Some(folder) if std::fs::metadata(path)?.len() >= WORTH_KEEPING => {
            kept_in(&folder, path, depth, list)
        }
        _ => list(path),
    }
}

/// What to list of an archive; each has an index of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Its members.
    Plain,
    /// The members of the archives in it.
    Nested,
}

fn kept_in(
    folder: &Path,
    path: &Path,
    depth: Depth,
    list: impl FnOnce(&Path) -> Result<Contents>,
) -> Result<Contents> {
    let archive = path.canonicalize()?;
    let state = state(&archive)?;
    let index = folder.join(name(&archive, depth));
    if let Ok(contents) = load(&index, &state) {
        return Ok(contents);
    }
    let contents = list(path)?;
    if std::fs::create_dir_all(folder).is_ok() {
        // Without an index, the next run lists the archive again.
        let _ = save(&index, &archive, &state, &contents);
    }
    Ok(contents)
}

/// Returns the file name of the index of an archive.
fn name(archive: &Path, depth: Depth) -> String {
    let digest = hex(&Sha256::digest(archive.as_os_str().as_encoded_bytes()));
    match depth {
        Depth::Plain => format!("{digest}.safetensors"),
        Depth::Nested => format!("{digest}-nested.safetensors"),
    }
}

/// Returns `ALEXNET_CACHE`, or the cache folder of this system.
fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    set("ALEXNET_CACHE").or_else(|| Some(cache().or_else(|| set("LOCALAPPDATA"))?.join("alexnet")))
}

/// Returns the size and modification time, which identify the state of an archive.
fn state(archive: &Path) -> Result<String> {
    let metadata = std::fs::metadata(archive)?;
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Ok(format!("{} bytes, changed {changed}", metadata.len()))
}

/// Concatenates texts, and returns where each ends.
fn columns<'a>(texts: impl Iterator<Item = &'a str>) -> (String, Vec<u64>) {
    let (mut all, mut ends) = (String::new(), Vec::new());
    for text in texts {
        all.push_str(text);
        ends.push(all.len() as u64);
    }
    (all, ends)
}

fn save(index: &Path, archive: &Path, state: &str, contents: &Contents) -> crate::Result<()> {
    let Contents { files, folders, odd, unended, oddities } = contents;
    let (names, ends) = columns(files.iter().map(|file| file.name.as_str()));
    let offsets: Vec<u64> = files.iter().map(|file| file.offset).collect();
    let lens: Vec<u64> = files.iter().map(|file| file.len.into()).collect();
    let json = |value: &[String]| serde_json::to_string(value).expect("strings are JSON");
    let metadata = BTreeMap::from([
        ("archive", archive.display().to_string()),
        ("state", state.to_owned()),
        ("folders", json(folders)),
        ("odd", json(odd)),
        ("unended", unended.to_string()),
        ("oddities", serde_json::to_string(oddities).expect("numbers and strings are JSON")),
    ]);
    let shape = [files.len()];
    let numbers = |name, values| Array { name, shape: &shape, values: Values::U64(values) };
    let bytes = Array { name: "names", shape: &[names.len()], values: Values::U8(names.as_bytes()) };
    let arrays = [numbers("ends", &ends), numbers("offsets", &offsets), numbers("lengths", &lens), bytes];
    container::write(index, &metadata, &arrays)
}

/// Loads an index, if it is complete and belongs to the archive in this state.
fn load(index: &Path, state: &str) -> crate::Result<Contents> {
    let stale = || crate::Error::data("not this archive's index");
    let file = File::open(index).map_err(|_| stale())?;
    let size = file.metadata().map_err(|_| stale())?.len();
    let header = Header::read(&file, size)?;
    if header.text("state")? != state {
        return Err(stale());
    }
    let words = |name| header.integers(&file, name, Dtype::U64).map(|(_, words)| words);
    let (ends, offsets, lens) = (words("ends")?, words("offsets")?, words("lengths")?);
    let (_, at, len) = header.place("names", Dtype::U8)?;
    let mut names = vec![0; len];
    crate::files::read_at(&file, at, &mut names).map_err(|_| stale())?;
    let names = String::from_utf8(names).map_err(|_| stale())?;
    if ends.len() != offsets.len() || ends.len() != lens.len() {
        return Err(stale());
    }
    let mut begin = 0;
    let mut files = Vec::with_capacity(ends.len());
    for ((end, offset), len) in ends.into_iter().zip(offsets).zip(lens) {
        let end = usize::try_from(end).map_err(|_| stale())?;
        let name = names.get(begin..end).ok_or_else(stale)?.to_owned();
        files.push(Member { name, offset, len: u32::try_from(len).map_err(|_| stale())? });
        begin = end;
    }
    let texts = |name| serde_json::from_str(header.text(name)?).map_err(|_| stale());
    let unended = header.text("unended")? == "true";
    let oddities = serde_json::from_str(header.text("oddities")?).map_err(|_| stale())?;
    Ok(Contents { files, folders: texts("folders")?, odd: texts("odd")?, unended, oddities })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents() -> Contents {
        let file = |i: u32| Member { name: format!("a.tar/é{i}.JPEG"), offset: 512 << i, len: 100 + i };
        let odd = vec!["/etc/passwd".to_owned()];
        Contents {
            files: (0..30).map(file).collect(),
            folders: vec!["a".to_owned()],
            odd,
            unended: true,
            ..Contents::default()
        }
    }

    /// The archive is listed once, and again only after it or the index has changed.
    #[test]
    fn index_is_used_until_the_archive_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (archive, cache) = (folder.path().join("train.tar"), folder.path().join("cache"));
        std::fs::write(&archive, "some bytes").unwrap();
        let listed = std::cell::Cell::new(0);
        let open = || {
            kept_in(&cache, &archive, Depth::Plain, |_| {
                listed.set(listed.get() + 1);
                Ok(contents())
            })
            .unwrap()
        };
        for _ in 0..3 {
            assert_eq!(open(), contents());
        }
        assert_eq!(listed.get(), 1);
        // Nested archives have an index of their own.
        let nested = kept_in(&cache, &archive, Depth::Nested, |_| Ok(Contents::default())).unwrap();
        assert_eq!((nested, open()), (Contents::default(), contents()));
        std::fs::remove_file(cache.join(name(&archive.canonicalize().unwrap(), Depth::Nested))).unwrap();
        // The same size, another modification time.
        File::options().write(true).open(&archive).unwrap().set_modified(UNIX_EPOCH).unwrap();
        assert_eq!((open(), open()), (contents(), contents()));
        assert_eq!(listed.get(), 2);
        std::fs::write(&archive, "some more bytes").unwrap();
        File::options().write(true).open(&archive).unwrap().set_modified(UNIX_EPOCH).unwrap();
        open();
        assert_eq!(listed.get(), 3);
        // A damaged index is ignored.
        let index = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&index).unwrap();
        for len in 0..whole.len() {
            std::fs::write(&index, &whole[..len]).unwrap();
            assert_eq!(open(), contents(), "{len} bytes");
        }
        assert_eq!(listed.get(), 3 + whole.len());
    }

    #[test]
    fn archive_is_listed_if_no_index_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("train.tar");
        std::fs::write(&archive, "some bytes").unwrap();
        assert_eq!(kept_in(&archive, &archive, Depth::Plain, |_| Ok(contents())).unwrap(), contents());
    }
}
