//! What a file is: an image, a system file, made by this program, or something else. One rule for every source, on disk and in
//! archives.
//!
//! An image extension decides, and the decoder has the last word. Other files are recognized by their first bytes, so a photo
//! named `IMG_1` or `photo.txt` is found too.

mod images;
mod kind;
mod listed;
mod made;
mod skipped;

pub(crate) use images::images;
pub(crate) use kind::{FileKind, HEAD, hidden_part, plain, stem};
pub(crate) use listed::ListedFile;
pub(crate) use made::{OwnFolderMarks, remove_own_folders};
pub(crate) use skipped::Skipped;
