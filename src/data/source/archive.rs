//! Archives of pictures, read in place: one pass lists where each member's bytes are, nothing is unpacked.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;
use tar::EntryType;

use super::Place;
use super::naming::{HEAD, hidden_part};
use crate::files::read_at;

/// Most bytes that an entry's own description, its long name above all, may take.
const MOST_DESCRIPTION: u64 = 1 << 20;

/// Most files that are kept open.
const MOST_OPEN: usize = 256;

/// A plain file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its path; in an archive of archives, behind the path of its archive.
    pub(super) name: String,
    /// Where its bytes begin in the outermost archive.
    pub(super) offset: u64,
    pub(super) len: u32,
}

/// What an archive holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) files: Vec<Member>,
    pub(super) folders: Vec<String>,
    /// Members that are neither, links and devices, and those whose names leave the archive.
    pub(super) odd: Vec<String>,
    /// Whether an archive ends without the mark of an end: cut short between two members, or put together without.
    pub(super) unended: bool,
}

/// What the tar at `path` holds, in its order.
///
/// # Errors
/// When it is not a tar, or a member is not whole.
pub(super) fn contents(path: &Path) -> Result<Contents> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    members(Part { file, start: 0, len, at: 0, since_seek: 0 })
}

/// What the archives in the tar at `path` hold: a member `1.JPEG` of a member `a.tar` is called `a.tar/1.JPEG`. What is no
/// archive is odd, and so is a hidden member such as `._a.tar`, which holds what macOS knows of `a.tar`.
///
/// # Errors
/// As [`contents`], for every archive.
pub(super) fn nested_contents(path: &Path) -> Result<Contents> {
    let outer = contents(path)?;
    let (tars, others): (Vec<Member>, Vec<Member>) = outer
        .files
        .into_iter()
        .partition(|member| member.name.ends_with(".tar") && hidden_part(&member.name).is_none());
    let inner = tars.par_iter().map(|tar| {
        let part =
            Part { file: File::open(path)?, start: tar.offset, len: tar.len.into(), at: 0, since_seek: 0 };
        members(part).map_err(|error| Error::new(error.kind(), format!("{}: {error}", tar.name)))
    });
    let inner: Vec<Contents> = inner.collect::<Result<_>>()?;
    let mut all = Contents { odd: outer.odd, unended: outer.unended, ..Contents::default() };
    all.odd.extend(others.into_iter().map(|member| member.name));
    for (tar, inner) in tars.iter().zip(inner) {
        let below = |name: &str| format!("{}/{name}", tar.name);
        all.files.extend(inner.files.into_iter().map(|file| Member { name: below(&file.name), ..file }));
        all.odd.extend(inner.odd.iter().map(|name| below(name)));
        all.unended |= inner.unended;
    }
    Ok(all)
}

fn members(part: Part) -> Result<Contents> {
    let (start, end) = (part.start, part.start + part.len);
    let mut all = Contents::default();
    let mut archive = tar::Archive::new(part);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            all.folders.push(name);
        } else if kind.is_file() {
            let (offset, len) = (start.saturating_add(entry.raw_file_position()), entry.size());
            if offset.checked_add(len).is_none_or(|last| last > end) {
                let cut = format!("{name} would end past the end of its archive");
                return Err(Error::new(ErrorKind::UnexpectedEof, cut));
            }
            match u32::try_from(len) {
                Ok(len) if !leaves_root(&name) => all.files.push(Member { name, offset, len }),
                _ => all.odd.push(name),
            }
        } else if !matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            all.odd.push(name);
        }
    }
    // After the last member comes a block of zeros, or nothing was left to read.
    all.unended = archive.into_inner().since_seek == 0;
    Ok(all)
}

/// Whether a name points out of the archive. Nothing is ever written there, but such a member is no picture of a class.
fn leaves_root(name: &str) -> bool {
    name.starts_with('/') || name.split('/').any(|part| part == "..")
}

/// Files whose parts are read from anywhere, by any thread.
#[derive(Debug)]
pub(super) struct Archives(Vec<(PathBuf, OnceLock<File>)>);

impl Archives {
    pub(super) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (path, OnceLock::new())).collect())
    }

    pub(super) fn path(&self, archive: u32) -> &Path {
        &self.0[archive as usize].0
    }

    /// The first bytes of a member.
    pub(super) fn head(&self, place: &Place) -> Result<Vec<u8>> {
        match *place {
            Place::Bytes { archive, offset, len } => self.read(archive, offset, len.min(HEAD as u32)),
            Place::Named | Place::Raw(_) => Ok(Vec::new()),
        }
    }

    /// `len` bytes of an archive at `offset`.
    pub(super) fn read(&self, archive: u32, offset: u64, len: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len as usize];
        let (path, kept) = &self.0[archive as usize];
        match kept.get() {
            Some(file) => read_at(file, offset, &mut bytes)?,
            None => {
                let file = File::open(path)?;
                read_at(&file, offset, &mut bytes)?;
                if self.0.len() <= MOST_OPEN {
                    // Another thread may have been faster: then this one is closed.
                    let _ = kept.set(file);
                }
            }
        }
        Ok(bytes)
    }
}

/// A part of a file, as a file of its own.
struct Part {
    file: File,
    start: u64,
    len: u64,
    at: u64,
    /// Bytes read in one go. Between members there is a seek, so these are a description.
    since_seek: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = self.len.saturating_sub(self.at);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if self.since_seek > MOST_DESCRIPTION {
            let what = format!("a member's name and attributes take more than {MOST_DESCRIPTION} bytes");
            return Err(Error::new(ErrorKind::InvalidData, what));
        }
        self.file.seek(SeekFrom::Start(self.start + self.at))?;
        let read = self.file.read(&mut buffer[..most])?;
        self.at += read as u64;
        self.since_seek += read as u64;
        Ok(read)
    }
}

impl Seek for Part {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| Error::other("a place before the beginning"))?;
        self.since_seek = 0;
        Ok(self.at)
    }
}
